"""`stamina-bench check`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.table import Table as RichTable
from rich.text import Text

from harness.cli import completion
from harness.cli.app import EPILOG, Backbone, Device, Offline, app, note, out
from harness.cli.list import Setting
from harness.errors import ExitCode, UsageError, shortened
from harness.front.option_values import known_setting, known_tier

if TYPE_CHECKING:
    from harness.authoring.findings import Looked
    from harness.authoring.method_check import Checked
    from harness.authoring.metric_check import CheckedMetric

WORDS = {
    "class": "class, options, hooks", "text": "what its text shows", "training": "three short trainings",
    "again": "the same once more", "order": "with its adapters in another order", "defaults": "its defaults",
}  # fmt: skip
OF_METRICS = {
    "text": "class, what its text shows", "figures": "what it says of known images", "again": "the same once more",
    "order": "in another order", "likeness": "its direction",
}  # fmt: skip
Plugin = Annotated[
    str,
    typer.Argument(
        metavar="METHOD|METRIC", autocompletion=completion.plugins,
        help="A method's or a metric's name, FILE.py:CLASS, or package.module:CLASS.",
    ),
]  # fmt: skip


@app.command("check", epilog=EPILOG)
def check_command(
    plugin: Plugin,
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

    Of a metric: what it says of images of which one knows what it should say. Exit code 1 if something is wrong.
    """
    from harness.authoring.method_check import check
    from harness.authoring.metric_check import check_metric, is_metric

    tell = (lambda text: None) if quiet else note
    if is_metric(plugin):
        if given := [n for n, v in (("--set", changes), ("--setting", setting), ("--backbone", backbone)) if v]:
            raise UsageError(f"{given[0]} is for methods, and '{plugin}' is a metric; leave it out.")
        measured = check_metric(
            plugin, tier=known_tier(tier), benchmark=benchmark, device=device, offline=offline, tell=tell
        )
        _answer(measured, _print_metric, as_json=as_json, strict=strict)
        return
    found = check(
        plugin, changes or [], tier=known_tier(tier), setting=known_setting(setting), benchmark=benchmark,
        backbone=backbone, device=device, offline=offline, tell=tell,
    )  # fmt: skip
    _answer(found, _print_method, as_json=as_json, strict=strict)


Found = TypeVar("Found", bound="Looked")
UNSEEN = (
    "No look tells whether a formula is the one that was meant, and some other mistakes: docs/plugins.md and "
    "docs/metrics.md list what is not noticed."
)


def _answer(found: Found, shown: Callable[[Found], None], *, as_json: bool, strict: bool) -> None:
    """Print what was found, and end with its exit code."""
    if as_json:
        typer.echo(json.dumps(found.model_dump(mode="json"), indent=1, ensure_ascii=False))
    else:
        shown(found)
        note(UNSEEN)
    if found.wrong or (strict and found.findings):
        raise typer.Exit(ExitCode.CELLS_FAILED)


def _print_method(found: Checked) -> None:
    short = ", ".join(f"{key}={value}" for key, value in found.options.items())
    # the adapters' order is not looked at for built-in methods, and what relies on that order
    parts = {p: words for p, words in WORDS.items() if p != "order" or p in found.looked_at}
    _print(found, f"{found.method}, tier {found.tier}: three tasks of {found.benchmark}, {short}", parts)
    for line in _facts(found):
        out.print(line, markup=False, soft_wrap=True)


def _print_metric(found: CheckedMetric) -> None:
    _print(found, f"{found.metric}, tier {found.tier}: images of {found.benchmark}", OF_METRICS)
    if found.said:
        table = RichTable(title=Text(_meaning(found)), title_justify="left")
        table.add_column("shown as generated images")
        for heading in ("mean", "lowest", "highest") if len(next(iter(found.said.values()))) > 1 else ("figure",):
            table.add_column(heading, justify="right")
        for name, values in found.said.items():
            figures = (fmean(values), min(values), max(values)) if len(values) > 1 else values
            table.add_row(name, *(f"{figure:.4g}" for figure in figures))
        out.print(table)
    for line in _metric_facts(found):
        out.print(line, markup=False, soft_wrap=True)


def _meaning(found: CheckedMetric) -> str:
    card = found.card
    unit = "" if card["unit"] == "1" else f" ({card['unit']})"
    of = "of each task" if len(next(iter(found.said.values()))) > 1 else "of all tasks together"
    return f"{card['title']}{unit}, {of}; it says that {'higher' if card['higher'] else 'lower'} is better"


def _metric_facts(found: CheckedMetric) -> list[str]:
    lines = _known_by(found)
    if found.ignores_real:
        lines.append("It says the same whatever the real images are.")
    if found.said:
        lines.append(f"A task takes {found.seconds:.2g} s here, its interval included.")
    return lines


def _known_by(found: Looked) -> list[str]:
    names = ", ".join(map(shortened, map(Path, found.files)))
    return [f"Results are known by {names}: an edit makes them anew."] if names else []


def _print(found: Looked, title: str, parts: Mapping[str, str]) -> None:
    table = RichTable(title=Text(title), title_justify="left")
    table.add_column("looked at", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("what there is to say", overflow="fold")
    for part, words in parts.items():
        own = [finding for finding in found.findings if finding.part == part]
        if part not in found.looked_at:
            table.add_row(words, "", Text("not reached", style="dim"))
        elif not own:
            table.add_row(words, Text("ok", style="green"), "")
        for place, finding in enumerate(own):
            mark = Text("wrong", style="bold red") if finding.wrong else Text("note", style="yellow")
            table.add_row("" if place else words, mark, Text(finding.text))
    out.print(table)


def _facts(found: Checked) -> list[str]:
    lines = _known_by(found)
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
