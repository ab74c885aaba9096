"""The report: everything that can be said of a set of cells, in one folder."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from harness.errors import UsageError
from harness.results import CellResult
from reports import paper
from reports.curves import save_curves
from reports.files import Names, write_atomically
from reports.frame import tidy, to_json
from reports.grids import method_grid
from reports.measured import full_rows
from reports.summary import comparable, is_partial
from reports.tables import build_tables, stack_csv, to_latex_document, to_markdown


def write_report(cells: Sequence[CellResult], folder: Path) -> list[Path]:
    """Write tables, figures, grids and the tidy results.

    Args:
        cells: finished cells of any benchmarks, tiers and backbones; full and partial ones are kept apart.
        folder: made if missing. Files of the same names are replaced, each in one step; others are left alone.

    Returns:
        The files written: tables.tex, tables.md, tables.csv, results.json; paper.md and paper.tex where full cells
        allow one of the paper's tables; plasticity-<benchmark>.png and .pdf where there are such rows;
        grid-<benchmark>-<method>-seed<k>.png for each cell with tasks. Names of partial figures end in '-partial';
        names that would be the same are numbered.

    Raises:
        UsageError: there are no cells, or the folder cannot be written.
        StoreError: a picture is damaged.
    """
    if not cells:
        raise UsageError("There are no results to report; run 'stamina-bench run BENCHMARK --methods ...' first.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [*_texts(cells, folder), *_curves(cells, folder), *_grids(cells, folder)]
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"The report folder {folder} cannot be written ({reason}); choose another one.") from error


def _texts(cells: Sequence[CellResult], folder: Path) -> list[Path]:
    tables = build_tables(cells)
    texts = {
        "tables.tex": to_latex_document(tables),
        "tables.md": "# Results\n\n" + "\n".join(map(to_markdown, tables)),
        "tables.csv": stack_csv(tables),
        "results.json": to_json(tidy(cells)),
    }
    if sheets := paper.paper_sheets(*full_rows(cells)):
        texts |= {"paper.md": paper.to_markdown(sheets), "paper.tex": paper.to_latex(sheets)}
    # A name from the file system may hold bytes that are no UTF-8; they must not stop the report.
    return [write_atomically(folder / name, text.encode("utf-8", "replace")) for name, text in texts.items()]


def _curves(cells: Sequence[CellResult], folder: Path) -> list[Path]:
    groups: dict[tuple[object, ...], list[CellResult]] = {}
    for cell in cells:
        groups.setdefault(comparable(cell), []).append(cell)
    names, paths = Names(), list[Path]()
    for group in groups.values():
        stem = names.unique("plasticity", group[0].benchmark, *_suffix(group[0]))
        paths += save_curves(group, folder / stem)
    return paths


def _grids(cells: Sequence[CellResult], folder: Path) -> list[Path]:
    names, paths = Names(), list[Path]()
    for cell in cells:
        if cell.tasks:
            stem = names.unique("grid", cell.benchmark, cell.label, f"seed{cell.seed}", *_suffix(cell))
            stream = io.BytesIO()
            method_grid(cell).save(stream, format="PNG")
            paths.append(write_atomically(folder / f"{stem}.png", stream.getvalue()))
    return paths


def _suffix(cell: CellResult) -> tuple[str, ...]:
    return ("partial",) if is_partial(cell) else ()
