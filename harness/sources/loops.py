"""Loops over adapters in a plugin's text that do hardly what they are meant to: keys that recur, sums that repeat."""

from __future__ import annotations

import ast
from collections.abc import Iterator

ADAPTERS = frozenset({"adapters", "projections"})
SIZES = frozenset({"square", "pow", "abs"})
REDUCED = frozenset({"sum", "mean", "norm", "square", "pow", "abs"})


def loop_notes(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """A line and the rest of a sentence for each such loop."""
    for node in ast.walk(tree):
        if isinstance(node, ast.DictComp) and len(node.generators) == 1:
            names = {each.id for each in ast.walk(node.generators[0].target) if isinstance(each, ast.Name)}
            yield from _recurring(node, node.key, node.value, names)
        elif isinstance(node, ast.For):
            yield from _piled_up(node)
            names = {each.id for each in ast.walk(node.target) if isinstance(each, ast.Name)}
            for inner in node.body:
                if isinstance(inner, ast.Assign) and isinstance(inner.targets[0], ast.Subscript):
                    yield from _recurring(inner, inner.targets[0].slice, inner.value, names)
        if isinstance(node, ast.FunctionDef) and node.name == "penalties":
            yield from _repeated(node)
        if isinstance(node, ast.BinOp | ast.Compare):
            yield from _progress(node)


def _piled_up(loop: ast.For) -> Iterator[tuple[int, str]]:
    """Squares or sizes of gradients that a loop of backward passes adds to from pass to pass."""
    passes, emptied = False, False
    for node in ast.walk(loop):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            passes |= called == "backward"
            emptied |= "zero" in called and not called.startswith("zeros")
        # p.grad = None, del p.grad
        emptied |= isinstance(node, ast.Attribute) and node.attr == "grad" and not isinstance(node.ctx, ast.Load)
    if not passes or emptied:
        return
    for node in ast.walk(loop):
        sized = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SIZES
        squared = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)
        if isinstance(node, ast.expr) and (sized or squared) and "grad" in _attributes(node):
            yield (
                node.lineno,
                f"takes {ast.unparse(node)} after each backward() of a loop, which adds to what .grad holds from the "
                "passes before; empty it after each (.grad = None), or take torch.autograd.grad().",
            )
            return


def _attributes(node: ast.AST) -> set[str]:
    return {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}


def _recurring(node: ast.stmt | ast.expr, key: ast.expr, value: ast.expr, names: set[str]) -> Iterator[tuple[int, str]]:
    """Values that are worked out for each projection, and kept under what many of them share."""
    worked_out = any(isinstance(call, ast.Call) and names & _names(call) for call in ast.walk(value))
    so_far = ast.unparse(key) in ast.unparse(value)  # d[key] = d.get(key, 0) + x
    if worked_out and not so_far and _is_last_part(key, names):
        yield (
            node.lineno,
            f"keeps what it works out under {ast.unparse(key)}, which projections share ('to_k', 'to_v'): each takes "
            "the place of the one before, and the last is left; use the whole name.",
        )


def _is_last_part(key: ast.expr, names: set[str]) -> bool:
    """Whether it is `name.split(".")[-1]` of the loop's variable, or the like."""
    if not isinstance(key, ast.Subscript) or not isinstance(key.value, ast.Call):
        return False
    call, place = key.value, ast.unparse(key.slice)
    return (
        isinstance(call.func, ast.Attribute)
        and call.func.attr in ("split", "rsplit", "rpartition")
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in names
        and [ast.unparse(each) for each in call.args[:1]] == ["'.'"]
        and (place == "-1" or (call.func.attr == "rpartition" and place == "2"))
    )


def _repeated(function: ast.FunctionDef) -> Iterator[tuple[int, str]]:
    """Terms that a loop over adapters adds once for each, though nothing of the loop is in them."""
    for loop in (node for node in ast.walk(function) if isinstance(node, ast.For)):
        over = {each.attr for each in ast.walk(loop.iter) if isinstance(each, ast.Attribute)}
        if not over & ADAPTERS:
            continue
        inside = [each for each in ast.walk(loop) if isinstance(each, ast.Name)]
        bound = {each.id for each in inside if isinstance(each.ctx, ast.Store)}
        for inner in loop.body:
            _, term = _added(inner)
            if term is not None and _is_reduced(term) and not bound & _names(term):
                yield (
                    inner.lineno,
                    f"adds {ast.unparse(term)} in a loop over {ast.unparse(loop.iter)}, once for each, and nothing of "
                    "the loop is in it; add it after the loop.",
                )


def _is_reduced(term: ast.expr) -> bool:
    """Whether it is worked out of a tensor, and no plain count."""
    calls = [
        each.func.attr for each in ast.walk(term) if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute)
    ]
    return bool(REDUCED & set(calls))


def _added(node: ast.stmt) -> tuple[str, ast.expr | None]:
    """The sum and what is added to it, of `total += x` and `total = total + x`."""
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and isinstance(node.target, ast.Name):
        return node.target.id, node.value
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.BinOp):
        total, left = node.targets[0].id, node.value.left
        if isinstance(node.value.op, ast.Add) and isinstance(left, ast.Name) and left.id == total:
            return total, node.value.right
    return "", None


def _progress(node: ast.BinOp | ast.Compare) -> Iterator[tuple[int, str]]:
    """`adapter.progress` taken for a number of steps."""
    if isinstance(node, ast.BinOp):
        one, other = node.left, node.right
        if not isinstance(node.op, ast.Div | ast.FloorDiv):
            return
    else:
        one, other = node.left, node.comparators[0]
    if not _is_progress(one):
        return
    large = isinstance(other, ast.Constant) and isinstance(other.value, int | float) and other.value > 1
    if large or (isinstance(other, ast.Attribute) and "steps" in other.attr):
        yield (
            node.lineno,
            f"takes progress for a number of steps ({ast.unparse(node)}): it goes from 0 to 1; compare it with a "
            "share of the training.",
        )


def _is_progress(node: ast.expr) -> bool:
    if isinstance(node, ast.Call) and len(node.args) == 1:  # float(adapter.progress)
        node = node.args[0]
    return isinstance(node, ast.Attribute) and node.attr == "progress"


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
