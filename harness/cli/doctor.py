"""`stamina-bench doctor`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table as RichTable
from rich.text import Text

from harness.cli.app import EPILOG, Backbone, Output, app, out
from harness.errors import ExitCode, presentable

MARKS = {"ready": "ok", "note": "note", "missing": "missing", "broken": "BROKEN"}


@app.command("doctor", epilog=EPILOG)
def doctor_command(
    output: Output = Path("runs"),
    backbone: Backbone = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is ready to run and what is missing, with the remedy. Exit code 1 if the mini tier cannot run.

    Downloads nothing. --backbone stands in for the hub id of the paper tier.
    """
    from harness.doctor import examine

    findings = list(examine(output, backbone, _variables()))
    ready = not any(finding.fatal for finding in findings)
    if as_json:
        result = {"ready": ready, "findings": [asdict(finding) for finding in findings]}
        typer.echo(json.dumps(result, indent=1, ensure_ascii=False))
    else:
        table = RichTable("", "what", "", "found")
        for column in table.columns:
            column.overflow = "fold"
        before = ""
        for f in findings:
            if before and f.area != before:
                table.add_section()
            detail = "\n-> ".join(presentable(part) for part in (f.detail, f.remedy) if part)
            name = presentable(f.name)
            table.add_row(*map(Text, ("" if f.area == before else f.area, name, MARKS[f.state], detail)))
            before = f.area
        out.print(table)
        fatal = [finding.name for finding in findings if finding.fatal]
        text = "The mini tier is ready." if ready else f"The mini tier cannot run: see {', '.join(fatal)}."
        out.print(text, markup=False, soft_wrap=True)
    raise typer.Exit(int(ExitCode.DONE if ready else ExitCode.CELLS_FAILED))


def _variables() -> set[str]:
    """Every environment variable that an option reads."""

    def of(command: Any) -> Iterator[str]:
        for parameter in command.params:
            names = getattr(parameter, "envvar", None) or ()
            yield from [names] if isinstance(names, str) else names
        for inner in getattr(command, "commands", {}).values():
            yield from of(inner)

    return set(of(typer.main.get_command(app)))
