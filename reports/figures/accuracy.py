"""A_n against n: how well all tasks so far are drawn, after each task."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from harness.results import CellResult
from reports.figures.series import band_note, curve, draw_curves
from reports.figures.style import PER_THOUSAND, WIDTH, canvas, heading, legend, soften
from reports.summary import by_label


def accuracy_figure(cells: Sequence[CellResult]) -> Figure | None:
    """A line for each method with a band over seeds; None if no cell has A_n."""
    lines = by_label(cells)
    if not any(curve(group, "a_n") for group in lines.values()):
        return None
    figure = canvas(WIDTH, 3.9)
    axes = figure.add_subplot()
    peaks = draw_curves(axes, lines, "a_n", "1e-3")
    soften(axes, list(peaks.values()))
    axes.set_xlabel("n, tasks learned" + band_note(lines), fontsize=9)
    axes.set_ylabel(f"A_n: mean MMD of tasks 1 to n\n{PER_THOUSAND}", fontsize=9)
    heading(figure, cells[0])
    legend(figure, lines, peaks)
    return figure
