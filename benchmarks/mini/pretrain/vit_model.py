"""The embedded classifier's size, and what it makes of images."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.mini.objects import CLASSES

MODEL_ARGS: Final[dict[str, Any]] = {
    "img_size": 64, "patch_size": 8, "embed_dim": 96, "depth": 6, "num_heads": 3, "num_classes": len(CLASSES),
}  # fmt: skip
MEAN = STD = (0.5, 0.5, 0.5)


def normalise(images: Tensor) -> Tensor:
    """(n, 3, 64, 64) in [0, 1] as the ViT expects it."""
    mean, std = (torch.tensor(v)[:, None, None] for v in (MEAN, STD))
    return (images - mean) / std


@torch.no_grad()
def features(model: nn.Module, images: np.ndarray[Any, np.dtype[np.uint8]]) -> tuple[Tensor, Tensor]:
    """Class tokens after the final norm (n, d), and logits (n, classes), of (n, 64, 64, 3) uint8 images."""
    tokens, logits = [], []
    for batch in torch.from_numpy(images).split(100):
        token = model.forward_features(normalise(batch.permute(0, 3, 1, 2).float() / 255))[:, 0]  # type: ignore[operator]
        tokens.append(token)
        logits.append(model.head(token))  # type: ignore[operator]
    return torch.cat(tokens), torch.cat(logits)
