"""What a classification task is taught from: its images, and the cross-entropy on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear

from harness.backbones.classifier import Classifier
from harness.settings.classification.epochs import images_an_epoch
from harness.settings.classification.transforms import Pixels


@dataclass(frozen=True)
class ClassLesson:
    """One task's material. `classes` new ones; those before them are what the model's head knows already."""

    model: Classifier
    pixels: Pixels
    classes: int

    def batches(self, size: int, generator: torch.Generator, *, drop_last: bool = False) -> Iterator[list[int]]:
        """One epoch: all training images once, in random order, `size` at a time.

        The last batch may be smaller; with `drop_last` it is then left out, if there is another one.
        """
        order = torch.randperm(len(self.pixels.labels("train")), generator=generator)
        for rows in order[: images_an_epoch(len(order), size, drop_last)].split(size):
            yield rows.tolist()

    def shown(self) -> Iterator[tuple[Tensor, Tensor]]:
        """All training images as a test would show them, in order: batches of (B, 3, size, size) and labels, (B,).

        Labels count all classes seen, the past ones first.
        """
        labels = self.pixels.labels("train")
        for rows in torch.arange(len(labels)).split(self.pixels.recognition.batch_size):
            yield self.pixels.testing(rows.tolist(), "train"), labels[rows]


class Head(nn.Module):
    """The linear head in training: a row for each class, those of past classes fixed or not.

    With `mask_past` the past classes take no part in the loss, and so their rows are not even parameters: they cannot
    move. Without it all rows are trained on all logits.
    """

    def __init__(self, model: Classifier, classes: int, mask_past: bool, generator: torch.Generator) -> None:
        super().__init__()
        bound = model.dim**-0.5  # as nn.Linear
        weight = (torch.rand(classes, model.dim, generator=generator) * 2 - 1) * bound
        bias = (torch.rand(classes, generator=generator) * 2 - 1) * bound
        weight, bias = weight.to(model.device), bias.to(model.device)
        if mask_past:
            self.fixed = (model.head_weight, model.head_bias)
        else:
            weight, bias = torch.cat([model.head_weight, weight]), torch.cat([model.head_bias, bias])
            self.fixed = (weight[:0].clone(), bias[:0].clone())
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy of (B, dim) features; `labels` count all classes seen, the past ones first.

        Logits that are left out of the softmax are those that the published code sets to minus infinity.
        """
        return cross_entropy(linear(features, self.weight, self.bias), labels - len(self.fixed[1]))

    @torch.no_grad()
    def whole(self) -> tuple[Tensor, Tensor]:
        """Weight (classes seen, dim) and bias (classes seen,)."""
        weight, bias = torch.cat([self.fixed[0], self.weight]), torch.cat([self.fixed[1], self.bias])
        return weight.detach().clone(), bias.detach().clone()
