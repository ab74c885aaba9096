"""What a method may touch of a backbone: its key and value projections, and one new token."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class Adapter(nn.Module):
    """A residual on one projection: forward(W) = W + residual(), W (D1, D2), as a parametrization of its weight.

    Subclasses implement `compute`. The residual is computed once a training step, by `refresh`, and reused by the
    forward pass and by the penalties, so that both see the same noise.
    """

    def __init__(self) -> None:
        super().__init__()
        self._residual: Tensor | None = None

    def compute(self) -> Tensor:
        """The residual, (D1, D2); in training mode it may draw noise, in eval mode it must not."""
        raise NotImplementedError

    def refresh(self) -> None:
        """Compute the residual anew."""
        self._residual = self.compute()

    def residual(self) -> Tensor:
        """The current residual, (D1, D2)."""
        if self._residual is None:
            self.refresh()
        assert self._residual is not None
        return self._residual

    def forward(self, weight: Tensor) -> Tensor:
        """The adapted weight."""
        return weight + self.residual().to(weight.dtype)


class Adaptable(Protocol):
    """A model's adaptable projections, by name, and the width and scale of its token embeddings."""

    @property
    def projections(self) -> Mapping[str, nn.Linear]:
        """Name -> projection, in a fixed order."""
        ...

    @property
    def token_dim(self) -> int:
        """Width of a token embedding."""
        ...

    def change(self, name: str) -> Tensor:
        """W_{t-1} - W_init of one projection, (D1, D2): all that the past left in it. Zero at the first task."""
        ...

    def token_start(self, kind: str) -> Tensor:
        """Where the custom token starts: (dim,), the category word's embedding or zeros for a random start."""
        ...

    def token_scale(self) -> float:
        """Standard deviation of the existing token embeddings' entries."""
        ...


def attach(model: Adaptable, make: Callable[[str, nn.Linear], Adapter]) -> dict[str, Adapter]:
    """Put a new adapter on every projection, as a parametrization of its weight; returns name -> adapter."""
    if attached(model.projections.values()):
        raise RuntimeError("the projections have adapters already; fold them before attaching new ones")
    adapters: dict[str, Adapter] = {}
    for name, projection in model.projections.items():
        adapters[name] = make(name, projection)
        projection.weight.requires_grad_(False)
        # `unsafe` skips a trial forward: the residual is computed when training starts, not before
        parametrize.register_parametrization(projection, "weight", adapters[name], unsafe=True)
    return adapters


def attached(projections: Iterable[nn.Linear]) -> list[Adapter]:
    """The adapters that are on these projections now."""
    found: list[Adapter] = []
    for projection in projections:
        if parametrize.is_parametrized(projection, "weight"):
            chain = projection.parametrizations["weight"]  # type: ignore[index]
            found += [module for module in chain if isinstance(module, Adapter)]
    return found


def fold(projections: Iterable[nn.Linear]) -> None:
    """Write every adapter's residual into its projection's weight, without noise, and remove the adapter."""
    for projection in projections:
        for adapter in attached([projection]):
            adapter.eval()
            with torch.no_grad():
                adapter.refresh()
            parametrize.remove_parametrizations(projection, "weight", leave_parametrized=True)
            projection.weight.requires_grad_(False)


def count_trained(model: Adaptable, token: nn.Module) -> int:
    """How many parameters a task trains: those of the adapters and of the token."""
    modules: list[nn.Module] = [*attached(model.projections.values()), token]
    return sum(p.numel() for module in modules for p in module.parameters() if p.requires_grad)
