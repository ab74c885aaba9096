"""Image credits of a results folder, in `attribution/`.

`BENCHMARK.csv` has each image of a prepared benchmark; `BENCHMARK.txt` the licence of all images of a benchmark of
photographs, and what to cite, as the benchmark says.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data.manifest import PreparedImages
from harness.errors import presentable
from harness.formats.csv_cells import harmless
from harness.store.store import write_atomically

if TYPE_CHECKING:
    from harness.engine.plan import Cell
    from harness.spec import Benchmark

FOLDER = "attribution"
COLUMNS = ("benchmark", "concept", "image", "sha256", "source", "terms", "author", "licence", "title", "url")
TERMS = ("Licence", "Citation")
Row = tuple[str, ...]


def keep_attribution(output: Path, cells: Iterable[Cell]) -> list[Path]:
    """Write the files for these cells; what earlier runs put there stays, as their images do.

    Returns: the files, one for each prepared benchmark.
    """
    found: dict[str, set[Row]] = {}
    for cell in cells:
        name = cell.base or cell.benchmark
        for task in cell.tasks:
            for images in (task.images, task.reference):
                if isinstance(images, PreparedImages):
                    found.setdefault(name, set()).update(_rows(name, task.name, images))
    paths = []
    for name, rows in found.items():
        path = output / FOLDER / f"{name}.csv"
        merged = as_csv(rows | read_rows(path))
        if not path.exists() or path.read_bytes() != merged.encode():
            write_atomically(path, merged)
        paths.append(path)
    return paths


def keep_terms(output: Path, benchmark: Benchmark, tier: str) -> Path | None:
    """Write what a benchmark of photographs says of their licence and citation; gives the file, None without any."""
    said = dict(zip(TERMS, (benchmark.licence, benchmark.citation), strict=True))
    text = "".join(f"{name}: {presentable(' '.join(value.split()))}\n" for name, value in said.items() if value.strip())
    if not text or not benchmark.shows_photographs(tier):
        return None
    path = terms_path(output, benchmark.base or benchmark.name)
    if not path.exists() or path.read_bytes() != text.encode():
        write_atomically(path, text)
    return path


def terms_path(output: Path, benchmark: str) -> Path:
    """Where a results folder keeps the licence and the citation of a benchmark's images."""
    return output / FOLDER / f"{benchmark}.txt"


def read_terms(path: Path) -> dict[str, str]:
    """Licence and citation, as far as such a file has them; nothing, if it is missing or cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return {}
    found = (line.partition(": ") for line in lines)
    return {name: value.strip() for name, _, value in found if name in TERMS and value.strip()}


def read_rows(path: Path) -> set[Row]:
    """The rows of such a file; none, if it is missing or not one."""
    try:
        header, *rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
    except (OSError, ValueError, csv.Error):
        return set()
    return {tuple(row) for row in rows if len(row) == len(COLUMNS)} if tuple(header) == COLUMNS else set()


def as_csv(rows: Iterable[Row]) -> str:
    """The text of such a file, in one order whatever the rows came in."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(sorted(rows))
    return text.getvalue()


def _rows(benchmark: str, concept: str, images: PreparedImages) -> Iterable[Row]:
    for photo in images.photos:
        credit = photo.credit
        owed = (credit.author, credit.licence, credit.title, credit.url) if credit else ("", "", "", "")
        place = photo.path or f"row {photo.row}"
        row = (benchmark, concept, place, photo.sha256, images.origin.title, images.origin.terms, *owed)
        yield tuple(harmless(presentable(cell)) for cell in row)
