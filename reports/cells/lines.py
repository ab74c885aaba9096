"""Which cells one table may show, and which of them are the seeds of one line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from harness.results import CellResult
from harness.store.identity import SHOWN, short

Variant = tuple[str, ...]
FEW = 3  # options that a label names


def groups(cells: Iterable[CellResult]) -> list[list[CellResult]]:
    """The cells that one table or figure may show together, in the order of first appearance."""
    found: dict[tuple[object, ...], list[CellResult]] = {}
    for cell in cells:
        found.setdefault(_comparable(cell), []).append(cell)
    return list(found.values())


def _comparable(cell: CellResult) -> tuple[object, ...]:
    tasks = tuple(sorted(task.index for task in cell.tasks))
    names = (cell.benchmark, cell.setting, cell.tier, cell.backbone, is_partial(cell), tasks, cell.tasks_total)
    return (*names, cell.content, cell.made_by.backbone, cell.made_by.extractor)


def is_partial(cell: CellResult) -> bool:
    """Whether the cell's figures are of less than the whole benchmark."""
    return cell.partial or any(row.partial for row in cell.rows) or len(cell.tasks) < cell.tasks_total


def suffix(cell: CellResult) -> tuple[str, ...]:
    """The last part of a file's name: ('partial',) for less than the whole benchmark, else nothing."""
    return ("partial",) if is_partial(cell) else ()


def by_label(cells: Sequence[CellResult]) -> dict[str, list[CellResult]]:
    """Label -> one cell a seed, both in the order of first appearance.

    If a label and seed come twice and nothing tells the two apart, the one with more figures counts, else the later.
    If something does - another version of the method's source, say - the cells that were asked for last keep the label,
    and the others' says what is other: 'mine (earlier: code 3f9a1c)'. One line never has seeds of both.
    """
    variants: dict[Variant, dict[int, CellResult]] = {}
    last: dict[str, Variant] = {}  # of each label
    for cell in cells:
        variant = variant_of(cell)
        seeds = variants.setdefault(variant, {})
        if cell.seed not in seeds or len(cell.rows) >= len(seeds[cell.seed].rows):
            seeds[cell.seed] = cell
        last[cell.label] = variant
    lines: dict[str, list[CellResult]] = {}
    for variant, seeds in variants.items():
        label = next(iter(seeds.values())).label
        newest = next(iter(variants[last[label]].values()))
        name = label if variant == last[label] else _earlier(next(iter(seeds.values())), newest)
        unique, count = name, 1
        while unique in lines:
            count += 1
            unique = f"{name} ({count})"
        lines[unique] = list(seeds.values())
    return lines


def relabelled(cell: CellResult, label: str) -> CellResult:
    """The cell, its rows and why it is called so, under the label of its line."""
    if label == cell.label:
        return cell
    why = (
        f"'{label}' are results of '{cell.label}' that were made otherwise than those asked for last, which keep the "
        "name; seeds of the two are never averaged."
    )
    rows = tuple(row.model_copy(update={"method": label}) for row in cell.rows)
    return cell.model_copy(update={"label": label, "rows": rows, "apart": (*cell.apart, why)})


def variant_of(cell: CellResult) -> Variant:
    """What the cells of one line have in common: label, options, code, models and device."""
    return (cell.label, cell.method, _options(cell), cell.variant, cell.made_by.steps)


def _options(cell: CellResult) -> str:
    return json.dumps(dict(cell.options), sort_keys=True, default=str)


def _earlier(cell: CellResult, newest: CellResult) -> str:
    """The label of what was made otherwise than the newest of its name, with what is other."""
    one, two = cell.made_by, newest.made_by
    other: list[str] = []
    if _options(cell) != _options(newest):
        names = [k for k, v in cell.options.items() if k not in newest.options or newest.options[k] != v]
        told = [f"{name}={cell.options[name]}" for name in names]
        other += told if 0 < len(told) <= FEW else [f"options {short(_options(cell))[:SHOWN]}"]
    if one.source and two.source and one.source != two.source:
        other.append(f"code {one.source[:SHOWN]}")
    if one.metrics and two.metrics and one.metrics != two.metrics:
        other.append(f"metrics {one.metrics[:SHOWN]}")
    if one.steps and two.steps and one.steps != two.steps:
        other.append(f"program {short(one.steps)[:SHOWN]}")
    where = [a for a, b in ((one.device, two.device), (one.dtype, two.dtype)) if a and b and a != b]
    if where:
        other.append(f"on {' '.join(where)}")
    if not other:
        other.append(f"variant {cell.variant[:SHOWN]}" if cell.variant else "another variant")
    return f"{cell.label} (earlier: {', '.join(other)})"
