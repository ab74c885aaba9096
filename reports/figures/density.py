"""The share of entries that each task changes, layer by layer: where a mask is sparse."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import re
from collections.abc import Sequence
from math import ceil

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from harness.results import CellResult
from reports.cells.lines import by_label
from reports.figures.panels import heat_panels
from reports.figures.style import TEXT, cut, heading, named, task_ticks
from reports.tables.columns import convert

LINE = 0.13  # inches of a layer's name
FULL = 0.999  # from here on a change counts as dense
ATTENTION = re.compile(
    r"(?:unet\.)?(down|mid|up)_blocks?(?:\.(\d+))?\.attentions\.(\d+)\.transformer_blocks\.(\d+)\.attn2\.to_([kv])"
)


def density_figure(cells: Sequence[CellResult]) -> Figure | None:
    """A heat map of layers and tasks for each method that leaves entries alone somewhere, mean over seeds.

    Returns:
        The figure, or None if no method does, or none has figures of single layers.
    """
    lines = by_label(cells)
    layers = list(dict.fromkeys(r.layer for c in cells for r in c.rows if r.metric == "change_density" and r.layer))
    size = max((task.index for cell in cells for task in cell.tasks), default=0)
    titles, shared = named(lines)
    found = {titles[label]: densities(group, layers, size) for label, group in lines.items()} if layers else {}
    maps = {label: values for label, values in found.items() if np.isfinite(values).any() and np.nanmin(values) < FULL}
    if not maps:
        return None
    names = [cut(name, 36) for name in short_names(layers)]
    height = min(7.0, max(1.6, LINE * len(layers)))
    margin = 0.3 + 0.065 * max(map(len, names))
    figure, panels = heat_panels(
        maps, (1.9, height), margin, "share of entries changed (fraction, 0 to 1)", Normalize(0, 1)
    )
    panels[0].set_xticks(task_ticks(size, 6))
    every = ceil(len(names) * LINE / height - 0.01)  # where names would cover each other, some of them stand for all
    panels[0].set_yticks(range(1, len(names) + 1)[::every], names[::every], fontsize=TEXT)
    for axes in panels:
        for tick in axes.get_yticklabels():
            tick.set_parse_math(False)
    figure.supxlabel("task", fontsize=TEXT)
    heading(figure, cells[0], ", mean over seeds" if any(len(g) > 1 for g in lines.values()) else "", shared)
    return figure


def densities(cells: Sequence[CellResult], layers: Sequence[str], size: int) -> NDArray[np.float64]:
    """Element [layer, j-1]: the share of entries that task j changed, mean over the cells; nan where none is known."""
    place = {layer: position for position, layer in enumerate(layers)}
    values: dict[tuple[int, int], list[float]] = {}
    for cell in cells:
        of_cell = {
            (place[row.layer], row.task): convert(row.value, row.unit, "fraction")
            for row in cell.rows
            if row.metric == "change_density" and row.layer in place and row.task is not None
        }
        for key, value in of_cell.items():
            if np.isfinite(value) and 1 <= key[1] <= size:
                values.setdefault(key, []).append(value)
    result = np.full((len(layers), size), np.nan)
    for (layer, task), seeds in values.items():
        result[layer, task - 1] = np.mean(seeds)
    return result


def short_names(layers: Sequence[str]) -> list[str]:
    """The layers' names without what they share: 'down 0.1 K' for a Stable Diffusion U-Net, else their own middle.

    They stay as they are where shortening would make two of them the same.
    """
    matches = [ATTENTION.fullmatch(layer) for layer in layers]
    if all(matches):
        parts = [match.groups() for match in matches if match]
        deep = len({part[3] for part in parts}) > 1  # several transformer blocks in one attention block
        names = [
            f"{side} {'.'.join(filter(None, [block, number, inner if deep else None]))} {kind.upper()}"
            for side, block, number, inner, kind in parts
        ]
    else:
        split = [layer.split(".") for layer in layers]
        shortest = min(map(len, split), default=1) - 1  # one part stays at least
        head = next((i for i in range(shortest) if len({part[i] for part in split}) > 1), shortest)
        rest = shortest - head
        tail = next((i for i in range(rest) if len({part[-1 - i] for part in split}) > 1), rest)
        names = [".".join(part[head : len(part) - tail]) for part in split]
    return names if len(set(names)) == len(set(layers)) else list(layers)
