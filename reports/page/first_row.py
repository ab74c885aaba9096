"""One row of pictures for the first screen: one concept as each method draws it in the end, beside a real image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.formats.figure_text import number
from harness.results import CellResult
from reports.page.links import address
from reports.page.names import plain_names
from reports.page.pictures import Pictures, last_task, steps
from reports.page.views import View
from reports.pictures.chosen import any_cell, one_seed
from reports.tables.columns import Column, convert, presentation


@dataclass(frozen=True)
class Shot:
    """One picture: whose it is, its figure, its alternative text, its strip of thumbnails and that one's number."""

    name: str
    figure: str
    alt: str
    address: str
    number: int


@dataclass(frozen=True)
class FirstRow:
    """The row, and a sentence on why it is this concept."""

    words: str
    shots: tuple[Shot, ...]


def first_row(view: View, pictures: Pictures) -> FirstRow | None:
    """The concept that differs most between the methods, the nearest to it first; None where there are no pictures."""
    if not view.pictures:
        return None
    chosen, without = one_seed([cell for cells in view.cells.values() for cell in cells])
    headline, columns = presentation(view.table.setting).headline, {c.metric: c for c in view.table.every}
    main, forgotten = (columns.get(metric) for metric in (*headline, "", "")[:2])
    tasks = [task for task in any_cell(chosen).tasks if pictures.of(task.real) is not None] if chosen else []
    tasks = tasks or (list(any_cell(chosen).tasks) if chosen else [])
    if not tasks or main is None:
        return None
    scores = {task.index: _scores(chosen, main, task.index) for task in tasks}
    if len(chosen) > 1:
        task = max(tasks, key=lambda one: _spread(scores[one.index]))
        why = "the concept that the methods draw most differently" if _spread(scores[task.index]) > 0 else ""
    else:
        lost = {task.index: _scores(chosen, forgotten, task.index) if forgotten else {} for task in tasks}
        task = max(tasks, key=lambda one: max(lost[one.index].values(), default=0.0))
        why = "the concept that was forgotten most" if max(lost[task.index].values(), default=0.0) > 0 else ""
    names, _ = plain_names(list(chosen))
    values = scores[task.index]
    worst = math.inf if not main.higher else -math.inf
    order = sorted(chosen, key=lambda label: values.get(label, worst), reverse=main.higher)
    last = last_task(any_cell(chosen))
    shots = [_shot("real image", "", f"A real image of {task.name}", pictures, task.real)]
    for label in order:
        figure = f"{_short(main)} {number(values[label], main.digits)}" if label in values else ""
        alt = f"{task.name} as {names[label]} draws it after task {last}"
        shots.append(_shot(names[label], figure, alt, pictures, _drawn(chosen[label], task.index)))
    found = tuple(shot for shot in shots if shot is not None)
    if not found:
        return None
    which = f"{task.name} (task {task.index} of {last}{', ' + why if why else ''})"
    nearest = f", best {_short(main)} first" if len(values) > 1 else ""
    return FirstRow(f"{which}, after the last task, seed {any_cell(chosen).seed}{nearest}{without}.", found)


def _shot(name: str, figure: str, alt: str, pictures: Pictures, folder: Path | None) -> Shot | None:
    place = pictures.of(folder)
    if place is None:
        return None
    return Shot(name, figure, alt, f"thumbnails/{address(Path(pictures.sets[place][0]))}.webp", place)


def _drawn(cell: CellResult, index: int) -> Path | None:
    """The images of a task after the last one."""
    last = last_task(cell)
    return next((steps(task, last, 2).get(last) for task in cell.tasks if task.index == index), None)


def _scores(chosen: Mapping[str, CellResult], column: Column, index: int) -> dict[str, float]:
    """Label -> the task's own figure, in the column's unit."""
    found: dict[str, float] = {}
    for label, cell in chosen.items():
        for row in cell.rows:
            if row.metric == column.metric and row.task == index and not row.detail and math.isfinite(row.value):
                found[label] = convert(row.value, row.unit, column.unit)
    return found


def _spread(values: Mapping[str, float]) -> float:
    return max(values.values()) - min(values.values()) if len(values) > 1 else 0.0


def _short(column: Column) -> str:
    return column.title.split(" (")[0]
