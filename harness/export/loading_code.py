"""The Python that a model card shows: it runs as printed, and draws what the run would draw."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.spec import Sampling


@dataclass(frozen=True)
class Base:
    """Where plain diffusers has a base model from.

    `place`: a hub id, or a folder's path. `revision`: of the hub, None for a folder.
    """

    place: str
    revision: str | None = None


def pipeline_code(folder: str, prompt: str, sampling: Sampling) -> str:
    """Loads a whole pipeline, whose own scheduler is the run's."""
    return "\n".join(
        [
            "# pip install diffusers transformers",
            "import torch",
            "from diffusers import StableDiffusionPipeline",
            "",
            f"pipeline = StableDiffusionPipeline.from_pretrained({_text(folder)}, torch_dtype=torch.float32)",
            *_drawn(prompt, sampling),
        ]
    )


def adapter_code(
    base: Base, folder: str, scheduler: Any, prompt: str, sampling: Sampling, *, lora: str | None,
    embeddings: str, names: Sequence[str],
) -> str:  # fmt: skip
    """Loads the base model, onto it a LoRA file and embeddings, and the run's own sampler.

    Args:
        folder: the export's. scheduler: the run's. lora: the file's name; None for embeddings alone.
        embeddings: their folder within the export, '' for itself. names: theirs.
    """
    revision = f", revision={_text(base.revision)}" if base.revision else ""
    kind, places = type(scheduler).__name__, f"{folder}/{embeddings}" if embeddings else folder
    loaded = [f"pipeline.load_lora_weights({_text(folder)}, weight_name={_text(lora)})"] if lora else []
    return "\n".join(
        [
            f"# pip install diffusers transformers{' peft' if lora else ''}",
            "import torch",
            f"from diffusers import {', '.join(sorted((kind, 'StableDiffusionPipeline')))}",
            "",
            "pipeline = StableDiffusionPipeline.from_pretrained(",
            f"    {_text(base.place)}{revision}, torch_dtype=torch.float32,",
            "    safety_checker=None,  # as the run drew; without this line the base model's own is loaded",
            ")",
            *loaded,
            f"for name in {_text(list(names))}:",
            f'    pipeline.load_textual_inversion({_text(places)}, weight_name=f"{{name}}.safetensors")',
            f"pipeline.scheduler = {kind}(",
            *(f"    {name}={value!r}," for name, value in _own_settings(scheduler).items()),
            ")",
            *_drawn(prompt, sampling),
        ]
    )


def _drawn(prompt: str, sampling: Sampling) -> list[str]:
    noise = f" eta={sampling.eta!r}," if sampling.solver == "ddim" else ""
    return [
        "image = pipeline(",
        f"    {_text(prompt)},",
        f"    num_inference_steps={sampling.steps}, guidance_scale={sampling.guidance_scale!r},{noise}",
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
