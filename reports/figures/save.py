"""All figures of a set of cells, as files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from matplotlib.figure import Figure

from harness.results import CellResult
from harness.sources.import_path import starting_processes
from reports.cells.apart import told_apart
from reports.cells.lines import by_label, groups, suffix
from reports.figures.accuracy import accuracy_figure
from reports.figures.density import density_figure
from reports.figures.interference import interference_figure
from reports.figures.losses import losses_figure
from reports.figures.matrix import matrix_figure
from reports.figures.plasticity import plasticity_figure
from reports.figures.stability import stability_figure
from reports.figures.style import Kind, save
from reports.files import Names

FIGURES: Mapping[str, Callable[[Sequence[CellResult]], Figure | None]] = {
    "plasticity": plasticity_figure,
    "accuracy": accuracy_figure,
    "matrix": matrix_figure,
    "stability": stability_figure,
    "interference": interference_figure,
    "density": density_figure,
}
LOSSES = "losses"
MANY = 9  # cells from which on other processes are worth their start


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
    with drawing(cells, folder, kinds) as drawn:
        return drawn()


@contextmanager
def drawing(
    cells: Sequence[CellResult], folder: Path, kinds: Sequence[Kind] = ("png", "pdf")
) -> Iterator[Callable[[], list[Path]]]:
    """As `save_figures`; of many cells the figures are drawn by other processes, until the function given is called."""
    cells = told_apart(cells)
    jobs = _jobs(cells)
    if jobs:
        folder.mkdir(parents=True, exist_ok=True)
    workers = min(len(jobs), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if len(cells) < MANY or workers < 2:
        yield lambda: [path for job in jobs for path in _draw(cells, job, folder, kinds)]
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_take, initargs=(cells,))
    try:
        with starting_processes():
            drawn = [pool.submit(_draw_taken, job, folder, kinds) for job in jobs]
        yield lambda: [path for future in drawn for path in future.result()]
    finally:
        pool.shutdown(cancel_futures=True)


def draw_figures(cells: Sequence[CellResult]) -> dict[str, Figure]:
    """Every figure that the cells have the rows for, drawn in this process.

    Args:
        cells: finished cells of any benchmarks, tiers and backbones.

    Returns:
        Name of its file, without suffix, as of `save_figures` -> figure.

    Raises:
        StoreError: a record of training is damaged.
    """
    cells = told_apart(cells)
    drawn = {job.stem: _figure(cells, job) for job in _jobs(cells)}
    return {stem: figure for stem, figure in drawn.items() if figure is not None}


@dataclass(frozen=True)
class _Job:
    """One figure of one group of comparable cells; of losses, with the label whose they are."""

    name: str
    group: int
    stem: str
    label: str = ""


def _jobs(cells: Sequence[CellResult]) -> list[_Job]:
    names, jobs = Names(), list[_Job]()
    for number, group in enumerate(groups(cells)):
        benchmark, end = group[0].benchmark, suffix(group[0])
        for name in FIGURES:
            # a name is taken in any case: '-2' is the same group in every figure
            jobs.append(_Job(name, number, names.unique(name, benchmark, *end)))
        for label in by_label(group):
            jobs.append(_Job(LOSSES, number, names.unique(LOSSES, benchmark, label, *end), label))
    return jobs


def _draw(cells: Sequence[CellResult], job: _Job, folder: Path, kinds: Sequence[Kind]) -> list[Path]:
    figure = _figure(cells, job)
    return save(figure, folder / job.stem, kinds) if figure is not None else []


def _figure(cells: Sequence[CellResult], job: _Job) -> Figure | None:
    group = groups(cells)[job.group]
    if job.name == LOSSES:
        return losses_figure(min(by_label(group)[job.label], key=lambda cell: cell.seed))
    return FIGURES[job.name](group)


_taken: Sequence[CellResult] = ()  # a worker's cells: sent once, not with every figure


def _take(cells: Sequence[CellResult]) -> None:
    global _taken
    _taken = cells


def _draw_taken(job: _Job, folder: Path, kinds: Sequence[Kind]) -> list[Path]:
    return _draw(_taken, job, folder, kinds)
