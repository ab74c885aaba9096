"""`stamina-bench check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table as RichTable
from rich.text import Text

from harness.cli.app import EPILOG, Backbone, Device, MethodArgument, Offline, app, note, out
from harness.cli.list import Setting
from harness.errors import ExitCode, shortened
from harness.front.option_values import known_setting, known_tier

if TYPE_CHECKING:
    from harness.authoring.method_check import Checked

WORDS = {
    "class": "class, options, hooks", "text": "what its text shows", "training": "three short trainings",
    "again": "the same once more", "order": "with its adapters in another order", "defaults": "its defaults",
}  # fmt: skip


@app.command("check", epilog=EPILOG)
def check_command(
    method: MethodArgument,
    tier: Annotated[
        str, typer.Option(help="Scale whose options and backbone to take.", envvar="STAMINA_BENCH_TIER")
    ] = "mini",
    setting: Setting = None,
    benchmark: Annotated[
        str | None,
        typer.Option("--benchmark", "-b", help="Whose first three tasks are learnt; default a small one for tuning."),
    ] = None,
    backbone: Backbone = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change an option; may be repeated.")
    ] = None,
    device: Device = "auto",
    offline: Offline = True,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 for notes, too.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only what was found.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look at a method of your own: its text, its hooks in short trainings of three tasks, twice, and its defaults.

    Exit code 1 if something is wrong with it.
    """
    from harness.authoring.method_check import check

    found = check(
        method, changes or [], tier=known_tier(tier), setting=known_setting(setting), benchmark=benchmark,
        backbone=backbone, device=device, offline=offline, tell=(lambda text: None) if quiet else note,
    )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(found.model_dump(mode="json"), indent=1, ensure_ascii=False))
    else:
        _print(found)
    if found.wrong or (strict and found.findings):
        raise typer.Exit(ExitCode.CELLS_FAILED)


def _print(found: Checked) -> None:
    short = ", ".join(f"{key}={value}" for key, value in found.options.items())
    title = f"{found.method}, tier {found.tier}: three tasks of {found.benchmark}, {short}"
    table = RichTable(title=Text(title), title_justify="left")
    table.add_column("looked at", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("what there is to say", overflow="fold")
    for part, words in WORDS.items():
        own = [finding for finding in found.findings if finding.part == part]
        if part == "order" and part not in found.looked_at:
            continue  # of built-in methods, and of what relies on that order
        if part not in found.looked_at:
            table.add_row(words, "", Text("not reached", style="dim"))
        elif not own:
            table.add_row(words, Text("ok", style="green"), "")
        for finding in own:
            mark = Text("wrong", style="bold red") if finding.wrong else Text("note", style="yellow")
            table.add_row(words, mark, Text(finding.text))
            words = ""
    out.print(table)
    for line in _facts(found):
        out.print(line, markup=False, soft_wrap=True)


def _facts(found: Checked) -> list[str]:
    lines = []
    if found.files:
        lines.append(
            f"Results are known by {', '.join(map(shortened, map(Path, found.files)))}: an edit makes them anew."
        )
    if found.learnt:
        seconds = sum(task.seconds for task in found.learnt) / len(found.learnt)
        memory = ", ".join(f"{task.memory / 1e6:.2g}" for task in found.learnt)
        kept = f"end_task() leaves {memory} MB" if any(task.memory for task in found.learnt) else "nothing is kept"
        lines.append(
            f"A task trains {found.learnt[-1].parameters:,} parameters, in {seconds:.1f} s here; for the next one "
            f"{kept}."
        )
        if any(task.changed for task in found.learnt):
            moved = ", ".join(f"{100 * task.changed:.2g}" for task in found.learnt)
            lines.append(f"It changes the weights of the projections by {moved} % of their norm, task by task.")
    if found.penalties:
        told = [f"{n}{_size(found, n)}" for n in found.penalties]
        lines.append(f"Its penalties: {'; '.join(told)}.")
    if found.measures:
        lines.append(f"Its measures: {', '.join(found.measures)}.")
    return lines


def _size(found: Checked, penalty: str) -> str:
    """Of how many adapters a penalty is, and how large beside the loss: ' (of 14 of 14 adapters; ...)'."""
    parts = [f"of {found.reach[penalty]}"] if penalty in found.reach else []
    if penalty in found.shares:
        parts.append(f"at most {found.shares[penalty]:.2g} times the loss")
    return f" ({'; '.join(parts)})" if parts else ""
