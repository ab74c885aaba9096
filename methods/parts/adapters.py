"""Residuals of one projection: full, low-rank (eq. 2), masked low-rank (eq. 5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.backbones.adapters import Adapter
from methods.parts.masks import Mask
from methods.parts.products import product


class FullResidual(Adapter):
    """Every entry of the projection is free (Custom Diffusion): W_t = W_{t-1} + D, D starting at zero."""

    stackable = True

    def __init__(self, projection: nn.Linear) -> None:
        super().__init__()
        self.delta = nn.Parameter(torch.zeros(projection.weight.shape))

    def compute(self) -> Tensor:
        return self.delta


class LowRank(Adapter):
    """LoRA (eq. 2): W_t = W_{t-1} + A B, A (D1, r) starting at zero, B (r, D2) uniform as nn.Linear's weights."""

    stackable = True

    def __init__(self, projection: nn.Linear, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        rows, columns = projection.weight.shape
        bound = columns**-0.5
        self.A = nn.Parameter(torch.zeros(rows, rank))
        self.B = nn.Parameter((torch.rand(rank, columns, generator=generator) * 2 - 1) * bound)

    def compute(self) -> Tensor:
        return product(self.A, self.B)


class MaskedLowRank(LowRank):
    """STAMINA (eq. 5): W_t = W_{t-1} + (A B) * M, with the mask drawn once a step."""

    stackable = True

    def __init__(self, projection: nn.Linear, rank: int, mask: Mask, generator: torch.Generator) -> None:
        super().__init__(projection, rank, generator)
        self.mask_module = mask
        self.mask: Tensor = torch.ones(())

    def compute(self) -> Tensor:
        self.mask = self.mask_module(self.progress)
        return product(self.A, self.B) * self.mask
