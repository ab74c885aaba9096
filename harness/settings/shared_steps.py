"""What steps of all settings share: how a method comes back out of a recipe, and what its tasks changed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file as load_tensors

from harness import registry
from harness.backbones.adapters import handed_out_backwards
from harness.backbones.intact import Intact, left_intact
from harness.errors import UsageError
from harness.method import Method
from harness.metrics.interference import Change, change
from harness.plugins.method_checks import made
from harness.spec import SettingName
from harness.store.artifacts import MEMORY, WEIGHTS
from harness.store.store import Entry

Facts = Mapping[str, Any]


def method_of(recipe: Mapping[str, Any], name: str, setting: SettingName, entry: Entry | None = None) -> Method[Any]:
    """The method that a recipe was planned for, with the memory that a training's step left, if one is given.

    Raises:
        UsageError: its source changed since, or it cannot be made.
    """
    plugin = registry.methods(setting).get(name)
    if plugin.source_hash() != recipe["source"]:
        raise UsageError(
            f"The source of method '{name}' changed during the run; run again (in a notebook, restart Python first)."
        )
    method = made(plugin, plugin.options_for(setting).model_validate(recipe["options"]))
    left = entry is not None and MEMORY in entry.manifest["files"]
    method.memory = Memory(load_tensors(str(entry.file(MEMORY))) if entry is not None and left else {})
    return method


def memory_size(entry: Entry) -> int:
    """Bytes of the memory that a training or a merge left; 0 of none."""
    if MEMORY not in entry.manifest["files"]:
        return 0
    path = entry.file(MEMORY)
    with path.open("rb") as file:  # a safetensors file: the length of its header in 8 bytes, the header, the tensors
        return path.stat().st_size - 8 - int.from_bytes(file.read(8), "little")


@contextmanager
def lent_to(
    method: Method[Any], intact: Intact, forget: Callable[[], None], *, backwards: bool = False
) -> Iterator[None]:
    """A model in a method's hands: it comes back as it was, or is loaded anew by the next step.

    Args:
        intact: how the model was. forget: drops it. backwards: see `RunContext`.
    """
    try:
        with left_intact(intact, type(method).__name__), handed_out_backwards(backwards):
            yield
    except BaseException:
        forget()
        raise


class Memory(dict[str, torch.Tensor]):
    """A method's memory, which knows whether anything of it was ever asked for, and what that was not there.

    It is only read: what a hook put into it would be gone with the instance.
    """

    read = False

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        super().__init__(tensors)
        self.asked: set[str] = set()
        self.missed: list[str] = []

    def __getitem__(self, name: str) -> torch.Tensor:
        self.read = True
        self.asked.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """As a dict's: what is not there is not read."""
        (self.asked.add if name in self else self.missed.append)(name)
        self.read = self.read or name in self
        return super().get(name, default)

    def items(self) -> Any:
        """As a dict's."""
        self.read = True
        return super().items()

    def values(self) -> Any:
        """As a dict's."""
        self.read = True
        return super().values()

    def __iter__(self) -> Iterator[str]:
        self.read = True
        return super().__iter__()

    def _kept(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            "self.memory is what the task before left, and cannot be changed: one instance lives for one task; return "
            "what the next one needs from end_task(), as {**self.memory, ...} to keep what is there."
        )

    __setitem__ = __delitem__ = __ior__ = update = setdefault = pop = popitem = clear = _kept


def unread(method: Method[Any]) -> list[str]:
    """A sentence if a method had a memory and asked for nothing in it."""
    memory = method.memory
    if not isinstance(memory, Memory) or memory.read or not memory or missed(method):
        return missed(method)
    names = list(memory.keys())
    return [f"nothing read what end_task() left ({len(names)} tensors, '{names[0]}' first)"]


def missed(method: Method[Any]) -> list[str]:
    """A sentence if a method asked its memory for what is called otherwise there."""
    memory = method.memory
    if not isinstance(memory, Memory):
        return []
    others = [name for name in list(memory.keys()) if name not in memory.asked]
    for name in dict.fromkeys(memory.missed):
        if close := difflib.get_close_matches(name, others, n=1):
            return [f"self.memory is asked for '{name}', which end_task() did not leave; is '{close[0]}' meant?"]
    return []


def write_json(path: Path, value: Any) -> None:
    """With sorted keys, so that the same figures are the same bytes."""
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def changes(initial: Mapping[str, torch.Tensor], states: Iterable[Entry]) -> list[Change]:
    """What each task changed of the weights named in `initial`; two states are in memory at a time."""
    start = before = {name: weight.float().numpy() for name, weight in initial.items()}
    found: list[Change] = []
    for entry in states:
        tensors = load_tensors(str(entry.file(WEIGHTS))) if WEIGHTS in entry.manifest["files"] else {}
        after = {**before, **{name: w.float().numpy() for name, w in tensors.items() if name in start}}
        found.append(change(start, before, after))
        before = after
    return found
