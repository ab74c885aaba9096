"""Adapters that are alike, computed together: one kernel for many small matrices, where each alone is mostly overhead.

What is trained then has a leading dimension, (n, ...), and one optimizer's tensor serves n projections. Nothing else
changes: the numbers drawn, the sums, and what an adapter's own parameters hold, which are views of the stack's. What a
method asks of an adapter's own parameters (a penalty on its B, say) reaches the stack's: see `Stack.gather`.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

from harness.backbones.adapters import Adapter
from harness.formats.comparable import comparable

# entries of a stack's residuals: beyond it kernels are long enough, and on a CPU the entries leave its cache
LARGEST = {"cpu": 2**17, "cuda": 2**22}


class Stack:
    """n adapters of one class on projections of one shape, (D1, D2); the residuals are one tensor, (n, D1, D2)."""

    def __init__(self, adapters: Sequence[Adapter]) -> None:
        """`adapters`: alike, attached, on the device. Their parameters become views of the stack's."""
        self.adapters = tuple(adapters)
        self.progress = 0.0  # see `Adapter`
        self.joint: Adapter = _joined(self.adapters)
        self.projections = tuple(projection for adapter in adapters for projection in adapter._projection)
        # W_{t-1}, (n, D1, D2), as long as these are trained
        self.weight = torch.stack([projection.weight.detach() for projection in self.projections])
        self.shares = [
            _Share(whole, place, dict(adapter.named_parameters())[name])
            for name, whole in self.joint.named_parameters()
            for place, adapter in enumerate(adapters)
        ]

    def parameters(self) -> Iterator[nn.Parameter]:
        """What is trained, (n, ...) each."""
        return self.joint.parameters()

    def refresh(self) -> None:
        """As `Adapter.refresh` of each."""
        for adapter in (self.joint, *self.adapters):
            adapter.progress = self.progress
        self.joint._residual = residual = self.joint.compute()
        self.joint._parts = residual.unbind()  # at once: on the way back each part alone would fill a whole gradient
        for projection, adapted in zip(self.projections, self.joint(self.weight).unbind(), strict=True):
            projection.adapted = adapted
        if self.adapters[0]._joint is None:
            for place, adapter in enumerate(self.adapters):
                adapter._joint = (self.joint, place)

    def gather(self) -> None:
        """After the backward pass: what a method did to an adapter's own parameters is done to what is trained.

        Gradients that reached them join its own, and a value that one was given in new memory is taken over.
        """
        for share in self.shares:
            if share.own.data_ptr() != share.address:
                share.take_over()
            if share.own.grad is not None:
                share.gather()


def gather(stacks: Iterable[Adapter | Stack]) -> None:
    """`Stack.gather` of those that are stacks: after each backward pass, before gradients are used."""
    for stack in stacks:
        if isinstance(stack, Stack):
            stack.gather()


class _Share:
    """An adapter's own parameter, whose memory is one place of the stack's, (n, ...)."""

    def __init__(self, whole: nn.Parameter, place: int, own: nn.Parameter) -> None:
        self.whole, self.place, self.own = whole, place, own
        self.address = own.data_ptr()

    def take_over(self) -> None:
        """After `adapter.B.data = ...`."""
        part = self.whole.data[self.place]
        part.copy_(self.own.data)
        self.own.data = part

    def gather(self) -> None:
        if self.whole.grad is None:
            self.whole.grad = torch.zeros_like(self.whole)
        assert self.own.grad is not None
        self.whole.grad[self.place] += self.own.grad
        self.own.grad = None


def stacked(adapters: Sequence[Adapter]) -> list[Adapter | Stack]:
    """The same adapters, neighbours that are alike in a stack. Only neighbours, so that draws keep their order."""
    uses = Counter(id(tensor) for adapter in adapters for tensor in _tensors(adapter))
    runs: list[list[Adapter]] = []
    joinable = False
    for adapter in adapters:
        unshared = all(uses[id(tensor)] == 1 for tensor in _tensors(adapter))  # what is shared must stay one tensor
        last = runs[-1] if runs and joinable and unshared else None
        joinable = unshared
        if last and _is_alike(last[0], adapter) and (len(last) + 1) * _entries(adapter) <= _largest(adapter):
            last.append(adapter)
        else:
            runs.append([adapter])
    return [Stack(run) if len(run) > 1 else run[0] for run in runs]


def _tensors(adapter: Adapter) -> Iterator[Tensor]:
    """Its parameters and buffers, one that has two names twice."""
    for module in adapter.modules():
        yield from (t for t in (*module._parameters.values(), *module._buffers.values()) if t is not None)


def _entries(adapter: Adapter) -> int:
    return sum(projection.weight.numel() for projection in adapter._projection)


def _largest(adapter: Adapter) -> int:
    return min(LARGEST.get(projection.weight.device.type, 0) for projection in adapter._projection)


def _is_alike(one: Adapter, other: Adapter) -> bool:
    return all(map(_says_stackable, map(type, one.modules()))) and _structure(one) == _structure(other)


_CODE = (FunctionType, property, classmethod, staticmethod)


def _says_stackable(kind: type) -> bool:
    """Whether a module's class computes for several at once, by its own word.

    A class that defines anything but how it is made says so again: what it inherits was said of other code.
    """
    for ancestor in kind.__mro__:
        if "stackable" in vars(ancestor):
            return bool(vars(ancestor)["stackable"])
        defined = {name for name, value in vars(ancestor).items() if isinstance(value, _CODE)}
        if defined - {"__init__"}:
            return False
    return False


_BASE = frozenset(vars(Adapter()))  # what every adapter has of its own: its state while it is trained


def _structure(adapter: Adapter) -> list[Any]:
    """All that tells an adapter from another but the values of its parameters and buffers."""
    found: list[Any] = [projection.weight.shape for projection in adapter._projection]
    for module in adapter.modules():
        plain = {name: comparable(value) for name, value in vars(module).items() if name not in _BASE}
        tensors = {**module._parameters, **module._buffers}
        shapes = {k: None if t is None else (t.shape, t.dtype, t.requires_grad) for k, t in tensors.items()}
        found.append((type(module), plain, shapes))
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
