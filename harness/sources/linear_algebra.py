"""What a plugin's text takes otherwise than torch.linalg and numpy.linalg mean it: Vh, eigh's order, norms."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from harness.sources.local_names import dotted

_SMALL = re.compile("null|kernel|small|least", re.IGNORECASE)  # said by a name: the smallest values are meant
_FLAT = frozenset({"flatten", "ravel", "reshape", "view"})
_MODULES = ("torch.linalg.", "numpy.linalg.")


def linear_algebra_notes(tree: ast.Module, names: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """A line and the rest of a sentence for each such place."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield from _first_columns(node, names)
        elif isinstance(node, ast.Call) and _called(node, names) == "norm":
            yield from _norm(node)


def _called(node: ast.AST, names: Mapping[str, str]) -> str:
    """'svd' of a call of torch.linalg.svd; of what else there is, ''."""
    name = dotted(node.func, names) if isinstance(node, ast.Call) else ""
    return next((name.removeprefix(module) for module in _MODULES if name.startswith(module)), "")


def _first_columns(function: ast.FunctionDef, names: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """`V[:, :r]` of what a function has from `U, S, V = svd(...)`, or from `values, V = eigh(...)`."""
    made: dict[str, set[str]] = {}  # a name -> what it is given, '' for something else
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            made.setdefault(node.id, set())
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            called, places = _called(node.value, names), target.elts if isinstance(target, ast.Tuple) else [target]
            last = {("svd", 3), ("eigh", 2)}
            for place in places:
                if isinstance(place, ast.Name):
                    is_last = (called, len(places)) in last and place is places[-1]
                    made.setdefault(place.id, set()).add(called if is_last else "")
    small = any(_SMALL.search(name) for name in (function.name, *made))
    for node in ast.walk(function):
        if not (isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and _columns(node.slice)):
            continue
        text = ast.unparse(node)
        if made.get(node.value.id) == {"svd"}:
            yield (
                node.lineno,
                f"takes columns, {text}, of the third that linalg.svd gives, which is V transposed: its rows are the "
                f"directions, the main one first ({node.value.id}[:r]); the columns are none.",
            )
        elif made.get(node.value.id) == {"eigh"} and not small:
            yield (
                node.lineno,
                f"takes the first columns, {text}, of what linalg.eigh gives, whose values go up: these are of the "
                f"smallest ones; the largest are {node.value.id}[:, -r:]. If the smallest are meant, name them so "
                "(null_space, smallest).",
            )


def _columns(index: ast.expr) -> bool:
    """Whether an index is `:, :r`."""
    if not (isinstance(index, ast.Tuple) and len(index.elts) == 2):
        return False
    rows, columns = index.elts
    if not (isinstance(rows, ast.Slice) and isinstance(columns, ast.Slice)):
        return False
    whole = rows.lower is None and rows.upper is None
    first = columns.lower is None and columns.step is None and columns.upper is not None
    return whole and first and not isinstance(columns.upper, ast.UnaryOp)


def _norm(node: ast.Call) -> Iterator[tuple[int, str]]:
    """`linalg.norm(x, 1)` without a dimension, which of a matrix is its largest column's sum."""
    named = {each.arg: each.value for each in node.keywords}
    order = node.args[1] if len(node.args) > 1 else named.get("ord")
    if len(node.args) > 2 or not named.keys().isdisjoint({"dim", "axis", None}) or not isinstance(order, ast.Constant):
        return
    given = node.args[0] if node.args else None
    if isinstance(given, ast.Call) and isinstance(given.func, ast.Attribute) and given.func.attr in _FLAT:
        return
    if order.value == 1:
        yield (
            node.lineno,
            f"calls {ast.unparse(node)}, which of a matrix is the largest sum of a column, not that of all entries; "
            "for this write x.abs().sum(), and for a vector name its dim.",
        )
