"""Stability against plasticity: what a method forgets against what it learns."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from matplotlib.figure import Figure

from harness.results import CellResult, Metric
from reports.cells.lines import by_label
from reports.figures.labels import Point, place_labels
from reports.figures.series import curve
from reports.figures.style import (
    PER_THOUSAND,
    PERCENT,
    TEXT,
    WIDTH,
    any_letter,
    canvas,
    filled,
    frame,
    heading,
    look,
    named,
    soften,
)
from reports.tables.columns import convert, presentation

LOWER = "in points of % (lower is better)"
OUTLIER = 6  # times the usual: points need more room than lines


def stability_figure(cells: Sequence[CellResult]) -> Figure | None:
    """One point a method: across what tasks are like just after they were learned, upwards what is then forgotten.

    The point is the mean over seeds, its bars reach from the lowest to the highest seed. Best is the lower left; in
    classification, where accuracy lies across, the lower right.

    Returns:
        The figure, or None if no cell has both figures.
    """
    lines = by_label(cells)
    plots = presentation(cells[0].setting).plots if cells else None
    if plots is None:
        return None
    figure = canvas(WIDTH, 4.6)
    axes = figure.add_subplot()
    points: list[Point] = []
    names, shared = named(lines)
    for position, (label, group) in enumerate(lines.items()):
        pairs = _pairs(group)
        if not pairs:
            continue
        colour, _, marker = look(position)
        (low_x, x, high_x), (low_y, y, high_y) = (_range(values) for values in zip(*pairs, strict=True))
        several = len(pairs) > 1
        axes.errorbar(
            [x], [y],
            xerr=[[x - low_x], [high_x - x]] if several else None,
            yerr=[[y - low_y], [high_y - y]] if several else None,
            fmt=marker, color=colour, markerfacecolor=colour if filled(position) else "white", markersize=6,
            elinewidth=0.9, capsize=2, zorder=3, clip_on=False,
        )  # fmt: skip
        points.append(Point(names[label], colour, (low_x, x, high_x), (low_y, y, high_y)))
    if not points:
        return None
    frame(axes)
    each = presentation(cells[0].setting).trials.removesuffix("s")
    across, up = (f"{what} {PER_THOUSAND}" for _, what in (plots.learned, plots.forgotten))
    if plots.percent:
        across, up = f"{plots.learned[1]} {PERCENT}", f"{plots.forgotten[1]} {LOWER}"
        axes.margins(0.12)
        axes.set_ylim(bottom=min(0.0, *(1.1 * point.y[0] for point in points)))
    else:
        soften(axes, [point.x[1] for point in points], "x", OUTLIER, linear=1)
        soften(axes, [point.y[1] for point in points], "y", OUTLIER, linear=1)
    bars = any(point.x[0] < point.x[2] or point.y[0] < point.y[2] for point in points)
    note = f"\npoint: mean over {each}s; bars: lowest to highest {each}" if bars else ""
    axes.set_xlabel(f"plasticity: {across}{note}", fontsize=TEXT)
    axes.set_ylabel(f"stability: forgetting {up}", fontsize=TEXT)
    heading(figure, cells[0], above=shared)
    with any_letter():
        place_labels(axes, points)
    return figure


def _range(values: Sequence[float]) -> tuple[float, float, float]:
    return min(values), fmean(values), max(values)


def _pairs(cells: Sequence[CellResult]) -> list[tuple[float, float]]:
    """(learned, forgotten) of each cell that has both: x 10^3, or in %."""
    plots = presentation(cells[0].setting).plots if cells else None
    if plots is None:
        return []
    (learned, _), (forgotten, _), unit = plots.learned, plots.forgotten, plots.unit
    pairs = [(_whole(cell, learned, unit), _whole(cell, forgotten, unit)) for cell in cells]
    return [(x, y) for x, y in pairs if x is not None and y is not None]


def _whole(cell: CellResult, metric: Metric, unit: str) -> float | None:
    """The cell's own figure, or the mean of its tasks' where it has none."""
    rows = [row for row in cell.rows if row.metric == metric and row.task is None and not row.detail]
    if rows:
        value = convert(rows[-1].value, rows[-1].unit, unit)
        return value if math.isfinite(value) else None
    tasks = [value for values in curve([cell], metric, unit).values() for value in values]
    return fmean(tasks) if tasks else None
