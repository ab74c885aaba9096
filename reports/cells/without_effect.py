"""Lines that no figure tells apart: of one method with another option, or of two methods, one of which does nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from harness import registry
from harness.results import CellResult

TIME = "s"  # the unit of figures that differ from run to run
Figures = Mapping[tuple[object, ...], float]


def without_effect(lines: Mapping[str, Sequence[CellResult]]) -> str:
    """A sentence on lines with the same figures to the last bit: of one method with another option, or of two methods.

    A single task is not looked at: what acts on earlier tasks has no effect there.

    Args:
        lines: label -> one cell a seed, of all that stand in one table.
    """
    said: list[str] = []
    for one, two in combinations(lines.values(), 2):
        for first, second in _same_seed(one, two):
            if (told := _differing(first, second)) and _same(first, second):
                # `option or default` reads a 0 as if nothing were given
                unset = ", or it takes 0 for unset" if _one_is_zero(first, second) else ""
                said.append(
                    f"{first.method} has the same figures to the last bit with {told}: nothing seems to read the "
                    f"option{unset}."
                )
            elif _plugin_beside_another(first, second) and _same(first, second):
                said.append(
                    f"{first.label} and {second.label} have the same figures to the last bit: what one of them has "
                    "beside the other does nothing."
                )
    return " ".join(dict.fromkeys(said))


def _same_seed(one: Sequence[CellResult], two: Sequence[CellResult]) -> Iterator[tuple[CellResult, CellResult]]:
    others = {cell.seed: cell for cell in two}
    return ((cell, others[cell.seed]) for cell in one if cell.seed in others)


def _differing(one: CellResult, two: CellResult) -> str:
    """'lambda_stay=0.1 and lambda_stay=100', if one option differs and nothing else that is known before a run."""
    if one.method != two.method or one.made_by != two.made_by or len(one.tasks) < 2:
        return ""
    names = [name for name, value in one.options.items() if two.options.get(name) != value]
    if len(names) != 1 or one.options.keys() != two.options.keys():
        return ""
    return f"{names[0]}={one.options[names[0]]} and {names[0]}={two.options[names[0]]}"


def _one_is_zero(one: CellResult, two: CellResult) -> bool:
    """Whether of the option in which two cells differ one has a number that is 0."""
    differ = {name for name, value in one.options.items() if two.options.get(name) != value}
    values = [cell.options[name] for name in differ for cell in (one, two)]
    return any(value == 0 and not isinstance(value, bool) for value in values)


def _plugin_beside_another(one: CellResult, two: CellResult) -> bool:
    """Whether they are of two methods, one of which is no built-in one."""
    ours = registry.methods(one.setting).is_ours
    by_task = sum(row.task is not None for row in one.rows)
    return one.method != two.method and not (ours(one.method) and ours(two.method)) and by_task > 1


def _same(one: CellResult, two: CellResult) -> bool:
    figures = _figures(one)
    return bool(figures) and figures == _figures(two)


def _figures(cell: CellResult) -> Figures:
    own = f"{cell.method}."  # what only this method measures
    return {
        (row.metric, row.task, row.layer, row.after): row.value
        for row in cell.rows
        if row.unit != TIME and not row.metric.startswith(own)
    }
