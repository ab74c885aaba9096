"""Heat maps side by side, one for each method, on one colour scale."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from statistics import median

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, SymLogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports.figures.style import HEAT, OUTLIER, TEXT, canvas, colour_bar, cut, literal, panel_grid

COLUMNS = 4
GAPS = (0.18, 0.3)  # inches between panels, across and down
NARROWEST = 4.4  # inches of a figure: titles need them


def heat_panels(
    maps: Mapping[str, NDArray[np.float64]], size: tuple[float, float], margin: float, label: str, scale: Normalize
) -> tuple[Figure, list[Axes]]:
    """One panel a method; what is nan stays white. The rows go downwards, both axes count from 1.

    Args:
        maps: label -> its figures; all of one shape.
        size: inches of a panel. margin: inches for what stands left of the panels.
        label: of the colour bar, with the unit. scale: of the colours of all panels.

    Returns:
        The figure, and the panels in the order of the labels.
    """
    columns = min(COLUMNS, len(maps))
    rows = ceil(len(maps) / columns)
    margins = (margin, 0.95, 0.5, 0.7)
    room = columns * (size[0] + GAPS[0]) - GAPS[0]
    missing = max(0.0, NARROWEST - margin - room - margins[1])  # for the title
    margins = (margin + missing / 2, margins[1] + missing / 2, *margins[2:])
    height = rows * (size[1] + GAPS[1]) - GAPS[1] + margins[2] + margins[3]
    figure = canvas(room + margins[0] + margins[1], height, layout=None)
    grid = panel_grid(figure, rows, columns, GAPS, margins)
    panels: list[Axes] = []
    for position, (name, values) in enumerate(maps.items()):
        first = panels[0] if panels else None
        axes = figure.add_subplot(grid[position // columns, position % columns], sharex=first, sharey=first)
        # 'nearest' enlarges the image before it goes into a PDF file: viewers smooth small ones.
        drawn = axes.imshow(
            np.ma.masked_invalid(values), cmap=HEAT, norm=scale, aspect="auto", interpolation="nearest",
            extent=(0.5, values.shape[1] + 0.5, values.shape[0] + 0.5, 0.5),
        )  # fmt: skip
        literal(axes.set_title("", fontsize=TEXT), cut(name, int(size[0] * 15)))
        axes.tick_params(labelsize=TEXT, length=2)
        axes.tick_params(labelbottom=position + columns >= len(maps), labelleft=position % columns == 0)
        axes.spines[:].set_linewidth(0.4)
        panels.append(axes)
    colour_bar(figure, drawn, margins, label)
    return figure, panels


def shared_scale(maps: Mapping[str, NDArray[np.float64]]) -> tuple[Normalize, str]:
    """Colours from 0 to the highest figure; logarithmic from the usual one on where an outlier would flatten the rest.

    Returns:
        The scale, and what the colour bar's label must say of it.
    """
    peaks = [float(np.nanmax(values)) for values in maps.values() if np.isfinite(values).any()]
    usual = median([peak for peak in peaks if peak > 0] or [1.0])
    top = max(peaks, default=0.0)
    if top > OUTLIER * usual:
        return SymLogNorm(linthresh=2 * usual, linscale=2, vmin=0, vmax=top), f"; logarithmic above {2 * usual:.3g}"
    return Normalize(0, top if top > 0 else 1.0), ""
