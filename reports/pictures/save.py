"""All picture grids of a set of cells, as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from harness import registry
from harness.results import CellResult
from reports.cells.apart import told_apart
from reports.cells.lines import groups, suffix
from reports.files import Names, write_atomically
from reports.pictures.comparison import comparison_grid
from reports.pictures.composition import composition_grid
from reports.pictures.drift import drift_grid
from reports.pictures.method import method_grid, spaced
from reports.pictures.tiles import png
from reports.pictures.timeline import timeline

TIMELINES = 3  # tasks that are followed through the training: the first, the middle and the last


def save_pictures(cells: Sequence[CellResult], folder: Path) -> list[Path]:
    """Write every picture grid that the cells have the images for.

    Args:
        cells: finished cells of any benchmarks, tiers and backbones; only what may be compared stands side by side.
            Those of classifiers have no images, and get no grids.
        folder: made if missing. Files of the same names are replaced.

    Returns:
        The files, PNG: grid-<benchmark>-<method>-seed<k> for each cell with tasks; for each group of cells
        comparison-<benchmark>, timeline-<benchmark>-task<j>, composition-<benchmark> and, where prompts without a token
        were drawn, drift-<benchmark>. Names of partial ones end in
        '-partial'; names that would be the same are numbered.

    Raises:
        OSError: the folder cannot be written.
        StoreError: a picture is damaged.
    """
    cells = [cell for cell in told_apart(cells) if registry.setting(cell.setting).draws]
    if cells:
        folder.mkdir(parents=True, exist_ok=True)
    names, paths = Names(), list[Path]()

    def keep(stem: str, image: Image.Image | None) -> None:
        if image is not None:
            paths.append(write_atomically(folder / f"{stem}.png", png(image)))

    for cell in cells:
        if cell.tasks:
            stem = names.unique("grid", cell.benchmark, cell.label, f"seed{cell.seed}", *suffix(cell))
            keep(stem, method_grid(cell))
    for group in groups(cells):
        benchmark, end = group[0].benchmark, suffix(group[0])
        keep(names.unique("comparison", benchmark, *end), comparison_grid(group))
        for task in spaced(sorted(group[0].tasks, key=lambda task: task.index), TIMELINES):
            keep(names.unique("timeline", benchmark, f"task{task.index}", *end), timeline(group, task.index))
        keep(names.unique("composition", benchmark, *end), composition_grid(group))
        keep(names.unique("drift", benchmark, *end), drift_grid(group))
    return paths
