"""`stamina-bench compare`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.app import EPILOG, LeftOut, app
from harness.cli.report import nothing_finished, write_text
from harness.errors import UsageError, unknown


class Form(StrEnum):
    """How a comparison is printed."""

    TEXT = "text"
    MD = "md"
    CSV = "csv"
    JSON = "json"


Side = Annotated[Path, typer.Argument(help="Results folder of `run`, or folder of reference results.")]


@app.command("compare", epilog=EPILOG)
def compare_command(
    run_a: Side,
    run_b: Side,
    benchmark: Annotated[str | None, typer.Option(help="Only this benchmark.")] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="A method's label in RUN_A and in RUN_B, where they differ; repeatable."),
    ] = None,
    form: Annotated[Form, typer.Option("--format", "-f", help="What to print.")] = Form.TEXT,
    target: Annotated[Path | None, typer.Option("-o", "--output", help="File to write instead of stdout.")] = None,
) -> None:
    """Compare two runs: the paired difference of every figure (B less A), and what differs in their protocols."""
    from reports.compare import compare_entries

    left_out = LeftOut()
    sides = _entries((run_a, run_b), benchmark, left_out)
    names = ("A", "B") if run_a.name == run_b.name else (run_a.name, run_b.name)
    renamed = _renamed(rename or [])
    for pair in renamed.items():
        for label, folder, side in zip(pair, (run_a, run_b), sides, strict=True):
            if label not in (known := {entry.label for entry in side}):
                raise unknown(f"label of {folder}", label, known)
    found = compare_entries(sides[0], sides[1], names, renamed)
    texts = {Form.TEXT: found.to_text, Form.MD: found.to_markdown, Form.CSV: found.to_csv, Form.JSON: found.to_json}
    write_text(texts[form](), target, exact=form is not Form.TEXT)
    raise typer.Exit(int(left_out.code))


def _entries(folders: tuple[Path, Path], benchmark: str | None, left_out: LeftOut) -> list[list[Any]]:
    """What each of the two folders holds."""
    from reports.apart import told_apart_in_both
    from reports.compare import from_cells, from_reference

    finished = told_apart_in_both(*(_cells(folder, left_out) or [] for folder in folders))
    sides: list[list[Any]] = []
    for folder, cells in zip(folders, finished, strict=True):
        entries = from_cells(cells) or from_reference(folder)
        chosen = [entry for entry in entries if benchmark in (None, entry.benchmark, entry.own_name)]
        if not chosen:
            names = ", ".join(sorted({entry.benchmark for entry in entries}))
            raise UsageError(f"{folder} holds nothing of benchmark '{benchmark}'; it has: {names}.")
        sides.append(chosen)
    return sides


def _cells(folder: Path, left_out: LeftOut) -> list[Any] | None:
    """The finished cells of a results folder; None of reference results."""
    from harness.recorded import read_cells
    from reports.reference import is_reference

    if not folder.is_dir():
        raise UsageError(f"{folder} is not a results folder; name the one given to `run` with --output-dir.")
    if is_reference(folder):
        return None
    cells = read_cells(folder, left_out=left_out)
    if not cells:
        raise nothing_finished(folder)
    return cells


def _renamed(pairs: list[str]) -> dict[str, str]:
    """'OLD=NEW' words as a mapping; labels with changed options hold '=' themselves, so the middle one counts.

    Raises:
        UsageError: a word without '=' between two labels.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        parts = pair.split("=")
        middle = len(parts) // 2
        old, new = "=".join(parts[:middle]), "=".join(parts[middle:])
        if len(parts) % 2 or not old or not new:
            raise UsageError(f"--rename '{pair}' must be OLD=NEW, two labels as the tables print them.")
        found[old] = new
    return found
