"""A pipeline as diffusers loads it: in float32, without the checks of what it draws."""

from __future__ import annotations

import torch
from diffusers import StableDiffusionPipeline


def as_loaded(source: str) -> StableDiffusionPipeline:
    """Of a folder."""
    pipeline: StableDiffusionPipeline = StableDiffusionPipeline.from_pretrained(
        source, local_files_only=True, use_safetensors=True, torch_dtype=torch.float32, safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    return pipeline
