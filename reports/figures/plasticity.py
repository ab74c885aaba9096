"""Plasticity distance against the tasks learned, and residual norm and mask density where a method has them."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from harness.results import CellResult, Metric
from reports.cells.lines import by_label
from reports.figures.series import band_note, curve, draw_curves
from reports.figures.style import TEXT, WIDTH, canvas, heading, legend, named, soften
from reports.tables.columns import presentation


@dataclass(frozen=True)
class Panel:
    """One axis: its metric, its label with the unit, and its limits where they are known beforehand.

    In the label '{}' stands for the projections that are adapted.
    """

    metric: Metric
    label: str
    limits: tuple[float, float] | None = None


PANELS = (
    Panel("plasticity_distance", "plasticity distance\n$\\|W_t - W_{init}\\|_F$, mean over {} matrices"),
    Panel("residual_norm", "norm of the task's residual\n(mean over {} matrices)"),
    Panel("mask_density", "mask density\n(fraction of entries kept)", (-0.03, 1.03)),
)  # fmt: skip


def plasticity_figure(cells: Sequence[CellResult]) -> Figure | None:
    """One panel a metric: a line for each method (mean over seeds) with a band from the lowest to the highest seed.

    Args:
        cells: cells that may be compared: one benchmark, tier, backbone and range of tasks.

    Returns:
        The figure, outside pyplot's global state, or None if no cell has a plasticity distance.
    """
    lines = by_label(cells)
    panels = [panel for panel in PANELS if any(curve(group, panel.metric) for group in lines.values())]
    if PANELS[0] not in panels:
        return None
    small = len(panels) - 1
    figure = canvas(WIDTH, 5.6 if small else 4.0)
    grid = figure.add_gridspec(2 if small else 1, max(small, 1), height_ratios=[3, 2] if small else [1])
    drawn: set[int] = set()
    adapted = presentation(cells[0].setting).adapted
    for position, panel in enumerate(panels):
        axes = figure.add_subplot(grid[0, :] if position == 0 else grid[1, position - 1])
        peaks = draw_curves(axes, lines, panel.metric)
        drawn |= set(peaks)
        axes.set_xlabel("tasks learned" + ("" if position else band_note(lines)), fontsize=TEXT)
        axes.set_ylabel(panel.label.replace("{}", adapted), fontsize=TEXT)
        if panel.limits is None:
            soften(axes, list(peaks.values()))
        else:
            axes.set_ylim(*panel.limits)
    heading(figure, cells[0], above=named(lines)[1])
    legend(figure, lines, drawn)
    return figure
