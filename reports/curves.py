"""Curves against the tasks learned: plasticity distance, and residual norm and mask density where a method has them."""

# pyright: reportUnknownMemberType=false
# (matplotlib leaves its **kwargs untyped)

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator, SymmetricalLogLocator

from harness.results import CellResult, Metric
from reports.files import write_atomically
from reports.summary import by_label, is_partial, ranges

Style = Literal["-", "--", ":", "-."]

# Okabe and Ito's colours, told apart with any colour vision; without yellow, which is too pale for a line on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
STYLES: tuple[Style, ...] = ("-", "--", ":", "-.")
OUTLIER = 20  # times the usual line: beyond it the axis goes on logarithmically


@dataclass(frozen=True)
class Panel:
    """One axis: its metric, its label with the unit, and its limits where they are known beforehand."""

    metric: Metric
    label: str
    limits: tuple[float, float] | None = None


PANELS = (
    Panel("plasticity_distance", "plasticity distance\n$\\|W_t - W_{init}\\|_F$, mean over K/V matrices"),
    Panel("residual_norm", "norm of the task's residual\n(mean over K/V matrices)"),
    Panel("mask_density", "mask density\n(fraction of entries kept)", (-0.03, 1.03)),
)  # fmt: skip


def curve(cells: Sequence[CellResult], metric: Metric) -> dict[int, list[float]]:
    """Task (1-based, ascending) -> the seeds' values, from the rows that have a task and no layer."""
    values: dict[int, list[float]] = {}
    for cell in cells:
        # As everywhere, the last of several rows counts; a plain dict keeps one value a task and cell.
        of_cell = {row.task: row.value for row in cell.rows if row.metric == metric and not row.detail}
        for task, value in of_cell.items():
            if task is not None:
                values.setdefault(task, []).append(value)
    return dict(sorted(values.items()))


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
    figure = Figure(figsize=(6.4, 6.0 if small else 4.4), dpi=150, layout="constrained")
    grid = figure.add_gridspec(2 if small else 1, max(small, 1), height_ratios=[3, 2] if small else [1])
    for position, panel in enumerate(panels):
        axes = figure.add_subplot(grid[0, :] if position == 0 else grid[1, position - 1])
        _draw(axes, panel, lines, small=position > 0)
    first = cells[0]
    tasks = sorted(task.index for task in first.tasks)
    scope = f", partial: tasks {ranges(tasks)} of {first.tasks_total}" if is_partial(first) else ""
    title = figure.suptitle("", fontsize=10)
    _literal(title, f"{first.title}\n{first.tier} tier, {first.backbone}{scope}")
    _legend(figure, lines)
    return figure


def save_curves(cells: Sequence[CellResult], stem: Path) -> list[Path]:
    """Write `stem`.png and `stem`.pdf, the same bytes for the same cells.

    Returns:
        The files written; none if no cell has a plasticity distance.

    Raises:
        OSError: the folder cannot be written.
    """
    figure = plasticity_figure(cells)
    if figure is None:
        return []
    paths: list[Path] = []
    for kind, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None})):
        stream = io.BytesIO()
        # Type 3 fonts are refused by some publishers. A letter that the font lacks is drawn as a box, without a word.
        with matplotlib.rc_context({"pdf.fonttype": 42}), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")
            figure.savefig(stream, format=kind, metadata=metadata)
        paths.append(write_atomically(stem.with_name(f"{stem.name}.{kind}"), stream.getvalue()))
    return paths


def _draw(axes: Axes, panel: Panel, lines: Mapping[str, Sequence[CellResult]], small: bool) -> None:
    peaks: list[float] = []
    for position, cells in enumerate(lines.values()):
        points = curve(cells, panel.metric)
        if not points:
            continue
        tasks = list(points)
        colour, style, marker = look(position)
        mean = [float(np.mean(values)) for values in points.values()]
        peaks.append(max(mean))
        every = max(1, len(tasks) // 10)  # a marker on each of 50 tasks would hide the line
        axes.plot(
            tasks, mean, style, color=colour, marker=marker, markevery=every, markersize=3.5 if small else 5, lw=1.5
        )
        if any(len(values) > 1 for values in points.values()):
            low, high = [min(v) for v in points.values()], [max(v) for v in points.values()]
            axes.fill_between(tasks, low, high, color=colour, alpha=0.18, linewidth=0)
    size = 8 if small else 9
    key = " (line: mean over seeds; band: lowest to highest seed)"
    several = any(len(cells) > 1 for cells in lines.values())
    axes.set_xlabel("tasks learned" + (key if several and not small else ""), fontsize=size)
    axes.set_ylabel(panel.label, fontsize=size)
    axes.tick_params(labelsize=size - 1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if panel.limits is None:
        usual = median([peak for peak in peaks if peak > 0] or [1.0])
        if max(peaks, default=0.0) > OUTLIER * usual:  # one method must not flatten all others
            axes.set_yscale("symlog", linthresh=2 * usual, linscale=4)
            steps = MaxNLocator(4).tick_values(0, 2 * usual)
            decades = SymmetricalLogLocator(linthresh=2 * usual, base=10).tick_values(0, max(peaks))
            axes.set_yticks([*(s for s in steps if s <= 2 * usual), *(d for d in decades if d > 3 * usual)])
            axes.yaxis.set_major_formatter("{x:g}")
            axes.axhline(2 * usual, color="0.6", lw=0.6, ls=":")
            axes.annotate("logarithmic above", (1, 2 * usual), xycoords=("axes fraction", "data"), ha="right",
                          va="bottom", fontsize=6, color="0.4")  # fmt: skip
        axes.set_ylim(bottom=0)
    else:
        axes.set_ylim(*panel.limits)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def look(position: int) -> tuple[str, Style, str]:
    """Colour, line style and marker of the method at that position; the style changes when the colours are used up."""
    style = STYLES[position // len(COLOURS) % len(STYLES)]
    return COLOURS[position % len(COLOURS)], style, MARKERS[position % len(MARKERS)]


def _legend(figure: Figure, lines: Mapping[str, Sequence[CellResult]]) -> None:
    handles: list[Line2D] = []
    for position in range(len(lines)):
        colour, style, marker = look(position)
        handles.append(Line2D([], [], color=colour, linestyle=style, marker=marker, markersize=5, lw=1.5))
    # Labels are set afterwards: matplotlib drops those that begin with '_' and reads mathematics between two '$'.
    legend = figure.legend(
        handles, [str(i) for i in range(len(lines))], loc="outside lower center", ncols=3, fontsize=8
    )
    for text, (label, cells) in zip(legend.get_texts(), lines.items(), strict=True):
        _literal(text, label if len(cells) == 1 else f"{label} ({len(cells)} seeds)")
    legend.get_frame().set_linewidth(0)


def _literal(text: Text, words: str) -> None:
    """Set words of the user's as they are."""
    text.set_parse_math(False)
    text.set_text("".join(c if c.isprintable() or c == "\n" else " " for c in words))
