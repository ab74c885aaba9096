"""What a results folder holds, for Python: the tidy frame, the tables, the figures."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError, unknown
from harness.formats.figure_text import counted
from harness.records import run_file as recorded
from harness.results import CellResult, Unfinished
from reports.cells.apart import told_apart_in_both, told_apart_with
from reports.compare.runs import Comparison, compare_entries
from reports.frame import tidy
from reports.reference import is_reference
from reports.statistics.entries import Entry, from_cells, from_reference
from reports.tables import build_tables
from reports.tables.measures import tables_as_text

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from reports.notebook import Figures


class Results:
    """Finished cells of one run or of a whole results folder; a notebook shows their table.

    Attributes:
        folder: the results folder.
        cells: the finished cells, each with its options, protocol, figures, and where its images lie.
        unfinished: cells that were asked for and have no result, with the reason where it is known.

    Example:
        >>> results = sb.load_results("runs")
        >>> results.frame.query("metric == 'a_mmd' and task.isna()").groupby("method").value.mean()
    """

    def __init__(
        self, folder: Path, cells: Sequence[CellResult], unfinished: Sequence[Unfinished] = (),
        run_file: Path | None = None,
    ) -> None:  # fmt: skip
        """Of cells that were read.

        Args:
            folder: the results folder.
            cells: finished cells.
            unfinished: those without a result.
            run_file: of a single run, the file with its configuration.
        """
        self.folder, self.run_file = folder, run_file
        self.cells, self.unfinished = tuple(cells), tuple(unfinished)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The tidy rows: one figure a row, with the columns of `report --format json`.

        Example:
            >>> sb.load_results("runs").frame.columns[:6].tolist()
            ['benchmark', 'tier', 'backbone', 'method', 'seed', 'task']
        """
        return tidy(self.cells)

    def details(self) -> pd.DataFrame:
        """The tidy rows with those of single layers and of X_{i,j}, told by the columns `layer` and `after`.

        Example:
            >>> sb.load_results("runs").details().layer.dropna().unique()
        """
        return tidy(self.cells, details=True)

    def table(self) -> str:
        """The tables that the command line prints, as text.

        Example:
            >>> print(sb.load_results("runs").table())
        """
        return tables_as_text(self.cells)

    def figures(self) -> Figures:
        """The report's figures, as far as there are rows for them.

        Returns:
            Name -> matplotlib figure. A notebook shows all of them.

        Example:
            >>> figures = sb.load_results("runs").figures()
            >>> figures["stability-mixed50"].savefig("stability.pdf")
        """
        from reports.figures.save import draw_figures
        from reports.notebook import Figures

        return Figures(draw_figures(self.cells))

    def report(self, folder: str | Path | None = None, formats: Sequence[str] | None = None) -> list[Path]:
        """Write tables, statistics, figures, image grids and the page, as `stamina-bench report` does.

        Args:
            folder: where to; by default `report` in the results folder.
            formats: some of latex, md, csv, json, html, png, pdf; by default all.

        Returns:
            The files written.

        Raises:
            UsageError: an unknown format, no results, or the folder cannot be written.

        Example:
            >>> sb.load_results("runs").report("paper/results", formats=["latex", "pdf"])
        """
        from reports.write import KINDS, write_report

        for form in formats or ():
            if form not in KINDS:
                raise unknown("format", form, KINDS)
        target = self.folder / "report" if folder is None else Path(folder)
        return write_report(self.cells, target, tuple(formats or KINDS), self.unfinished)

    def __len__(self) -> int:
        """How many cells are finished."""
        return len(self.cells)

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        names = ", ".join(dict.fromkeys(cell.benchmark for cell in self.cells)) or "no benchmark"
        labels = ", ".join(dict.fromkeys(cell.label for cell in self.cells)) or "no method"
        count = counted(len(self.cells), "cell") + (f", {len(self.unfinished)} not finished" if self.unfinished else "")
        return f"<Results of {self.folder}: {names}; {labels}; {count}>"

    def _repr_html_(self) -> str:
        from reports.notebook import tables_html

        return tables_html(build_tables(self.cells), [sentence_on(cell) for cell in self.unfinished])


def sentence_on(cell: Unfinished) -> str:
    """What to say of a cell without a result."""
    why = f" ({cell.reason})" if cell.reason else ""
    return (
        f"Not finished: {cell.benchmark}, {cell.label} seed {cell.seed}: "
        f"{cell.trained} of {counted(cell.tasks, 'task')} trained{why}."
    )


