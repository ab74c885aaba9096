"""LPIPS within a concept: how different a task's generated images are from each other (Zhang et al., 2018)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.errors import UsageError
from harness.measures.weights import loading, timm_network
from harness.metric import Metric, TaskImages, Values

BATCH = 16
# Of the weights of LPIPS 0.1, one for each channel of VGG-16's relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3
HEADS = Path(__file__).with_name("lpips_vgg.safetensors")
LOOKED_AT = (3, 8, 15, 22, 29)  # these are layers of VGG-16's `features`
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of pixels in [-1, 1]


class Lpips(Metric):
    """Mean LPIPS over all pairs of a task's generated images: DreamBooth's diversity (its appendix).

    0 if all are the same. It knows nothing of the real images: a model that draws anything at all scores high, and one
    that draws the training images again scores what they do.
    """

    name = "lpips"
    title = "LPIPS (diversity)"
    summary = "Mean LPIPS distance between a task's generated images; it ignores the real ones."
    citation = "Zhang et al., CVPR 2018 (arXiv 1801.03924); Ruiz et al., DreamBooth, CVPR 2023 (arXiv 2208.12242)"
    higher = True
    weights_needed = "a timm folder of VGG-16 (vgg16.tv_in1k: config.json, model.safetensors)"
    data_files = ("lpips_vgg.safetensors",)

    def of_task(self, task: TaskImages) -> Values:
        """(n,): of each generated image, its mean distance from the others."""
        apart = self.distances(task.generated.images)
        if len(apart) < 2:
            raise UsageError("The metric 'lpips' compares a task's generated images, and there is one: draw more.")
        found: NDArray[np.float64] = apart.sum(axis=1) / (len(apart) - 1)
        return found

    @torch.no_grad()
    def distances(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(n, n) float64: LPIPS of each pair of (n, side, side, 3) uint8 images.

        A layer's part is the mean over places of sum_c w_c (a_c - b_c)^2, where a and b have unit length at each place:
        a quadratic form, so that the network sees each image once and not each pair.
        """
        network, heads = _model(self.weights, self.device)
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float().to(self.device) / 127.5 - 1
        shift, scale = (torch.tensor(of, device=self.device).view(3, 1, 1) for of in (SHIFT, SCALE))
        by_batch = [_layers(network, part) for part in ((pixels - shift) / scale).split(BATCH)]
        total = torch.zeros(len(images), len(images), dtype=torch.float64)
        for head, parts in zip(heads, zip(*by_batch, strict=True), strict=True):
            found = torch.cat(parts)
            unit = found / (found.square().sum(dim=1, keepdim=True) + 1e-8).sqrt()
            products = torch.einsum("ichw,c,jchw->ij", unit, head, unit).double().cpu() / unit[0, 0].numel()
            own = products.diagonal()
            total += own[:, None] + own[None, :] - 2 * products
        return total.clamp(min=0).fill_diagonal_(0).numpy()


def _layers(network: Any, pixels: Tensor) -> list[Tensor]:
    """(n, c, h, w) of each layer that is looked at."""
    found, x = [], pixels
    for number, layer in enumerate(network[: LOOKED_AT[-1] + 1]):
        x = layer(x)
        if number in LOOKED_AT:
            found.append(x.clone())  # the next layer may write over it
    return found


@lru_cache(maxsize=1)
def _model(folder: Path, device: str) -> tuple[Any, list[Tensor]]:
    """VGG-16's convolutions, and the heads."""
    from safetensors.torch import load_file

    with loading(folder, Lpips):
        layers: Any = getattr(timm_network(folder), "features", ())
        kinds = dict(enumerate(type(layer).__name__ for layer in layers))
        if any((kinds.get(at), kinds.get(at + 1)) != ("ReLU", "MaxPool2d") for at in LOOKED_AT):
            raise ValueError("it is another network")
    heads = load_file(HEADS, device=device)
    return layers.eval().float().to(device), [heads[f"relu{block}"] for block in range(1, 6)]
