"""Hooks of another's method that a plugin's class replaces without calling them."""

from __future__ import annotations

import ast
import inspect
import textwrap
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


def replaced_terms(method: type[Any], base: type[Any]) -> Iterator[str]:
    """A sentence for each of another's penalties that a plugin's class gives another value under the same name."""
    having = [kind for kind in method.__mro__ if "penalties" in vars(kind) and kind is not base]
    if len(having) < 2 or having[0].__module__.partition(".")[0] in PACKAGES:
        return
    own, other = having[:2]
    theirs = getattr(vars(other)["penalties"], "__code__", None)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(vars(own)["penalties"])))
    except (OSError, TypeError, SyntaxError):  # no text of it
        return
    for name in sorted(_given(tree) & set(_texts(getattr(theirs, "co_consts", ())))):
        yield (
            f"{own.__name__}.penalties() gives a term '{name}', and {other.__name__}.penalties() has one of that name, "
            "which is replaced; give it another name."
        )


def _texts(constants: Iterable[Any]) -> Iterator[str]:
    """The texts among a code's constants; keys of one dict are a tuple there."""
    for each in constants:
        if isinstance(each, tuple):
            yield from _texts(each)
        elif isinstance(each, str):
            yield each


def _given(tree: ast.AST) -> set[str]:
    """Names of terms that a text gives a value which is made without the one that was there."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict) and None in node.keys:  # {**super().penalties(), "name": ...}
            pairs = list(zip(node.keys, node.values, strict=True))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            pairs = [(node.targets[0].slice, node.value)]
        else:
            continue
        for key, value in pairs:
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                used = {each.value for each in ast.walk(value) if isinstance(each, ast.Constant)}
                found |= {key.value} - used
    return found


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
