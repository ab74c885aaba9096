"""How much a task's change of the weights meets those of earlier tasks."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from harness.results import CellResult, Metric
from reports.cells.lines import by_label
from reports.figures.series import band_note, curve, draw_curves
from reports.figures.style import TEXT, canvas, heading, legend, named

PANELS: tuple[tuple[Metric, str], ...] = (
    ("interference", "interference: share of the squared change\nwhere earlier tasks changed (lower is better)"),
    ("overlap", "overlap: cosine of the change with that\nof earlier tasks (lower is better)"),
)


def interference_figure(cells: Sequence[CellResult]) -> Figure | None:
    """Two panels, interference and overlap against the task; None if no cell has either."""
    lines = by_label(cells)
    if not any(curve(group, metric) for group in lines.values() for metric, _ in PANELS):
        return None
    figure = canvas(8.4, 3.7)
    drawn: set[int] = set()
    for position, (metric, label) in enumerate(PANELS, 1):
        axes = figure.add_subplot(1, len(PANELS), position)
        drawn |= set(draw_curves(axes, lines, metric))
        axes.set_xlabel("task" + band_note(lines).replace(" (", "\n(", 1), fontsize=TEXT)
        axes.set_ylabel(label, fontsize=TEXT)
        axes.set_ylim(-0.03, 1.03)
    heading(figure, cells[0], above=named(lines)[1])
    legend(figure, lines, drawn)
    return figure
