"""The DINO score: how alike generated and real images are to a self-supervised ViT (Ruiz et al., 2023, Section 4.2)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from harness.measures.cosine import similarities
from harness.measures.weights import loading, timm_network
from harness.metric import Metric, TaskImages, Values

BATCH = 16


class Dino(Metric):
    """Mean cosine of each generated image's DINOv2 features with those of all the task's real images."""

    name = "dino"
    title = "DINO"
    summary = "Mean cosine of DINOv2 features of generated and real images of a task, over all pairs of them."
    citation = "Ruiz et al., DreamBooth, CVPR 2023 (arXiv 2208.12242); Oquab et al., DINOv2, 2023 (arXiv 2304.07193)"
    higher = True
    weights_needed = "a timm folder of DINOv2 (config.json, model.safetensors)"

    def of_task(self, task: TaskImages) -> Values:
        """(n,): of each generated image."""
        real, generated = (self.features(each.images) for each in (task.real, task.generated))
        found: NDArray[np.float64] = similarities(generated, real).mean(axis=1)
        return found

    @torch.no_grad()
    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, d) float32, of (n, side, side, 3) uint8 images."""
        model, preprocess = _model(self.weights, self.device)
        pixels = torch.stack([preprocess(Image.fromarray(image)) for image in images])
        return torch.cat([model(batch.to(self.device)).float().cpu() for batch in pixels.split(BATCH)]).numpy()


@lru_cache(maxsize=1)
def _model(folder: Path, device: str) -> tuple[Any, Any]:
    """The network without a head, and what makes its input of a picture, as the folder's config.json says."""
    from timm.data.config import resolve_model_data_config
    from timm.data.transforms_factory import create_transform

    with loading(folder, Dino):
        model = timm_network(folder)
    transform = create_transform(**resolve_model_data_config(model), is_training=False)
    return model.eval().float().to(device), transform
