"""What a method keeps from one step of a training to the next, and from one task to the next."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import PluginError
from harness.formats.comparable import comparable
from harness.method import Method
from harness.plugins.hidden_state import VALUES

THIRD = 3  # task after which a memory that grows is told: that of the first may rightly be empty
MEGABYTE = 1e6


def memory_of(method: Method[Any]) -> dict[str, Tensor]:
    """A method's memory, looked at without counting as read (see `harness.settings.shared_steps.Memory`)."""
    memory = method.memory
    return dict(dict.items(memory) if isinstance(memory, dict) else memory.items())


class MemoryWatch:
    """What the task before left, which a step must leave as it is: a resumed training begins with it as it was."""

    def __init__(self, method: Method[Any]) -> None:
        """Remember it as `begin_task` left it."""
        self.name = type(method).__name__
        self.tensors = [(name, tensor, tensor._version) for name, tensor in memory_of(method).items()]

    def check(self) -> None:
        """At a step.

        Raises:
            PluginError: a tensor of it was changed in place.
        """
        for name, tensor, version in self.tensors:
            if tensor._version != version:
                raise PluginError(
                    f"{self.name} changes self.memory['{name}'] in place in a training step, so that it changes at "
                    "each step, and a training that is interrupted begins again with it as it was; change a copy "
                    "(clone())."
                )


def own_values(method: Method[Any]) -> dict[str, object]:
    """The attributes of an instance whose content tells whether they changed, but for what a step computes anew."""
    known = {"options", "memory", "task_index", "_num_tasks"}
    return {
        name: comparable(value)
        for name, value in vars(method).items()
        if name not in known and type(value) in VALUES and not _trained(value)
    }


def changed_notes(method: Method[Any], before: Mapping[str, object]) -> list[str]:
    """A sentence if some of `own_values` are others now than after the first step, or something is iterated over."""
    changed = sorted(name for name, value in own_values(method).items() if before.get(name) != value)
    changed += [name for name, value in vars(method).items() if isinstance(value, Iterator)]
    if not changed:
        return []
    return [
        f"self.{changed[0]} changes from step to step, and no checkpoint keeps it: a training that is interrupted goes "
        "on with it as begin_task() leaves it; keep it as a buffer of the module that begin_task() returns"
    ]


def lost_notes(
    method: Method[Any], before: Mapping[str, object], held: Mapping[str, Tensor], memory: Mapping[str, Tensor]
) -> list[str]:
    """A sentence if `end_task` kept something on the instance, which ends with the task, and returned nothing.

    Args:
        before: `own_values` before it. held: the memory that the method had then. memory: what it returned.
    """
    changed = sorted(name for name, value in own_values(method).items() if before.get(name) != value)
    if method.memory is not held:
        changed.insert(0, "memory")
    if memory or not changed:
        return []
    return [
        f"end_task() keeps something in self.{changed[0]} and returns nothing: one instance lives for one task, so "
        "that the next does not find it; return it, and find it in self.memory"
    ]


def same_notes(method: Method[Any], memory: Mapping[str, Tensor]) -> list[str]:
    """A sentence if what the second task leaves is what the first left, to the last bit."""
    held = memory_of(method)
    if method.task_index != THIRD - 1 or not held or set(held) != set(memory):
        return []
    if any(held[name].shape != memory[name].shape or not torch.equal(held[name], memory[name]) for name in held):
        return []
    return [
        "what end_task() leaves after the second task is what it left after the first, to the last bit; if it is made "
        "anew, give the new values the last word: {**self.memory, **new}"
    ]


def growth_notes(method: Method[Any], memory: Mapping[str, Tensor]) -> list[str]:
    """A sentence if what the third task leaves is more than what the second left."""
    held = memory_of(method)
    before, after = size(held.values()), size(memory.values())
    if method.task_index == THIRD and _is_lost(set(held), set(memory)):
        return [
            "what end_task() leaves has the names of the task before but for a number, and none of its tensors: "
            "self.memory is what the last end_task() returned and nothing else; return {**self.memory, ...} to keep all"
        ]
    if method.task_index != THIRD or after <= before + max(MEGABYTE / 1000, before / 100):
        return []
    hundred = after + (after - before) * (100 - THIRD)
    return [
        f"what end_task() leaves grows with the tasks, {before / MEGABYTE:.3g} MB after the second and "
        f"{after / MEGABYTE:.3g} MB after the third, as if to {hundred / MEGABYTE:.3g} MB after a hundred, and as much "
        "is read for each; sum it up in a fixed number of tensors if the method allows"
    ]


def _is_lost(before: set[str], after: set[str]) -> bool:
    """Whether names are new only by a number in them."""
    bare = [{re.sub(r"\d+", "#", name) for name in names} for names in (before, after)]
    return bool(before) and not before & after and bare[0] == bare[1]


def size(tensors: Any) -> int:
    """Bytes of some tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _trained(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_trained, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_trained, value))
    return isinstance(value, nn.Parameter) or (isinstance(value, Tensor) and value.requires_grad)
