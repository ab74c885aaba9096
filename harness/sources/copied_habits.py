"""Habits of other code bases in a plugin's text: tasks counted from 0, an optimizer or a backward pass of one's own."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from harness.sources.local_names import dotted

# hooks, and functions of adapters and modules, that are called at every step
EACH_STEP = frozenset({"batch", "compute", "forward", "penalties", "update_mask"})
_FIRST = {("Eq", 0), ("NotEq", 0), ("Gt", 0), ("LtE", 0), ("GtE", 0), ("Lt", 0), ("GtE", 1), ("Lt", 1)}


def habit_notes(tree: ast.Module, names: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """A line and the rest of a sentence for each such place."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare | ast.If | ast.IfExp | ast.UnaryOp):
            yield from _from_zero(node)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            yield from _optimizers(node, names)
        elif isinstance(node, ast.FunctionDef) and node.name in EACH_STEP:
            yield from _passes(node)


def _from_zero(node: ast.Compare | ast.If | ast.IfExp | ast.UnaryOp) -> Iterator[tuple[int, str]]:
    """The task's place asked for as if the first had 0."""
    if isinstance(node, ast.Compare):
        value, other = node.left, node.comparators[0]
        asked = isinstance(other, ast.Constant) and (type(node.ops[0]).__name__, other.value) in _FIRST
        asked = asked and len(node.ops) == 1
    elif isinstance(node, ast.UnaryOp):
        value, asked = node.operand, isinstance(node.op, ast.Not)
    else:
        value, asked = node.test, True
    if asked and isinstance(value, ast.Attribute) and ast.unparse(value) == "self.task_index":
        what = ast.unparse(node if isinstance(node, ast.Compare | ast.UnaryOp) else value)
        yield (
            node.lineno,
            f"asks for {what}, and tasks are counted from 1, so that the answer is the same for every task; the first "
            "is self.task_index == 1.",
        )


def _optimizers(node: ast.Assign, names: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """An optimizer or a schedule that an object keeps for its steps."""
    made = node.value
    if isinstance(made, ast.Call) and (name := dotted(made.func, names)).startswith("torch.optim."):
        yield (
            node.lineno,
            f"keeps {ast.unparse(node.targets[0])} ({name.rpartition('.')[2]}), and the steps have an optimizer and "
            "a schedule already: a second one moves the parameters twice, or, as gradients are emptied first, not at "
            "all; leave it out, and see the options learning_rate, lr_schedule and warmup.",
        )


def _passes(function: ast.FunctionDef) -> Iterator[tuple[int, str]]:
    """A backward pass within a step, whose gradients nothing reads."""
    used = [node for node in ast.walk(function) if isinstance(node, ast.Attribute)]
    if any(node.attr == "grad" for node in used):
        return
    for node in used:
        if node.attr == "backward":
            yield (
                node.lineno,
                f"calls {ast.unparse(node)}() in {function.name}(), and gradients are emptied before the step's own "
                "backward pass, so that nothing comes of it; return the term from penalties().",
            )
