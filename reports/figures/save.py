"""All figures of a set of cells, as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from harness.results import CellResult
from reports.figures.accuracy import accuracy_figure
from reports.figures.density import density_figure
from reports.figures.interference import interference_figure
from reports.figures.losses import losses_figure
from reports.figures.matrix import matrix_figure
from reports.figures.plasticity import plasticity_figure
from reports.figures.stability import stability_figure
from reports.figures.style import Kind, save
from reports.files import Names
from reports.groups import groups, suffix
from reports.summary import by_label

FIGURES: Mapping[str, Callable[[Sequence[CellResult]], Figure | None]] = {
    "plasticity": plasticity_figure,
    "accuracy": accuracy_figure,
    "matrix": matrix_figure,
    "stability": stability_figure,
    "interference": interference_figure,
    "density": density_figure,
}


def save_figures(cells: Sequence[CellResult], folder: Path, kinds: Sequence[Kind] = ("png", "pdf")) -> list[Path]:
    """Write every figure that the cells have the rows for, one set for each group of cells that may be compared.

    Args:
        cells: finished cells of any benchmarks, tiers and backbones.
        folder: made if missing. Files of the same names are replaced.
        kinds: formats to write each figure in.

    Returns:
        The files: <figure>-<benchmark>, of FIGURES, and losses-<benchmark>-<method>, of the method's lowest seed.
        Names of partial figures end in '-partial'; names that would be the same are numbered by group.

    Raises:
        OSError: the folder cannot be written.
        StoreError: a record of training is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names, paths = Names(), list[Path]()
    for group in groups(cells):
        benchmark, end = group[0].benchmark, suffix(group[0])
        for name, draw in FIGURES.items():
            stem = names.unique(name, benchmark, *end)  # taken in any case: '-2' is the same group in every figure
            figure = draw(group)
            if figure is not None:
                paths += save(figure, folder / stem, kinds)
        for label, seeds in by_label(group).items():
            stem = names.unique("losses", benchmark, label, *end)
            figure = losses_figure(min(seeds, key=lambda cell: cell.seed))
            if figure is not None:
                paths += save(figure, folder / stem, kinds)
    return paths
