"""Image credits of a report's grids, page and tables: the files that the results folders keep, together."""

from __future__ import annotations

from collections.abc import Sequence

from harness.records.attribution import FOLDER, TERMS, as_csv, read_rows, read_terms, terms_path
from harness.results import CellResult
from reports.cells.apart import own_base


def attribution_files(cells: Sequence[CellResult]) -> dict[str, str]:
    """Name -> text of `attribution/BENCHMARK.csv` and `.txt`, for each benchmark of photographs that says so."""
    found: dict[str, set[tuple[str, ...]]] = {}
    texts: dict[str, str] = {}
    for cell in cells:
        if cell.run_file is None:
            continue
        name = f"{FOLDER}/{own_base(cell)}.csv"
        # a results folder: runs/NAME.yaml, and attribution/ beside runs/
        found.setdefault(name, set()).update(read_rows(cell.run_file.parent.parent / name))
        terms = "".join(f"{name}: {text}\n" for name, text in _terms(cell).items())
        texts |= {f"{FOLDER}/{own_base(cell)}.txt": terms} if terms else {}
    return {name: as_csv(rows) for name, rows in found.items() if rows} | texts


def credits_of(cells: Sequence[CellResult]) -> tuple[str, ...]:
    """Whose images a table is of, and what to cite, in sentences; nothing where the benchmark does not say."""
    found = [_terms(cell) for cell in cells if cell.run_file is not None]
    words = dict(zip(TERMS, ("Images", "To cite for the images"), strict=True))
    said = (f"{words[name]}: {terms[name].rstrip('.')}." for name in TERMS for terms in found if name in terms)
    return tuple(dict.fromkeys(said))


def _terms(cell: CellResult) -> dict[str, str]:
    if cell.run_file is None:
        return {}
    return read_terms(terms_path(cell.run_file.parent.parent, own_base(cell)))
