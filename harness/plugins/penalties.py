"""What a method's penalties did in one training, as far as logged steps tell: 0, negative, flat, of few adapters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from harness.backbones.adapters import Adapter
from harness.backbones.batched_adapters import Stack
from harness.method import Method
from harness.sources.home import is_built_in

FEW = 4  # adapters from which on it is odd that a penalty is of one alone
_BLOCK = re.compile(r"[^.]+(\.\d+)?")
Place = tuple[int, int]  # a stack, and where in it an adapter is


class PenaltyWatch:
    """Values and reach of the penalties of a plugin; those of built-in methods are known."""

    def __init__(
        self, method: Method[Any], stacks: Sequence[Adapter | Stack], reachable: Sequence[Tensor],
        adapters: Mapping[str, Adapter],
    ) -> None:  # fmt: skip
        """Begin before the first step.

        Args:
            stacks: What computes the residuals of `adapters`, which go by their projections' names.
            reachable: All that a gradient can reach and train.
        """
        self.method = method
        self._watched = not is_built_in(type(method))
        self._trained = [tensor for tensor in reachable if tensor.requires_grad]
        self._owners = _owners(stacks)
        self._names = _names(stacks, adapters)
        self._adapters = len(self._names)
        self._looked = False
        self._values: dict[str, list[float]] = {}
        # the adapters with a gradient other than 0, and whether others had one
        self._reach: dict[str, tuple[frozenset[Place], bool]] = {}

    def look(self, penalties: Mapping[str, Tensor], *, logged: bool) -> None:
        """At a logged step, before the backward pass. A penalty's own gradient is looked at until all have one."""
        if not (logged and self._watched):
            return
        self._looked = True
        for name, term in penalties.items():
            value = term.item()
            self._values.setdefault(name, []).append(value)
            known, others = self._reach.get(name, (frozenset(), False))
            if value != 0 and term.requires_grad and len(known) < self._adapters and not (others and not known):
                touched, beside = self._touched(term)
                self._reach[name] = known | touched, others or beside

    def notes(self) -> list[str]:
        """After the last step: a sentence on each penalty that is hardly what it is meant to be."""
        found: list[str] = []
        if self._watched and self._looked and not self._values and self._expected():
            found.append(
                f"penalties() gave no term at any logged step of task {self.method.task_index}, so that nothing holds "
                "on to earlier tasks; is what it needs in self.memory?"
            )
        for name, values in self._values.items():
            touched, others = self._reach.get(name, (frozenset(), False))
            if name in self._reach and not touched and not others:
                found.append(
                    f"the penalty '{name}' never had a gradient other than 0 at the logged steps, so it changes no "
                    "weight"
                )
            elif not any(values) and self.method.independent:
                found.append(
                    f"the penalty '{name}' is 0 at every logged step, so it changes no weight: "
                    f"{type(self.method).__name__} is independent, and so each of its tasks is the first"
                )
            elif not any(values) and self.method.task_index > 1:
                found.append(
                    f"the penalty '{name}' is 0 at every logged step, so it changes no weight (what is detach()ed "
                    "follows what is trained: clone() it as well)"
                )
            elif max(values) <= 0 and any(values):
                found.append(
                    f"the penalty '{name}' is never above 0 at the logged steps, so that it rewards; is its sign meant?"
                )
            elif len(touched) == 1 and self._adapters >= FEW:
                found.append(
                    f"the penalty '{name}' is of 1 of {self._adapters} adapters; is the sum over all of them meant?"
                )
            elif self._adapters >= FEW and (lacking := self._lacking(touched)):
                found.append(
                    f"the penalty '{name}' is of {len(touched)} of {self._adapters} adapters, and of none in "
                    f"{lacking}; is that meant?"
                )
        return found

    def reach(self) -> dict[str, str]:
        """Penalty -> of how many adapters it is, in words: '7 of 14 adapters, none in to_v'."""
        told = dict[str, str]()
        for name, (touched, _) in self._reach.items():
            if touched:
                lacking = self._lacking(touched)
                told[name] = f"{len(touched)} of {self._adapters} adapters" + f", none in {lacking}" * bool(lacking)
        return told

    def _lacking(self, touched: frozenset[Place]) -> str:
        """The one kind or the one block whose adapters are just those that a penalty does not reach; '' for none."""
        every, reached = set(self._names.values()), {self._names[place] for place in touched}
        for part in (_kind, _block):
            lacking = {part(name) for name in every - reached}
            if reached and len(lacking) == 1 and not lacking & {part(name) for name in reached}:
                return lacking.pop()
        return ""

    def _expected(self) -> bool:
        """Whether a later task's training should have a penalty: the plugin's own code says what they are."""
        defined = next(kind for kind in type(self.method).__mro__ if "penalties" in vars(kind))
        return self.method.task_index > 1 and defined is not Method and not is_built_in(defined)

    def _touched(self, term: Tensor) -> tuple[frozenset[Place], bool]:
        try:
            gradients = torch.autograd.grad(term, self._trained, retain_graph=True, allow_unused=True)
        except RuntimeError:  # a graph that is gone or was changed, of which `backward` tells
            return frozenset(self._names), True
        adapters: set[Place] = set()
        others = False
        for tensor, gradient in zip(self._trained, gradients, strict=True):
            if gradient is None or not gradient.any():
                continue
            owner = self._owners.get(id(tensor))
            if owner is None:
                others = True
            elif owner[1] is None:  # of several adapters, one a row
                adapters |= {(owner[0], place) for place, part in enumerate(gradient) if part.any()}
            else:
                adapters.add((owner[0], owner[1]))
        return frozenset(adapters), others


def _names(stacks: Sequence[Adapter | Stack], adapters: Mapping[str, Adapter]) -> dict[Place, str]:
    """Which stack, and its place there -> the projection's name."""
    names = {id(adapter): name for name, adapter in adapters.items()}
    return {
        (number, place): names[id(each)]
        for number, stack in enumerate(stacks)
        for place, each in enumerate(stack.adapters if isinstance(stack, Stack) else (stack,))
    }


def _kind(name: str) -> str:
    """'to_k' of a projection's name."""
    return name.rpartition(".")[2]


def _block(name: str) -> str:
    """'down_blocks.0' of a projection's name."""
    found = _BLOCK.match(name)
    return found[0] if found else name


def _owners(stacks: Sequence[Adapter | Stack]) -> dict[int, tuple[int, int | None]]:
    """Parameter -> which stack, and its place there; None for all places at once."""
    found: dict[int, tuple[int, int | None]] = {}
    for number, stack in enumerate(stacks):
        if isinstance(stack, Stack):
            found |= {id(p): (number, None) for p in stack.parameters()}
            found |= {id(p): (number, place) for place, each in enumerate(stack.adapters) for p in each.parameters()}
        else:
            found |= {id(p): (number, 0) for p in stack.parameters()}
    return found
