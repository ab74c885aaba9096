"""`stamina-bench tune`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table as RichTable

from harness.cli import completion
from harness.cli.app import EPILOG, Backbone, Device, Jobs, Offline, Output, Seeds, app, err, note, out
from harness.cli.photos import Holdout, tell_reading, watch
from harness.cli.whole_tables import print_whole
from harness.errors import ExitCode
from harness.formats.figure_text import counted
from harness.front.option_values import known_tier, parse_seeds

if TYPE_CHECKING:
    from harness.settings.base import Setting
    from harness.spec import RunSpec


@app.command("tune", epilog=EPILOG)
def tune_command(
    methods: Annotated[str, typer.Argument(help="Comma-separated names, or 'all'.", autocompletion=completion.methods)],
    tier: Annotated[str, typer.Option(help="Scale at which to tune.", envvar="STAMINA_BENCH_TIER")] = "mini",
    benchmark: Annotated[
        str, typer.Option("--benchmark", "-b", help="A benchmark made for tuning, or a folder of photographs.")
    ] = "tuning18",
    budget: Annotated[
        int | None,
        typer.Option(min=1, help="Settings to try of each method on the first tasks; default 9.", show_default=False),
    ] = None,
    seeds: Seeds = "0,1",
    holdout: Holdout = None,
    backbone: Backbone = None,
    device: Device = "auto",
    output: Output = Path("runs"),
    record: Annotated[
        Path | None,
        typer.Option(help="Folder, or .json file of one method, for the record (default OUTPUT_DIR/tuning/TIER)."),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="[METHOD.]KEY=VALUE", help="Fix an option, or sampling.KEY; may be repeated."),
    ] = None,
    jobs: Jobs = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the search spaces and the budget, and stop.")
    ] = False,
    offline: Offline = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the tables.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records as JSON instead of the tables.")] = False,
) -> None:
    """Choose methods' options on a tuning sequence, with the same budget for each; the same command again resumes."""
    from harness import registry
    from harness.api import find_benchmark
    from harness.engine.cautions import cautions
    from harness.engine.display import make_display
    from harness.overrides import method_specs, protocol_changes
    from harness.spec import RunSpec
    from harness.tuning import tune

    listed = list(changes or [])
    found = find_benchmark(benchmark, known_tier(tier), watch=watch, holdout=holdout)
    setting = found.setting
    methods = ",".join(tune.searchable(setting)) if methods == "all" else methods
    spec = RunSpec(
        benchmark=benchmark, methods=method_specs(methods, listed, setting), tier=tier, seeds=parse_seeds(seeds),
        backbone=backbone, device=device, **protocol_changes(listed),
        output=output, jobs=jobs, holdout=holdout,
        keep_going=True, offline=offline,
    )  # fmt: skip
    of = registry.setting(setting)
    size, trials = of.space_size, of.trial_budget if budget is None else budget
    records = tune.outline(spec, trials)
    tell_reading(benchmark, found, tier, quiet=quiet)
    for caution in cautions(spec, registry.tiers().get(tier), found):
        note(caution)
    for r in records:
        if r.space_size != size:
            note(
                f"{r.method}: {counted(r.space_size, 'setting')} in its search space; the built-in methods have {size}."
            )
    if not dry_run:
        try:
            records = tune.tune(spec, trials, display=lambda: make_display(err, quiet=quiet), record=record)
        except KeyboardInterrupt:
            raise typer.Exit(int(ExitCode.INTERRUPTED)) from None
    if as_json:
        typer.echo(json.dumps([json.loads(r.json_text()) for r in records], indent=1, ensure_ascii=False))
    else:
        for r in records:
            (_print_space if dry_run else _print_trials)(r, of)
    if dry_run:
        if not as_json:
            _print_time(spec, records[0], len(found.tasks(spec.tier)))
        return
    for r in records:
        for option in r.at_edge:
            note(f"{r.method}: {option} is best at the edge of what was tried: the budget or the range is spent.")
        if r.chosen is None:
            note(f"{r.method}: every trial failed; the first with: {r.trials[0].error}")
    if not quiet:
        for path in tune.record_paths(spec, record).values():
            note(f"Record: {path}")
    raise typer.Exit(int(ExitCode.DONE if all(r.chosen for r in records) else ExitCode.CELLS_FAILED))


def _print_time(spec: RunSpec, record: Any, tasks: int) -> None:
    """What trials and finals take together, were each of them made from its start."""
    from harness import api
    from harness.estimates.estimate import estimate
    from harness.estimates.history import duration

    def seconds(count: int, folder: str) -> float:
        only = {"tasks": tuple(range(1, count + 1)), "output": Path(folder)}
        cost = estimate(api.prepare(spec.model_copy(update=only)))
        return cost.seconds if cost is not None else 0.0

    with TemporaryDirectory() as folder:  # a dry run writes nothing
        whole = record.budget * seconds(record.short_tasks, folder)
        whole += record.finals_budget * seconds(tasks, folder) if record.finals_budget else 0.0
    out.print(
        f"at most about {duration(whole)} here: {counted(record.budget, 'trial')} of "
        f"{counted(record.short_tasks, 'task')}"
        + (f" and {counted(record.finals_budget, 'final')} of {tasks}" if record.finals_budget else "")
        + f" for each method, {counted(len(spec.seeds), 'seed')}; what two of them share is made once",
        markup=False, soft_wrap=True,
    )  # fmt: skip


def _print_space(record: Any, of: Setting) -> None:
    from harness.tuning.tune import as_text

    finals = f", {counted(record.finals_budget, 'final')}" if record.finals_budget else ""
    title = f"{record.method}: {counted(record.budget, 'trial')}{finals}, from {counted(record.space_size, 'setting')}"
    table = RichTable("option", "values", title=title, title_justify="left")
    for option, values in record.space.items():
        table.add_row(option, ", ".join(map(as_text, values)))
    for option, value in record.fixed.items():
        table.add_row(option, f"{as_text(value)} (fixed)")
    out.print(table)


def _print_trials(record: Any, of: Setting) -> None:
    from harness.formats.figure_text import number
    from harness.tuning.tune import as_text

    title = (
        f"{record.method} on {record.benchmark}: {counted(len(record.trials), 'trial')}, from "
        f"{counted(record.space_size, 'setting')}"
    )
    table = RichTable(*record.space, title=title, title_justify="left", caption="* chosen", caption_justify="left")
    metrics = tuple(dict.fromkeys(name for trial in record.trials for name in trial.figures))
    printed = dict(zip(of.headline, of.headline_names, strict=True))
    for column in ("tasks", *(printed.get(name, name) for name in metrics), ""):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for tasks, trials in ((record.short_tasks, record.trials), (record.tasks, record.finals)):
        for trial in trials:
            shown = [trial.figures.get(name) for name in metrics]
            figures = ["failed" if v is None else number(v) for v in shown]
            mark = "*" if trial.setting == record.chosen else ""
            table.add_row(*map(as_text, trial.setting.values()), str(tasks), *figures, mark)
    print_whole(table, out)
    if record.chosen is not None:
        words = [f"--set {shlex.quote(f'{record.method}.{k}={as_text(v)}')}" for k, v in record.chosen.items()]
        out.print(" ".join(words), markup=False, soft_wrap=True)
