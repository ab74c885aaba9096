"""Whom the real images in a report's grids and page are owed to: the lists that the results folders keep, together."""

from __future__ import annotations

from collections.abc import Sequence

from harness.records.attribution import FOLDER, as_csv, read_rows
from harness.results import CellResult
from reports.cells.apart import own_base


def attribution_files(cells: Sequence[CellResult]) -> dict[str, str]:
    """Name -> text of `attribution/BENCHMARK.csv`, for each benchmark of photographs that says so."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for cell in cells:
        if cell.run_file is None:
            continue
        name = f"{FOLDER}/{own_base(cell)}.csv"
        # a results folder: runs/NAME.yaml, and attribution/ beside runs/
        found.setdefault(name, set()).update(read_rows(cell.run_file.parent.parent / name))
    return {name: as_csv(rows) for name, rows in found.items() if rows}
