"""A metric against the task: how it is read from the rows, and drawn as a line for each method."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
from matplotlib.axes import Axes

from harness.results import CellResult, Metric
from reports.figures.style import Lines, filled, frame, look, task_ticks
from reports.tables.columns import convert, presentation

MANY = 6  # methods: with more of them their bands are paler


def curve(cells: Sequence[CellResult], metric: Metric, unit: str | None = None) -> dict[int, list[float]]:
    """Task (1-based, ascending) -> the seeds' values, from the rows that have a task and are of all layers.

    Values are in `unit`, or in their rows' own; those that are not finite stay out.
    """
    values: dict[int, list[float]] = {}
    for cell in cells:
        # As everywhere, the last of several rows counts; a plain dict keeps one value a task and cell.
        of_cell = {
            row.task: convert(row.value, row.unit, unit or row.unit)
            for row in cell.rows
            if row.metric == metric and not row.detail
        }
        for task, value in of_cell.items():
            if task is not None and math.isfinite(value):
                values.setdefault(task, []).append(value)
    return dict(sorted(values.items()))


def draw_curves(
    axes: Axes, lines: Lines, metric: Metric, unit: str | None = None, skip: Collection[str] = ()
) -> dict[int, float]:
    """A line for each method but those in `skip`, with a band from the lowest to the highest seed.

    Returns:
        Position of the method -> the highest value of its line, for those that have one.
    """
    peaks: dict[int, float] = {}
    last = 1
    for position, (label, cells) in enumerate(lines.items()):
        points = curve(cells, metric, unit)
        if not points or label in skip:
            continue
        tasks = list(points)
        colour, style, marker = look(position)
        mean = [float(np.mean(values)) for values in points.values()]
        peaks[position] = max(mean)
        last = max(last, *tasks)
        # A marker on each of 50 tasks would hide the line; lines that coincide have theirs at different tasks.
        every = max(1, len(tasks) // 8)
        axes.plot(
            tasks, mean, style, color=colour, marker=marker, markevery=(position % every, every), lw=1.4,
            markerfacecolor=colour if filled(position) else "white", markersize=4, zorder=3, clip_on=False,
        )  # fmt: skip
        if any(len(values) > 1 for values in points.values()):
            low, high = [min(v) for v in points.values()], [max(v) for v in points.values()]
            axes.fill_between(tasks, low, high, color=colour, alpha=0.15 if len(lines) <= MANY else 0.08, linewidth=0)
    frame(axes)
    axes.set_xticks(task_ticks(last))
    return peaks


def band_note(lines: Lines) -> str:
    """What line and band mean, where a method has several seeds."""
    counts = {len(cells) for cells in lines.values()}
    if max(counts, default=1) == 1:
        return ""
    each = presentation(next(iter(lines.values()))[0].setting).trials
    seeds = f"{counts.pop()} {each}" if len(counts) == 1 else each
    return f" (line: mean over {seeds}; band: lowest to highest)"
