"""Adapters that are alike, computed together: one kernel for many small matrices, where each alone is mostly overhead.

What is trained then has a leading dimension, (n, ...), and one optimizer's tensor serves n projections. Nothing else
changes: the numbers drawn, the sums, and what an adapter's own parameters hold, which are views of the stack's.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from harness.backbones.adaptable import Adapter

# entries of a stack's residuals: beyond it kernels are long enough, and on a CPU the entries leave its cache
LARGEST = {"cpu": 2**17, "cuda": 2**22}


class Stack:
    """n adapters of one class on projections of one shape, (D1, D2); the residuals are one tensor, (n, D1, D2)."""

    def __init__(self, adapters: Sequence[Adapter]) -> None:
        """`adapters`: alike, attached, on the device. Their parameters become views of the stack's."""
        self.adapters = tuple(adapters)
        self.joint: Adapter = _joined(self.adapters)
        self.projections = tuple(projection for adapter in adapters for projection in adapter._projection)
        # W_{t-1}, (n, D1, D2), as long as these are trained
        self.weight = torch.stack([projection.weight.detach() for projection in self.projections])

    def parameters(self) -> Iterator[nn.Parameter]:
        """What is trained, (n, ...) each."""
        return self.joint.parameters()

    def refresh(self) -> None:
        """As `Adapter.refresh` of each."""
        self.joint._residual = residual = self.joint.compute()
        self.joint._parts = residual.unbind()  # at once: on the way back each part alone would fill a whole gradient
        for projection, adapted in zip(self.projections, self.joint(self.weight).unbind(), strict=True):
            projection.adapted = adapted
        if self.adapters[0]._joint is None:
            for place, adapter in enumerate(self.adapters):
                adapter._joint = (self.joint, place)


def stacked(adapters: Sequence[Adapter]) -> list[Adapter | Stack]:
    """The same adapters, neighbours that are alike in a stack. Only neighbours, so that draws keep their order."""
    runs: list[list[Adapter]] = []
    for adapter in adapters:
        last = runs[-1] if runs else None
        if last and _is_alike(last[0], adapter) and (len(last) + 1) * _entries(adapter) <= _largest(adapter):
            last.append(adapter)
        else:
            runs.append([adapter])
    return [Stack(run) if len(run) > 1 else run[0] for run in runs]


def _entries(adapter: Adapter) -> int:
    return sum(projection.weight.numel() for projection in adapter._projection)


def _largest(adapter: Adapter) -> int:
    return min(LARGEST.get(projection.weight.device.type, 0) for projection in adapter._projection)


def _is_alike(one: Adapter, other: Adapter) -> bool:
    return one.stackable and _structure(one) == _structure(other)


def _structure(adapter: Adapter) -> list[Any]:
    """All that tells an adapter from another but the values of its tensors."""
    found: list[Any] = [projection.weight.shape for projection in adapter._projection]
    for module in adapter.modules():
        plain = {k: v for k, v in vars(module).items() if not k.startswith("_") and not isinstance(v, Tensor)}
        tensors = {**module._parameters, **module._buffers}
        found.append((type(module), plain, {k: None if t is None else (t.shape, t.dtype) for k, t in tensors.items()}))
    return found


def _joined(modules: Sequence[Any]) -> Any:
    """A module like each of these, of all their parameters and buffers stacked; theirs become views of them."""

    def each(kind: str, join: Callable[[list[Any]], Any]) -> dict[str, Any]:
        named = [getattr(module, kind) for module in modules]
        return {name: None if first is None else join([own[name] for own in named]) for name, first in named[0].items()}

    joint = copy.copy(modules[0])
    joint._parameters = each("_parameters", lambda own: nn.Parameter(_stack(own), own[0].requires_grad))
    joint._buffers = each("_buffers", _stack)
    joint._modules = each("_modules", _joined)
    return joint


def _stack(own: Sequence[Tensor]) -> Tensor:
    whole = torch.stack([tensor.detach() for tensor in own])
    for tensor, part in zip(own, whole, strict=True):
        tensor.data = part
    return whole
