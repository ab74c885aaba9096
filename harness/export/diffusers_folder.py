"""Writes what was learnt as a plain pipeline's folder, which diffusers loads without anything of ours."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from harness.backbones.loading import LEFT_OUT
from harness.backbones.solvers import scheduler_of
from harness.backbones.text import FORMER_END, Reader
from harness.backbones.text_to_image import TextToImage, check_token
from harness.errors import UsageError
from harness.export.precision import require_finite, rounded
from harness.spec import Solver
from harness.store.atomic import new_folder


def export_pipeline(
    model: TextToImage, tokens: Mapping[str, Tensor], folder: Path, texts: Mapping[str, str] | None = None, *,
    dtype: torch.dtype = torch.float32, solver: Solver = "ddim",
) -> Path:  # fmt: skip
    """Write the model as it is, with these custom tokens, as a diffusers folder in safetensors.

    The tokens join the tokenizers and become rows of each text encoder's table of embeddings, in the order given;
    others that the model knows are left out. In float32 it loads with no dtype named; the scheduler is the one that the
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
    own: Any = model.pipeline.scheduler
    scheduler = type(own).from_config(_portable(own.config))
    parts: dict[str, Any] = {
        "scheduler": scheduler_of(solver, scheduler), "vae": _diffusers_copy(model.vae, dtype),
        model.layout.denoiser: _diffusers_copy(model.denoiser, dtype),
    }  # fmt: skip
    widths = [embedding.split(model.token_widths) for embedding in tokens.values()]
    for number, (text, reader) in enumerate(zip(model.texts, model.readers, strict=True)):
        embeddings = dict(zip(tokens, (split[number] for split in widths), strict=True))
        tokenizer = _tokenizer(reader, tokens, folder / text.tokenizer)
        parts |= {text.tokenizer: tokenizer, text.encoder: _text_encoder(reader, tokenizer, embeddings, dtype)}
    for text in model.layout.texts:
        if text not in model.texts:
            parts |= {text.tokenizer: None, text.encoder: None}
    kind: Any = type(model.pipeline)
    told: dict[str, Any] = dict(LEFT_OUT.get(kind.__name__, {}))
    if "force_zeros_for_empty_prompt" in model.pipeline.config:
        told["force_zeros_for_empty_prompt"] = model.pipeline.config.force_zeros_for_empty_prompt
    kind(**parts, **told).save_pretrained(folder, safe_serialization=True)


def _tokenizer(reader: Reader, tokens: Mapping[str, Tensor], folder: Path) -> Any:
    """A copy of a tokenizer that knows these custom tokens and no others."""
    reader.tokenizer.save_pretrained(folder)
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["added_tokens"] = [entry for entry in content["added_tokens"] if entry["id"] < reader.words]
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    tokenizer = type(reader.tokenizer).from_pretrained(folder, local_files_only=True)
    tokenizer.add_tokens(list(tokens))
    for row, token in enumerate(tokens):
        if tokenizer(token, add_special_tokens=False).input_ids != [reader.words + row]:
            raise UsageError(f"The tokenizer splits the custom token '{token}' or knows it already; use another name.")
    return tokenizer


def _text_encoder(reader: Reader, tokenizer: Any, tokens: Mapping[str, Tensor], dtype: torch.dtype) -> nn.Module:
    """A copy of a text encoder whose table has a row for each token: a new one, or one that no word has, as T5's."""
    encoder: Any = reader.encoder
    state = _state(encoder, dtype)
    first, kept = reader.words, min(reader.words, reader.vocabulary)
    for name in (name for name, tensor in encoder.state_dict(keep_vars=True).items() if tensor is reader.table):
        rows = [rounded(embedding, dtype, token).to(state[name])[None] for token, embedding in tokens.items()]
        state[name] = torch.cat([state[name][:kept], *rows, state[name][first + len(rows) :]])
        size = len(state[name])
    settings = {**encoder.config.to_dict(), "vocab_size": size}
    if settings.get("eos_token_id") == FORMER_END and hasattr(encoder, "text_projection"):
        # with it a prompt's end is taken to be its largest id, which a custom token's is, too
        settings["eos_token_id"] = tokenizer.eos_token_id
    config = type(encoder.config).from_dict(settings)
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
