"""A_n against n: how well all tasks so far are drawn, or recognised, after each task (Figure 6 of the paper)."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.results import CellResult
from reports.cells.lines import by_label
from reports.figures.series import band_note, curve, draw_curves
from reports.figures.style import (
    PER_THOUSAND,
    PERCENT,
    TEXT,
    WIDTH,
    canvas,
    filled,
    heading,
    legend,
    look,
    named,
    soften,
    task_ticks,
)
from reports.tables.columns import presentation


def accuracy_figure(cells: Sequence[CellResult]) -> Figure | None:
    """A line for each method with a band over seeds (class orders); None if no cell has A_n.

    In classification a method that learns all classes at once has A_N alone: a dashed line across, its marker at N.
    """
    lines = by_label(cells)
    plots = presentation(cells[0].setting).plots if cells else None
    if plots is None or not any(curve(group, "a_n") for group in lines.values()):
        return None
    figure = canvas(WIDTH, 3.9)
    axes = figure.add_subplot()
    axes.set_xlabel("n, tasks learned" + band_note(lines), fontsize=TEXT)
    flat: list[int] = []
    if plots.percent:
        last = max((task.index for cell in cells for task in cell.tasks), default=1)
        at_once = [name for name, group in lines.items() if last > 1 and list(curve(group, "a_n")) == [last]]
        peaks = draw_curves(axes, lines, "a_n", "%", skip=at_once)
        for position, (label, group) in enumerate(lines.items()):
            if label in at_once:
                peaks[position] = _across(axes, position, last, curve(group, "a_n", "%")[last])
                flat.append(position)
        axes.set_ylim(0, 100)
        axes.set_xticks(task_ticks(last))
        axes.set_ylabel(f"A_n: {plots.mean} on tasks 1 to n\n{PERCENT}", fontsize=TEXT)
    else:
        peaks = draw_curves(axes, lines, "a_n", "1e-3")
        soften(axes, list(peaks.values()))
        axes.set_ylabel(f"A_n: {plots.mean} of tasks 1 to n\n{PER_THOUSAND}", fontsize=TEXT)
    heading(figure, cells[0], ", dashed: all classes at once" if flat else "", named(lines)[1])
    legend(figure, lines, peaks, flat)
    return figure


def _across(axes: Axes, position: int, last: int, values: Sequence[float]) -> float:
    """A dashed line at the mean, with a marker at N and a band over seeds; the mean."""
    colour, _, marker = look(position)
    mean = float(np.mean(values))
    axes.axhline(mean, color=colour, ls="--", lw=1.1, zorder=2)
    face = colour if filled(position) else "white"
    axes.plot([last], [mean], marker, color=colour, markerfacecolor=face, markersize=5, zorder=3, clip_on=False)
    if len(values) > 1:
        axes.axhspan(min(values), max(values), color=colour, alpha=0.08, linewidth=0)
    return mean
