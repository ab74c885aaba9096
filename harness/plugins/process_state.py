"""What all methods share in a process, and what a plugin's code must leave as it was: torch's modes, everybody's code.

Steps of several methods run in one process, one after another. What a plugin replaces in torch or in this program, or
a mode that it leaves on, would change the next method's results, under keys that know nothing of it.
"""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import torch

from harness.errors import PluginError
from harness.sources.home import METHODS, PACKAGES

_CODE = (FunctionType, BuiltinFunctionType, type)
# name -> how to ask for it, and how to set it
_MODES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "gradients on or off": (torch.is_grad_enabled, torch.set_grad_enabled),
    "torch's default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "torch's number of threads": (torch.get_num_threads, torch.set_num_threads),
    "torch's deterministic mode": (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
}


@contextmanager
def left_alone(method: str) -> Iterator[None]:
    """Notice that a method's code leaves a mode or somebody's function otherwise than it was, and put that back.

    Args:
        method: whose step runs within, as the subject of a sentence. Its module may be imported within, too.

    Raises:
        PluginError: it does, and nothing else went wrong.
    """
    modes = {name: ask() for name, (ask, _) in _MODES.items()}
    code = {(id(owner), name): (owner, value) for owner, _, name, value in _shared_code()}
    changed: list[str] = []
    try:
        yield
    finally:
        for mode, (ask, put) in _MODES.items():
            if ask() != modes[mode]:
                put(modes[mode])
                changed.append(f"changes {mode} and leaves it so")
        for owner, place, name, value in list(_shared_code()):
            _, before = code.get((id(owner), name), (owner, value))
            if before is not value:
                setattr(owner, name, before)
                changed.append(f"replaces {place}.{name}")
    if changed:
        raise PluginError(
            f"{method} {changed[0]}, which the steps of other methods would run with, too; change only what is your "
            "own, in classes derived from what there is."
        )


def _shared_code() -> Iterator[tuple[Any, str, str, Any]]:
    """(module or class, what to call it, name, function or class) of what a plugin might replace."""
    import torch.nn.functional as functional

    for each in pkgutil.walk_packages(sys.modules[METHODS].__path__, f"{METHODS}."):
        import_module(each.name)  # what is first imported by a plugin could be changed by it before it is looked at
    owners: list[tuple[Any, str]] = [(functional, "torch.nn.functional"), (torch.Tensor, "torch.Tensor")]
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in PACKAGES or not isinstance(module, ModuleType):
            continue
        owners.append((module, name))
        own = (value for value in vars(module).values() if isinstance(value, type))
        owners += [(kind, f"{name}.{kind.__name__}") for kind in own if kind.__module__ == name]
    for owner, place in owners:
        for name, value in list(vars(owner).items()):
            if isinstance(value, _CODE):
                yield owner, place, name, value
