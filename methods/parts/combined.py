"""Low-rank residuals that are combined with what earlier tasks left when they are folded, not while they are trained.

What a task trains is W_{t-1} + A B. What is kept of it is another matrix, computed in eval mode.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from methods.parts.adapters import LowRank


class SummedFactors(LowRank):
    """Folded to W_init + (A_past + A)(B_past + B), so that one pair of factors holds all tasks (2410.04891).

    Every column of B, a vector of r numbers, starts orthogonal to that column of B_past, with norm 1. W_{t-1} is
    W_init + A_past B_past, so that the residual that is folded has the products A_past B and A B_past as well, which no
    step saw.
    """

    def __init__(
        self, projection: nn.Linear, past: tuple[Tensor, Tensor] | None, rank: int, generator: torch.Generator
    ):
        super().__init__(projection, rank, generator)
        rows, columns = projection.weight.shape
        none = (torch.zeros(rows, rank), torch.zeros(rank, columns))
        start = torch.randn(rank, columns, generator=generator)
        past_a, past_b = none if past is None else (part.float().cpu() for part in past)
        with torch.no_grad():
            self.B.copy_(start / rank if past is None else orthogonal_columns(start, past_b))
        self.register_buffer("past_A", past_a)
        self.register_buffer("past_B", past_b)
        self.past_A: Tensor
        self.past_B: Tensor

    def compute(self) -> Tensor:
        if self.training:
            return super().compute()
        return (self.past_A + self.A) @ (self.past_B + self.B) - self.past_A @ self.past_B

    def summed(self) -> tuple[Tensor, Tensor]:
        """A_past + A, (D1, r), and B_past + B, (r, D2)."""
        return self.past_A.to(self.A) + self.A.detach(), self.past_B.to(self.B) + self.B.detach()


def orthogonal_columns(start: Tensor, past: Tensor) -> Tensor:
    """Columns of norm 1, each orthogonal to the column of `past` at its place, (r, D2) both; any where r is 1.

    They are `start` less its part along `past`. The authors' code takes the last singular vector of each column
    instead, which is nearly the same vector everywhere and so makes B nearly of rank 1.
    """
    if len(start) == 1:
        alone: Tensor = start / torch.linalg.vector_norm(start, dim=0)
        return alone
    old, rest = past.to(start.device).double(), start.double()
    along = old / torch.linalg.vector_norm(old, dim=0).clamp_min(torch.finfo(torch.float64).tiny)
    for _ in range(2):  # once more, against rounding
        rest = rest - along * (along * rest).sum(dim=0)
    unit: Tensor = rest / torch.linalg.vector_norm(rest, dim=0)
    return unit.float()


class LargerChange(LowRank):
    """Folded entry by entry to the larger of two changes of W_init: of all tasks before, and A B (2410.04891).

    W_t = W_init + V with V = A B where |A B| >= |C|, and C elsewhere; C = W_{t-1} - W_init.
    """

    def __init__(self, projection: nn.Linear, change: Tensor, rank: int, generator: torch.Generator) -> None:
        super().__init__(projection, rank, generator)
        self.register_buffer("change", change.clone())
        self.change: Tensor

    def compute(self) -> Tensor:
        new = super().compute()
        if self.training:
            return new
        return torch.where(new.abs() >= self.change.abs(), new, self.change) - self.change


class ContinuedLowRank(LowRank):
    """W_init + A B, with A and B trained on from where the task before left them (SeqLoRA)."""

    stackable = True

    def __init__(
        self, projection: nn.Linear, past: tuple[Tensor, Tensor] | None, rank: int, generator: torch.Generator
    ) -> None:
        super().__init__(projection, rank, generator)
        if past is not None:
            with torch.no_grad():
                self.A.copy_(past[0])
                self.B.copy_(past[1])
        self.register_buffer("folded", (self.A @ self.B).detach())
        self.folded: Tensor

    def compute(self) -> Tensor:
        return super().compute() - self.folded
