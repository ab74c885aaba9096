"""Low-rank weights of each concept, kept apart while they are learnt, and weighed by what a prompt speaks of (CIDM)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from methods.parts.adapters import LowRank


class FromPretrained(LowRank):
    """W_init + A B, whatever W_{t-1} is: the change so far is taken back."""

    stackable = True

    def __init__(self, projection: nn.Linear, change: Tensor, rank: int, generator: torch.Generator) -> None:
        super().__init__(projection, rank, generator)
        self.register_buffer("past", change.detach().clone())
        self.past: Tensor

    def forward(self, weight: Tensor) -> Tensor:
        return weight - self.past + self.residual().to(weight.dtype)


def consolidation(past: Mapping[str, Tensor], now: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The mean of |A_t A_i^T|, and of (A_t - 1)^2; both over entries and matrices, the first over i, too.

    Args:
        past: name -> (t - 1, D1, r), A_i of the concepts before. now: name -> (D1, r), A_t.
    """
    apart = torch.stack([(a @ past[name].mT).abs().mean() for name, a in now.items()]).mean()
    ones = torch.stack([(a - 1).square().mean() for a in now.values()]).mean()
    return {"apart": apart, "ones": ones}


def shares(concepts: Tensor, prompt: Tensor, power: float) -> Tensor:
    """w_i, (t,), which sum to 1: |largest cosine of concept i with a place of the prompt| to a power.

    Args:
        concepts: (t, dim), a feature of each. prompt: (places, dim).
    """
    unit = [x / torch.linalg.vector_norm(x, dim=-1, keepdim=True) for x in (concepts, prompt)]
    nearest = (unit[0] @ unit[1].mT).amax(dim=1).abs()
    found: Tensor = nearest.pow(power) / nearest.pow(power).sum()
    return found


def weighed(weights: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """sum_i w_i A_i B_i, (D1, D2); w (t,), A (t, D1, r), B (t, r, D2)."""
    return torch.einsum("t,tdr,trc->dc", weights, a, b)


def longer(past: Tensor | None, one: Tensor) -> Tensor:
    """(t, ...) of (t - 1, ...), if there is a past, and one more, (1, ...)."""
    return one if past is None else torch.cat([past, one])
