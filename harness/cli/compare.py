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
    sides = [_entries(folder, benchmark, left_out) for folder in (run_a, run_b)]
    names = ("A", "B") if run_a.name == run_b.name else (run_a.name, run_b.name)
    renamed = _renamed(rename or [])
    for pair in renamed.items():
        for label, folder, side in zip(pair, (run_a, run_b), sides, strict=True):
            if label not in (known := {entry.label for entry in side}):
                raise unknown(f"label of {folder}", label, known)
    found = compare_entries(sides[0], sides[1], names, renamed)
    texts = {Form.TEXT: found.to_text, Form.MD: found.to_markdown, Form.CSV: found.to_csv, Form.JSON: found.to_json}
    write_text(texts[form](), target)
    raise typer.Exit(int(left_out.code))


def _entries(folder: Path, benchmark: str | None, left_out: LeftOut) -> list[Any]:
    from harness.recorded import read_cells
    from reports.compare import from_cells, from_reference
    from reports.reference import is_reference

    if not folder.is_dir():
        raise UsageError(f"{folder} is not a results folder; name the one given to `run` with --output-dir.")
    entries = from_reference(folder) if is_reference(folder) else from_cells(read_cells(folder, left_out=left_out))
    if not entries:
        raise nothing_finished(folder)
    chosen = [entry for entry in entries if benchmark in (None, entry.benchmark)]
    if not chosen:
        names = ", ".join(sorted({entry.benchmark for entry in entries}))
        raise UsageError(f"{folder} holds nothing of benchmark '{benchmark}'; it has: {names}.")
    return chosen


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
