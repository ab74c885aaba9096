"""`stamina-bench new`: a plugin's first file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.app import EPILOG, app, out

NEXT = {
    "method": (
        "stamina-bench check {0}", "stamina-bench run tuning6 --methods stamina,{0}", "stamina-bench tune {0}",
    ),
    "metric": (
        "stamina-bench run mixed50 --limit 3 --metrics {0}", "stamina-bench score runs --metrics {0}",
    ),
    "benchmark": ("stamina-bench run {0} --dry-run", "stamina-bench run {0} --methods stamina,ti++"),
}  # fmt: skip


@app.command("new", epilog=EPILOG)
def new_command(
    kind: Annotated[str, typer.Argument(help="method, metric or benchmark.")],
    name: Annotated[str, typer.Argument(help="Of its file, as in my_method; the class is called MyMethod.")],
    folder: Annotated[Path, typer.Option("--folder", help="Where to write it.")] = Path(),
) -> None:
    """Begin a plugin of your own: a file that works as it is, commented hook by hook, and its test."""
    from harness.authoring.scaffold import class_name, new_plugin

    file, *tests = new_plugin(kind, name, folder)
    place = str(file) if file.is_absolute() else f"./{file}"
    called = f"{place}:{class_name(name)}" if tests else place
    out.print(f"Written: {file}{''.join(f', and its test {t}' for t in tests)}. Next:", markup=False, soft_wrap=True)
    for command in (*(each.format(called) for each in NEXT[kind]), *(f"pytest {test}" for test in tests)):
        out.print(f"  {command}", markup=False, soft_wrap=True)
