"""The page's data: where each figure comes from, and the explorer of X_{i,j}. Short keys, as there is much of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from harness.results import CellResult, Metric, Row
from reports.page.meanings import UNITS
from reports.page.names import plain_names
from reports.page.pictures import Pictures, last_task, steps
from reports.page.public import public_path
from reports.page.views import View, title
from reports.pictures.drift import BASE_MODEL
from reports.tables.columns import convert, presentation, table_columns
from reports.tables.summary import Figure, Line

OF_TASKS: tuple[Metric, ...] = ("a_mmd", "f_mmd", "learned_mmd")


class Shared:
    """Values that many cells have in common, each kept once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._known: dict[str, int] = {}

    def number(self, value: Any) -> int:
        """The value's position in `values`."""
        text = json.dumps(value, sort_keys=True, default=str)
        if text not in self._known:
            self._known[text] = len(self.values)
            self.values.append(json.loads(text))
        return self._known[text]


def page_data(views: Sequence[View], pictures: Pictures, folder: Path) -> dict[str, Any]:
    """Everything that the page's script reads; `folder` is the report's.

    `cells` are told apart by their position, to which `tables` and `explorer` refer; `sets` are (file, images).
    """
    protocols, options = Shared(), Shared()
    cells: list[dict[str, Any]] = []
    tables: list[dict[str, Any]] = []
    for view in views:
        lines: list[dict[str, Any]] = []
        plain, changes = plain_names([line.label for line in view.table.lines])
        for line in view.table.lines:
            members = view.cells[line.label]
            first = len(cells)
            cells += [
                {
                    "label": line.label,
                    "seed": cell.seed,
                    "method": cell.method,
                    "key": cell.key,
                    "variant": cell.variant,
                    "order": cell.order,
                    "store": public_path(cell.store, folder),
                    "run": public_path(cell.run_file, folder),
                    "protocol": protocols.number(dict(cell.protocol)),
                    "options": options.number(dict(cell.options)),
                    "n": last_task(cell),
                    "tasks": _tasks(cell, pictures) if view.pictures else {},
                    "compositions": [
                        *([c.prompt, pictures.of(c.images)] for c in cell.compositions),
                        *([p.prompt, pictures.of(p.after)] for p in cell.plain),
                        *([p.prompt, pictures.of(p.before), BASE_MODEL] for p in cell.plain),
                    ],
                }
                for cell in members
            ]
            numbers = range(first, len(cells))
            figures = _figures(view, line, members, numbers)
            lines.append({"label": line.label, "name": plain[line.label], "cells": list(numbers), "figures": figures})
        table = view.table
        names = {t.index: [t.name, t.category] for group in view.cells.values() for t in group[0].tasks}
        tables.append(
            {
                "setting": table.setting,
                "pictures": view.pictures,
                "caption": table.caption,
                "short": f"{table.benchmark}, {table.tier} tier, {table.backbone}; {table.scope}",
                "tasks": [[index, *names.get(index, ["", ""])] for index in table.tasks],
                "changes": changes,
                "lines": lines,
            }
        )
    return {
        "meanings": {
            setting: {**presentation(setting).meanings, **_summaries(views, setting)}
            for setting in dict.fromkeys(view.table.setting for view in views)
        },
        "columns": {
            c.metric: [title(c), UNITS.get(c.unit, c.unit)]
            for c in (*table_columns(), *(c for view in views for c in view.table.shown))
        },
        "sets": pictures.sets,
        "protocols": protocols.values,
        "options": options.values,
        "cells": cells,
        "tables": tables,
    }


def _summaries(views: Sequence[View], setting: str) -> dict[str, str]:
    """What metrics beside the setting's own say of themselves."""
    tables = (view.table for view in views if view.table.setting == setting)
    return {measure.name: measure.summary for table in tables for measure in table.measures if measure.summary}


def _figures(view: View, line: Line, members: Sequence[CellResult], numbers: Iterable[int]) -> dict[str, Any]:
    """Metric -> the figure's text, its interval, its n and [cell, value, low, high, n] of each seed."""
    found: dict[str, Any] = {}
    for column in view.table.shown:
        figure: Figure | None = line.figures.get(column.metric)
        if figure is not None:
            seeds = [
                [number, *_values(_whole(cell, column.metric), column.unit)]
                for number, cell in zip(numbers, members, strict=True)
            ]
            # Tables print an interval in some columns only; here there is room for all.
            bounds = [figure.low, figure.high] if figure.low is not None and figure.high is not None else []
            found[column.metric] = [figure.text(column), [_short(bound) for bound in bounds], list(figure.n), seeds]
    return found


def _tasks(cell: CellResult, pictures: Pictures) -> dict[int, list[Any]]:
    """j -> [real set, [[i, set], ...], figures of OF_TASKS, [[i, value, n, low, high], ...]]."""
    rows: dict[int, dict[str, Row]] = {}
    matrix: dict[int, dict[int, Row]] = {}
    for row in cell.rows:
        if row.task is None or row.layer is not None:
            continue
        if row.after is None:
            if row.metric in OF_TASKS:
                rows.setdefault(row.task, {})[row.metric] = row
        elif row.metric == "mmd":
            matrix.setdefault(row.task, {})[row.after] = row
    last = last_task(cell)
    tasks: dict[int, list[Any]] = {}
    for task in cell.tasks:
        shown = steps(task, last, pictures.size.steps)
        tasks[task.index] = [
            pictures.of(task.real),
            [[i, pictures.of(folder)] for i, folder in shown.items()],
            [_brief(rows.get(task.index, {}).get(metric)) for metric in OF_TASKS],
            [[i, *(_brief(row) or [])] for i, row in sorted(matrix.get(task.index, {}).items()) if i in shown],
        ]
    return tasks


def _whole(cell: CellResult, metric: Metric) -> Row | None:
    """As in `reports.tables.summary`: the cell's own row, the last one should there be several."""
    rows = [row for row in cell.rows if row.metric == metric and row.task is None and not row.detail]
    return rows[-1] if rows else None


def _values(row: Row | None, unit: str) -> list[Any]:
    """[value, low, high, n] in that unit, with the value None if there is no finite one."""
    if row is None:
        return [None, None, None, 0]
    values = (row.value, row.low, row.high)
    return [*(None if v is None else _short(convert(v, row.unit, unit)) for v in values), row.n]


def _brief(row: Row | None) -> list[Any] | None:
    """[value, n, low, high], times 1000, the bounds left out where there are none; None for no finite value."""
    if row is None or not math.isfinite(row.value):
        return None
    value, low, high, n = _values(row, "1e-3")
    return [value, n] if low is None or high is None else [value, n, low, high]


def _short(value: float | None) -> float | None:
    """Six digits are more than any reader asks for."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None
