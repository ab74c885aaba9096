"""What a run learnt, drawn by `generate`, and what plain diffusers draws with an export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from in_process import bench
from numpy.typing import NDArray

from harness.store.image_sets import load_images


def by_diffusers(pipeline: Any, prompt: str, seeds: list[int]) -> NDArray[np.uint8]:
    """What plain diffusers draws, as the run sampled."""
    from diffusers import DDIMScheduler

    usual = {"set_alpha_to_one": False, "steps_offset": 1}
    pipeline.scheduler = DDIMScheduler.from_config({**usual, **dict(pipeline.scheduler.config)}, clip_sample=False)
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline(
        [prompt] * len(seeds), generator=[torch.Generator().manual_seed(s) for s in seeds], num_inference_steps=2,
        guidance_scale=6.0, output_type="np",
    ).images  # fmt: skip
    return (images * 255).round().astype(np.uint8)


def load(folder: Path) -> Any:
    from diffusers import StableDiffusionPipeline

    return StableDiffusionPipeline.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, torch_dtype=torch.float32
    )


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def drawn(runs: Path, folder: Path, *arguments: object) -> NDArray[np.uint8]:
    sampled = ("--seeds", "0-2", "--guidance", 6.0, "--device", "cpu")
    code, said = bench("generate", runs, "-o", folder, *sampled, *arguments)
    assert code == 0, said
    return load_images(folder)
