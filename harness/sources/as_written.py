"""A class that is not what its file says: functions and values that it was given from outside, after its import.

Results are keyed by files. What a notebook assigns to a class or to its module afterwards is in none of them, and
another process does not find it either.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from harness.sources.imports import parsed
from harness.sources.typed_in import functions_of, is_plain

BY_ANY_NAME: Final = ("setattr", "globals", "exec", "vars", "locals")  # with these a text may change itself
# what no result hangs on, or what is a key itself
SAID: Final = frozenset({"summary", "citation", "trains", "loss", "search_space", "source_hash", "source_notes"})
_MISSING: Final = object()


def changed_since(ancestor: type[Any], values: Mapping[str, object], file: str, content: bytes) -> str:
    """What of a class or its module is not what their file says, as the subject of a sentence; empty if all is.

    Args:
        ancestor: the class. values: the global names of its module. file: where that lies. content: its text.
    """
    text = _text(content)
    if text is None:
        return ""
    own = vars(ancestor)
    places = [(ancestor.__module__, _changed(text.body, values, "", file))]
    found = _class(text.body, ancestor.__qualname__.split("."))
    if found is not None and not found.decorator_list and not found.keywords:
        places.append((ancestor.__qualname__, _changed(found.body, own, ancestor.__qualname__, file)))
        places.append((ancestor.__qualname__, _added(found.body, own)))
    return next((f"{place}.{name}" for place, names in places for name in names if name not in text.itself), "")


class _Text(NamedTuple):
    """A file's statements, and the names that it may itself give other values later, or that may have any."""

    body: Sequence[ast.stmt]
    itself: frozenset[str]


@lru_cache(maxsize=64)
def _text(content: bytes) -> _Text | None:
    tree = parsed(content)
    nodes = list(ast.walk(tree)) if tree is not None else []
    if tree is None or any(isinstance(node, ast.Name) and node.id in BY_ANY_NAME for node in nodes):
        return None
    itself = {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    itself |= {name for node in nodes if isinstance(node, ast.Global) for name in node.names}
    return _Text(tree.body, frozenset(itself) | SAID)


def _class(body: Sequence[ast.stmt], path: Sequence[str]) -> ast.ClassDef | None:
    """The one class of that qualified name; None where several texts may be it, or it is made in a function."""
    found = [node for node in body if isinstance(node, ast.ClassDef) and node.name == path[0]]
    if len(found) != 1:
        return None
    return found[0] if len(path) == 1 else _class(found[0].body, path[1:])


def _changed(body: Sequence[ast.stmt], values: Mapping[str, object], within: str, file: str) -> Iterator[str]:
    """Names that a body defines once, by `def` or by a literal, and that stand for something else now."""
    for name, node in _defined_once(body).items():
        value = values.get(name, _MISSING)
        if isinstance(node, ast.FunctionDef):
            wanted = (f"{within}.{name}" if within else name, Path(file).name)
            codes = [each.__code__ for each in functions_of(value)]
            if not node.decorator_list and [(c.co_qualname, Path(c.co_filename).name) for c in codes] != [wanted]:
                yield name
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and _is_name(node):
            try:
                written = ast.literal_eval(node.value)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                continue
            if value is _MISSING or (is_plain(value) and (type(value) is not type(written) or value != written)):
                yield name


def _is_name(node: ast.Assign | ast.AnnAssign) -> bool:
    return all(isinstance(each, ast.Name) for each in (node.targets if isinstance(node, ast.Assign) else [node.target]))


def _defined_once(body: Sequence[ast.stmt]) -> dict[str, ast.stmt]:
    found: dict[str, list[ast.stmt]] = {}
    for statement in body:
        for name in _names(statement):
            found.setdefault(name, []).append(statement)
    return {name: nodes[0] for name, nodes in found.items() if len(nodes) == 1 and nodes[0] in body}


def _names(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement, or one inside it (`if`, `try`, `for`), gives a value in the same scope."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)


def _added(body: Sequence[ast.stmt], values: Mapping[str, object]) -> Iterator[str]:
    """Functions and plain values of a class that its body does not name."""
    written = {name for statement in body for name in _names(statement)}
    for name, value in values.items():
        if (any(functions_of(value)) or is_plain(value)) and name not in written and not name.startswith("__"):
            yield name
