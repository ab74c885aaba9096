"""Hooks of another's method that a plugin's class replaces without calling them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from harness.sources.home import PACKAGES


def replaced_notes(method: type[Any], base: type[Any]) -> Iterator[str]:
    """A sentence for each hook of another's method that a plugin's class replaces and never calls.

    Not where it has a `begin_task` of its own, too: that is another method, which takes of the other what it likes.
    """
    if replaces(method, base, "begin_task"):
        return
    for hook, what in (("penalties", "terms"), ("measures", "figures"), ("end_task", "tensors")):
        if found := replaces(method, base, hook):
            own, other = (f"{kind.__name__}.{hook}()" for kind in found)
            yield f"{own} replaces {other} and never calls it, so that the {what} of that are left out; see super()."


def replaces(method: type[Any], base: type[Any], hook: str) -> tuple[type[Any], type[Any]] | None:
    """(the class whose hook is called, the one of another module's whose hook that replaces), where it never calls it.

    Args:
        base: what all methods descend from, whose hooks do nothing.
    """
    having = [kind for kind in method.__mro__ if hook in vars(kind) and kind is not base]
    if len(having) < 2 or having[0].__module__.partition(".")[0] in PACKAGES:
        return None
    own, other = having[:2]
    code = getattr(vars(own)[hook], "__code__", None)
    if code is None or own.__module__ == other.__module__ or {"super", other.__name__} & set(used_names(code)):
        return None
    return own, other


def used_names(code: Any) -> Iterable[str]:
    """Names that a function's code uses, globals and attributes, and those of the functions in it."""
    yield from code.co_names
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            yield from used_names(constant)
