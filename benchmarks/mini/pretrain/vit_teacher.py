"""The teacher of the classifier: a small convolutional network, trained on the same images.

A ViT of this size needs hundreds of thousands of images before it sees anything; a convolutional network needs a
minute. The ViT is therefore taught by one, from its features and its logits (as DeiT is: Touvron et al., ICML 2021).
The teacher is not shipped.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from benchmarks.mini.pretrain.loop import Stage

WIDTH: Final = 16
STEPS: Final = 800
BATCH: Final = 128
SMOOTHING: Final = 0.1

Batches = Callable[[torch.Generator, int], tuple[Tensor, Tensor]]


def _convolution(into: int, out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU())


class Teacher(nn.Module):
    """Strided convolutions to 8 x 8 (`MIDDLE` channels), then 4 x 4 (`LATE`), then a mean and a linear head."""

    MIDDLE: Final = 4 * WIDTH
    LATE: Final = 8 * WIDTH

    def __init__(self, classes: int) -> None:
        super().__init__()
        w = WIDTH
        self.early = nn.Sequential(
            _convolution(3, w, 2), _convolution(w, 2 * w, 2), _convolution(2 * w, 2 * w, 1),
            _convolution(2 * w, 4 * w, 2), _convolution(4 * w, 4 * w, 1),
        )  # fmt: skip
        self.late = nn.Sequential(_convolution(4 * w, 8 * w, 2), _convolution(8 * w, 8 * w, 1))
        self.head = nn.Linear(8 * w, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features (n, 64, MIDDLE) and (n, 64, LATE) at the ViT's 8 x 8 patches, logits (n, classes)."""
        middle = self.early(images)
        late = self.late(middle)
        logits = self.head(late.mean((2, 3)))
        late = interpolate(late, scale_factor=2)
        return middle.flatten(2).transpose(1, 2), late.flatten(2).transpose(1, 2), logits


def train_teacher(work: Path, classes: int, batches: Batches) -> Teacher:
    """Train (or finish, or load) the teacher; `batches(generator, n)` gives n images and their labels."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        teacher = Teacher(classes)
    stage = Stage("vit-teacher", teacher, work, steps=STEPS, rate=3e-3, decay=0.05)

    def loss_of(generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        images, labels = batches(generator, BATCH)
        logits = teacher(images)[2]
        loss = cross_entropy(logits, labels, label_smoothing=SMOOTHING)
        return loss, {"loss": loss.item(), "accuracy": (logits.argmax(1) == labels).float().mean().item()}

    stage.train(loss_of)
    return teacher.eval().requires_grad_(False)
