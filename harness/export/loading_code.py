"""The Python that a model card shows: it runs as printed, and draws what the run would draw."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.backbones.layouts import PIPELINES, STABLE_DIFFUSION, Layout, TextPart
from harness.spec import Sampling


@dataclass(frozen=True)
class Base:
    """Where plain diffusers has a base model from.

    `place`: a hub id, or a folder's path. `revision`: of the hub, None for a folder.
    """

    place: str
    revision: str | None = None


def pipeline_code(kind: str, texts: Sequence[TextPart], folder: str, prompt: str, sampling: Sampling) -> str:
    """Loads a whole pipeline of that class, with these text encoders, whose own scheduler is the run's."""
    return "\n".join(
        [
            "# pip install diffusers transformers",
            "import torch",
            f"from diffusers import {kind}",
            "",
            f"pipeline = {kind}.from_pretrained({_text(folder)}, torch_dtype=torch.float32{_told(kind, texts)})",
            *_drawn(kind, prompt, sampling),
        ]
    )


def adapter_code(
    kind: str, texts: Sequence[TextPart], base: Base, folder: str, scheduler: Any, prompt: str, sampling: Sampling, *,
    lora: str | None, embeddings: str, names: Sequence[str],
) -> str:  # fmt: skip
    """Loads the base model, onto it a LoRA file and embeddings, and the run's own sampler.

    Args:
        kind: the class of the pipeline. texts: its tokenizers and text encoders.
        folder: the export's. scheduler: the run's. lora: the file's name; None for embeddings alone.
        embeddings: their folder within the export, '' for itself. names: theirs.
    """
    layout = PIPELINES[kind]
    revision = f", revision={_text(base.revision)}" if base.revision else ""
    solver, places = type(scheduler).__name__, f"{folder}/{embeddings}" if embeddings else folder
    loaded: list[str] = []
    if lora and layout.name == "pixart":  # its pipelines have no loader of their own
        loaded = [
            f"factors = load_file({_text(f'{folder}/{lora}')})",
            'for name in [key.removesuffix(".lora_A.weight") for key in factors if key.endswith(".lora_A.weight")]:',
            '    weight = pipeline.transformer.get_submodule(name.removeprefix("transformer.")).weight',
            '    weight.data += factors[f"{name}.lora_B.weight"].float() @ factors[f"{name}.lora_A.weight"].float()',
        ]
    elif lora:
        loaded = [f"pipeline.load_lora_weights({_text(folder)}, weight_name={_text(lora)})"]
    one = layout is STABLE_DIFFUSION
    checked = "    safety_checker=None,  # as the run drew; without this line the base model's own is loaded"
    return "\n".join(
        [
            f"# pip install {_packages(layout, texts, lora=bool(lora))}",
            "import torch",
            f"from diffusers import {', '.join(sorted((solver, kind)))}",
            *([] if one else ["from safetensors.torch import load_file"]),
            "",
            f"pipeline = {kind}.from_pretrained(",
            f"    {_text(base.place)}{revision}, torch_dtype=torch.float32{_told(kind, texts)},",
            *([checked] if one else []),
            ")",
            *loaded,
            f"for name in {_text(list(names))}:",
            *(_one_embedding(places) if one else _embeddings_of_each(places, texts)),
            f"pipeline.scheduler = {solver}(",
            *(f"    {name}={value!r}," for name, value in _own_settings(scheduler).items()),
            ")",
            *_drawn(kind, prompt, sampling),
        ]
    )


def _told(kind: str, texts: Sequence[TextPart]) -> str:
    """', text_encoder_3=None, tokenizer_3=None' of a pipeline without it, which asks to be told; and no watermark."""
    layout = PIPELINES[kind]
    missing = [text for text in layout.texts if text not in texts]
    plain = ", add_watermarker=False" if layout.name == "sdxl" else ""  # which it has where a package is installed
    return "".join(f", {text.encoder}=None, {text.tokenizer}=None" for text in missing) + plain


def _packages(layout: Layout, texts: Sequence[TextPart], *, lora: bool) -> str:
    """What the base model's own files are read with, and a LoRA file."""
    more = [" sentencepiece protobuf"] if any(text.in_pieces for text in texts) else []
    return "diffusers transformers" + "".join([*more, " peft" if lora and layout.name != "pixart" else ""])


def _one_embedding(places: str) -> list[str]:
    return [f'    pipeline.load_textual_inversion({_text(places)}, weight_name=f"{{name}}.safetensors")']


def _embeddings_of_each(places: str, texts: Sequence[TextPart]) -> list[str]:
    """By hand: diffusers loads a token into one encoder at most, and takes another place for a prompt's end then."""
    each = [f"(pipeline.{text.tokenizer}, pipeline.{text.encoder}, parts[{_text(text.short)}])" for text in texts]
    return [
        f"    parts = load_file(f{_text(places + '/{name}.safetensors')})",
        "    for tokenizer, encoder, part in [",
        *(f"        {one}," for one in each),
        "    ]:",
        '        tokenizer.add_tokens([f"<{name}>"])',
        '        row = tokenizer.convert_tokens_to_ids(f"<{name}>")',
        "        rows = max(row + 1, encoder.get_input_embeddings().num_embeddings)",
        "        encoder.resize_token_embeddings(rows, mean_resizing=False)",
        "        encoder.get_input_embeddings().weight.data[row] = part[0].float()",
        '        if hasattr(encoder, "text_model"):  # or a custom token would be taken for the end of a prompt',
        "            encoder.text_model.eos_token_id = tokenizer.eos_token_id",
    ]


def _drawn(kind: str, prompt: str, sampling: Sampling) -> list[str]:
    noise = f" eta={sampling.eta!r}," if sampling.solver == "ddim" else ""
    # cleaning takes a custom token for a tag of HTML, and leaves it out
    own = ["    use_resolution_binning=False, clean_caption=False,"] if PIPELINES[kind].name == "pixart" else []
    return [
        "image = pipeline(",
        f"    {_text(prompt)},",
        f"    num_inference_steps={sampling.steps}, guidance_scale={sampling.guidance_scale!r},{noise}",
        *own,
        "    generator=torch.Generator().manual_seed(0),",
        ").images[0]",
        'image.save("image.png")',
    ]


def _own_settings(scheduler: Any) -> dict[str, Any]:
    """What a scheduler has otherwise than its class by default."""
    usual = inspect.signature(type(scheduler).__init__).parameters
    own = {name: scheduler.config[name] for name in usual if name in scheduler.config}
    return {name: value for name, value in own.items() if value != usual[name].default}


def _text(value: Any) -> str:
    """A Python literal: no name can end its quotes."""
    return json.dumps(value, ensure_ascii=False)
