"""`stamina-bench compare`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import EPILOG, LeftOut, app
from harness.cli.report import write_text
from harness.errors import UsageError


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
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Compare two runs: the paired difference of every figure (B less A), and what differs in their protocols."""
    from reports.run_results import compare_folders, finished_cells

    if as_json and form not in (Form.TEXT, Form.JSON):
        raise UsageError(f"Give --json or --format {form}, not both.")
    form = Form.JSON if as_json else form
    left_out = LeftOut()
    cells = [finished_cells(folder, left_out) for folder in (run_a, run_b)]
    found = compare_folders((run_a, run_b), cells, benchmark, _renamed(rename or []))
    texts = {Form.TEXT: found.to_text, Form.MD: found.to_markdown, Form.CSV: found.to_csv, Form.JSON: found.to_json}
    write_text(texts[form](), target, exact=form is not Form.TEXT)
    raise typer.Exit(int(left_out.code))


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
