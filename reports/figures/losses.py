"""What was minimised: the terms of the training loss, task by task."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib import colormaps
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from harness.errors import StoreError
from harness.results import CellResult
from reports.figures.style import (
    HEAT,
    TEXT,
    canvas,
    colour_bar,
    cut,
    frame,
    heading,
    literal,
    panel_grid,
    task_ticks,
)

COLUMNS = 3
PANEL = (2.7, 1.8)  # inches
GAPS = (0.55, 0.6)  # inches between panels, across and down
# what a method learns from, and at which rate; the other terms are penalties
MAIN = {"sd": "sd (denoising)", "ce": "ce (cross-entropy)", "rate": "learning rate"}
SPAN = 50  # highest to lowest value: beyond it the axis is logarithmic
Curve = list[tuple[float, float]]
"""(step, loss), in the order of the file."""


def losses_figure(cell: CellResult) -> Figure | None:
    """One panel a term: a thin line for each task, coloured by its number, and the median over tasks bold.

    A term whose values lie far apart has a logarithmic axis; what is not positive is then left out.

    Returns:
        The figure, or None if no task of the cell has a record of its training.

    Raises:
        StoreError: a record is damaged.
    """
    tasks = {task.index: read_losses(task.training) for task in cell.tasks if task.training is not None}
    terms = list(dict.fromkeys(term for curves in tasks.values() for term in curves))
    terms.sort(key=lambda term: term == "rate")  # no loss: at the end
    if not terms:
        return None
    columns = min(COLUMNS, len(terms))
    rows = ceil(len(terms) / columns)
    margins = (0.8, 0.85, 0.45, 0.85)
    height = rows * (PANEL[1] + GAPS[1]) - GAPS[1] + margins[2] + margins[3]
    figure = canvas(columns * (PANEL[0] + GAPS[0]) - GAPS[0] + margins[0] + margins[1], height, layout=None)
    grid = panel_grid(figure, rows, columns, GAPS, margins)
    pale = LinearSegmentedColormap.from_list("tasks", colormaps[HEAT]([i / 100 for i in range(0, 91, 10)]))
    norm = Normalize(min(tasks), max(max(tasks), min(tasks) + 1))
    panels = [figure.add_subplot(grid[position // columns, position % columns]) for position in range(len(terms))]
    for term, axes in zip(terms, panels, strict=True):
        curves = {task: of_task[term] for task, of_task in sorted(tasks.items()) if term in of_task}
        left_out = False
        far = _far_apart([value for points in curves.values() for _, value in points])
        if far:
            left_out = any(y <= 0 for points in curves.values() for _, y in points)
            curves = {task: [(x, y) for x, y in points if y > 0] for task, points in curves.items()}
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
        curves = {task: points for task, points in curves.items() if points}
        drawn = LineCollection(
            list(curves.values()), cmap=pale, norm=norm, array=list(curves), linewidths=0.6, alpha=0.5
        )
        axes.add_collection(drawn)
        axes.autoscale_view()
        middle = median_curve(list(curves.values()))
        axes.plot([x for x, _ in middle], [y for _, y in middle], color="black", lw=1.8)
        frame(axes)
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))  # there are no half steps
        name = MAIN.get(term) or cut(term, 34)
        literal(axes.set_title("", fontsize=TEXT), name + (", without zeros" if left_out else ""))
        axes.set_xlabel("step", fontsize=TEXT)
        if axes in panels[::columns]:
            axes.set_ylabel("loss (no unit, lower is better)", fontsize=TEXT)
    bar = colour_bar(figure, drawn, margins, "task (black: median)")
    bar.set_ticks(task_ticks(max(tasks), 6))
    heading(figure, cell, above=f"{cut(cell.label, 40)}, seed {cell.seed}")
    return figure


def read_losses(path: Path) -> dict[str, Curve]:
    """Term -> its curve; values that are not finite stay out.

    Raises:
        StoreError: the file cannot be read, or is not what training writes.
    """
    curves: dict[str, Curve] = {}
    try:
        entries: list[Mapping[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["losses"]
        for entry in entries:
            step = float(entry["step"])
            for term, value in entry.items():
                points = curves.setdefault(term, [])
                if math.isfinite(float(value)):
                    points.append((step, float(value)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"The record of training {path} cannot be read ({error}); run that cell again to renew it."
        ) from error
    curves.pop("step", None)
    return curves


def median_curve(curves: Sequence[Curve]) -> Curve:
    """The median of the curves at every step that one of them has."""
    values: dict[float, list[float]] = {}
    for points in curves:
        for step, value in points:
            values.setdefault(step, []).append(value)
    return [(step, median(values[step])) for step in sorted(values)]


def _far_apart(values: Sequence[float]) -> bool:
    positive = [value for value in values if value > 0]
    return min(values, default=0.0) >= 0 and len(positive) > 1 and max(positive) > SPAN * min(positive)