def load_results(folder: str | Path = "runs") -> Results:
    """What is finished in a results folder. Only read; a run file that is damaged is left out with a warning.

    Args:
        folder: the results folder of one or more runs.

    Raises:
        UsageError: it is no results folder, or nothing in it is finished.

    Example:
        >>> sb.load_results("runs").frame
    """
    place = Path(folder)
    _require_folder(place)
    if is_reference(place):
        raise UsageError(f"{place} holds reference results; `compare` reads them, and `report --format paper`.")
    left_out = _warn_each()
    cells = recorded.read_cells(place, left_out=left_out)
    unfinished = recorded.read_unfinished(place, left_out=lambda error: None)
    if not cells:
        raise nothing_finished(place)
    return Results(place, *told_apart_with(cells, unfinished))


def compare(
    first: Results | str | Path, second: Results | str | Path, *, benchmark: str | None = None,
    rename: Mapping[str, str] | None = None,
) -> Comparison:  # fmt: skip
    """Two runs beside each other: the paired difference of every figure, and what differs in their protocols.

    Args:
        first: results, or a results folder, or a folder of reference results.
        second: the same; differences are second less first.
        benchmark: only this one.
        rename: a method's label in the first -> its label in the second, where they differ.

    Returns:
        A comparison; a notebook shows it, `print` prints it, and `.frame` holds the differences.

    Raises:
        UsageError: a folder holds nothing finished, or nothing of the benchmark, or not the label to rename.

    Example:
        >>> sb.compare("runs", "other/runs").frame[["method", "metric", "difference", "verdict"]]
    """
    folders = tuple(side.folder if isinstance(side, Results) else Path(side) for side in (first, second))
    warn = _warn_each()
    cells = [
        list(side.cells) if isinstance(side, Results) else finished_cells(Path(side), warn) for side in (first, second)
    ]
    return compare_folders((folders[0], folders[1]), cells, benchmark, rename or {})


def compare_folders(
    folders: tuple[Path, Path], cells: Sequence[Sequence[CellResult] | None], benchmark: str | None,
    rename: Mapping[str, str],
) -> Comparison:  # fmt: skip
    """As `compare`.

    Args:
        folders: where both sides lie.
        cells: what is finished on each side; None of reference results, which are read here.
        benchmark: only this one.
        rename: label in the first -> label in the second.

    Raises:
        UsageError: there is nothing of the benchmark, or not the label to rename.
    """
    finished = told_apart_in_both(*(side or () for side in cells))
    sides: list[list[Entry]] = []
    for folder, side in zip(folders, finished, strict=True):
        entries = from_cells(side) or from_reference(folder)
        chosen = [entry for entry in entries if benchmark in (None, entry.benchmark, entry.own_name)]
        if not chosen:
            names = ", ".join(sorted({entry.benchmark for entry in entries}))
            raise UsageError(f"{folder} holds nothing of benchmark '{benchmark}'; it has: {names}.")
        sides.append(chosen)
    for pair in rename.items():
        for label, folder, entries in zip(pair, folders, sides, strict=True):
            if label not in (known := {entry.label for entry in entries}):
                raise unknown(f"label of {folder}", label, known)
    names_of = ("A", "B") if folders[0].name == folders[1].name else (folders[0].name, folders[1].name)
    return compare_entries(sides[0], sides[1], names_of, rename)


def finished_cells(folder: Path, left_out: Callable[[UsageError], object]) -> list[CellResult] | None:
    """The finished cells of a results folder; None of reference results.

    Raises:
        UsageError: it is no folder, or nothing in it is finished.
    """
    _require_folder(folder)
    if is_reference(folder):
        return None
    cells = recorded.read_cells(folder, left_out=left_out)
    if not cells:
        raise nothing_finished(folder)
    return cells


def nothing_finished(folder: Path) -> UsageError:
    """The error for a results folder without a finished cell."""
    command = shlex.join(["stamina-bench", "resume", str(folder)])
    return UsageError(f"No cell in {folder} is finished; go on with `{command}`.")


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a results folder; name the one given to `run` with --output-dir.")


def _warn_each() -> Callable[[UsageError], object]:
    def warn(error: UsageError) -> None:
        warnings.warn(f"Left out: {error}", stacklevel=4)

    return warn
