"""The matrix MMD(X_{D,j}, X_{i,j}), or in classification a_{i,j}: every task after every later one."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from harness.results import CellResult
from reports.cells.lines import by_label
from reports.figures.panels import heat_panels, shared_scale
from reports.figures.style import PER_THOUSAND, PERCENT, TEXT, heading, named, task_ticks
from reports.tables.columns import convert, presentation


def matrix_figure(cells: Sequence[CellResult]) -> Figure | None:
    """A lower triangle for each method that has one: task j across, after task i downwards, mean over seeds.

    Read down a column: how a task fares as others are learned. Read the diagonal: how well tasks are learned at all.

    Returns:
        The figure, or None if no cell has the matrix.
    """
    plots = presentation(cells[0].setting).plots if cells else None
    if plots is None:
        return None
    size = max((task.index for cell in cells for task in cell.tasks), default=0)
    lines = by_label(cells)
    names, shared = named(lines)
    found = {names[label]: matrix(group, size) for label, group in lines.items()}
    maps = {label: values for label, values in found.items() if np.isfinite(values).any()}
    if not maps:
        return None
    scale, note = shared_scale(maps)
    _, what, of = plots.matrix
    label = f"{what}\n{PER_THOUSAND[:-1]}{note})"
    if plots.percent:
        scale, label = Normalize(0, 100), f"{what} {PERCENT}"
    figure, panels = heat_panels(maps, (2.0, 2.0), 0.72, label, scale)
    panels[0].set_xticks(task_ticks(size, 6))
    panels[0].set_yticks(task_ticks(size, 6))
    figure.supxlabel(f"task j ({of})", fontsize=TEXT)
    beside = panels[0].get_position().x0 - 0.6 / figure.get_figwidth()  # left of the ticks, 0.6 inches
    figure.supylabel("after learning task i", fontsize=TEXT, x=beside)
    heading(figure, cells[0], ", mean over seeds" if any(len(g) > 1 for g in lines.values()) else "", shared)
    return figure


def matrix(cells: Sequence[CellResult], size: int) -> NDArray[np.float64]:
    """Element [i-1, j-1]: the cells' mean MMD(X_{D,j}, X_{i,j}) x 10^3, or a_{i,j} in %; nan where there is none."""
    plots = presentation(cells[0].setting).plots if cells else None
    if plots is None:
        return np.full((size, size), np.nan)
    (metric, *_), unit = plots.matrix, plots.unit
    values: dict[tuple[int, int], list[float]] = {}
    for cell in cells:
        of_cell = {
            (row.after, row.task): convert(row.value, row.unit, unit)
            for row in cell.rows
            if row.metric == metric and row.after is not None and row.task is not None and row.layer is None
        }
        for (after, task), value in of_cell.items():
            if np.isfinite(value) and 1 <= task <= after <= size:
                values.setdefault((after, task), []).append(value)
    result = np.full((size, size), np.nan)
    for (after, task), seeds in values.items():
        result[after - 1, task - 1] = np.mean(seeds)
    return result
