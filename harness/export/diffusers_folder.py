"""Writes what was learnt as a plain Stable Diffusion folder, which diffusers loads without anything of ours."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from harness.backbones.solvers import scheduler_of
from harness.backbones.text_to_image import TextToImage, check_token
from harness.errors import UsageError
from harness.export.precision import require_finite, rounded
from harness.spec import Solver
from harness.store.atomic import new_folder

TABLE = "token_embedding.weight"


def export_pipeline(
    model: TextToImage, tokens: Mapping[str, Tensor], folder: Path, texts: Mapping[str, str] | None = None, *,
    dtype: torch.dtype = torch.float32, solver: Solver = "ddim",
) -> Path:  # fmt: skip
    """Write the model as it is, with these custom tokens, as a diffusers Stable Diffusion folder in safetensors.

    The tokens join the tokenizer and become new rows of the text encoder's embedding table, in the order given; others
    that the model knows are left out. In float32 it loads with no dtype named; the scheduler is the one that the
    harness samples with. `model` itself stays as it is, and no random number is drawn.

    Args:
        model: at the weights to write, folded. tokens: '<name>' -> embedding, (dim,). folder: new, or empty.
        texts: further files, name -> content. dtype: of all weights. solver: whose scheduler it has.

    Returns:
        The folder. It appears by one rename, so that it is whole or not there.

    Raises:
        RuntimeError: adapters are attached. ValueError: an embedding of another shape than (dim,).
        UsageError: a token that cannot be one, a weight too large for the dtype, or a folder that holds something or
            cannot be written.
    """
    if model.adapters():
        raise RuntimeError("the projections have adapters; fold them before exporting")
    for token, embedding in tokens.items():
        check_token(token)
        if embedding.shape != (model.token_dim,):
            raise ValueError(f"the embedding of '{token}' has shape {tuple(embedding.shape)}, not ({model.token_dim},)")
    folder = Path(os.path.abspath(folder))
    with new_folder(folder) as temporary:
        _write(model, tokens, temporary, dtype, solver)
        for name, text in (texts or {}).items():
            (temporary / name).write_text(text, encoding="utf-8")
    return folder


def _write(model: TextToImage, tokens: Mapping[str, Tensor], folder: Path, dtype: torch.dtype, solver: Solver) -> None:
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    tokenizer = _tokenizer(model, tokens, folder / "tokenizer")
    own: Any = model.pipeline.scheduler
    ddim = DDIMScheduler.from_config(_portable(own.config))
    pipeline = StableDiffusionPipeline(
        vae=_diffusers_copy(model.vae, dtype), unet=_diffusers_copy(model.unet, dtype),
        text_encoder=_text_encoder(model, tokens, dtype), tokenizer=tokenizer, scheduler=scheduler_of(solver, ddim),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder, safe_serialization=True)


def _tokenizer(model: TextToImage, tokens: Mapping[str, Tensor], folder: Path) -> Any:
    """A copy of the tokenizer that knows these custom tokens and no others, their ids those of the table's new rows."""
    first = model.vocabulary
    model.tokenizer.save_pretrained(folder)
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["added_tokens"] = [entry for entry in content["added_tokens"] if entry["id"] < first]
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    tokenizer = type(model.tokenizer).from_pretrained(folder, local_files_only=True)
    tokenizer.add_tokens(list(tokens))
    for row, token in enumerate(tokens):
        if tokenizer(token, add_special_tokens=False).input_ids != [first + row]:
            raise UsageError(f"The tokenizer splits the custom token '{token}' or knows it already; use another name.")
    return tokenizer


def _text_encoder(model: TextToImage, tokens: Mapping[str, Tensor], dtype: torch.dtype) -> nn.Module:
    """A copy of the text encoder with one more row in its table for each token."""
    encoder: Any = model.text_encoder
    state = _state(encoder, dtype)
    name = next(name for name in state if name.endswith(TABLE))
    rows = [rounded(embedding, dtype, token).to(state[name])[None] for token, embedding in tokens.items()]
    state[name] = torch.cat([state[name], *rows])
    config = type(encoder.config).from_dict({**encoder.config.to_dict(), "vocab_size": len(state[name])})
    config._name_or_path = ""
    return _filled(lambda: type(encoder)(config), state)


def _diffusers_copy(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A U-Net or VAE without hooks, of the same values."""
    kind: Any = type(module)
    return _filled(lambda: kind.from_config(_portable(cast(Any, module).config)), _state(module, dtype))


def _state(module: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
    found = {k: v.detach().to(dtype) if v.is_floating_point() else v for k, v in module.state_dict().items()}
    for name, tensor in found.items():
        require_finite(tensor, dtype, name)
    return found


def _filled(make: Any, state: Mapping[str, Tensor]) -> nn.Module:
    """A module made without weights, given these; tensors that have the dtype already are shared, not copied."""
    with torch.device("meta"):
        module: nn.Module = make()
    module.load_state_dict(state, strict=True, assign=True)
    return module.eval()


def _portable(config: Mapping[str, Any]) -> dict[str, Any]:
    """Without the path that the model came from."""
    return {key: value for key, value in config.items() if key != "_name_or_path"}
