"""`stamina-bench run`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table as RichTable

from harness.cli import completion
from harness.cli.app import (
    EPILOG,
    Backbone,
    Devices,
    Dtype,
    Executor,
    Jobs,
    Metrics,
    Offline,
    Output,
    Seeds,
    Slurm,
    Wait,
    app,
    debugging,
    err,
    note,
    out,
    print_tables,
)
from harness.cli.config import read_config
from harness.cli.photos import STRICT, Holdout, MinSide, print_reading, tell_beforehand, watch
from harness.errors import ExitCode, UsageError
from harness.formats.figure_text import counted
from harness.front.beforehand import lines_held_out, reading_of, unequal_training

if TYPE_CHECKING:
    from harness.executors.slurm import SlurmOptions
    from harness.tracker import Tracker


@app.command("run", epilog=EPILOG)
def run_command(
    benchmark: Annotated[
        str,
        typer.Argument(
            help="A benchmark's name, its YAML file, or a folder of images: one sub-folder per concept or class.",
            autocompletion=completion.benchmarks,
        ),
    ],
    methods: Annotated[
        str | None,
        typer.Option(
            "--methods",
            "-m",
            help="Comma-separated names, FILE.py:CLASS, either as NAME=... under a name of your own, or 'all'; default "
            "stamina,clora,ti++ (classification: stamina,clora,coda-p).",
            envvar="STAMINA_BENCH_METHODS",
            autocompletion=completion.methods,
        ),
    ] = None,
    seeds: Seeds = "0",
    tier: Annotated[
        str,
        typer.Option(help="Scale: mini (embedded, CPU) or paper (Stable Diffusion, GPU).", envvar="STAMINA_BENCH_TIER"),
    ] = "mini",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first N tasks; results are marked partial.")
    ] = None,
    tasks: Annotated[str | None, typer.Option(help="Tasks to run, 1-N; results are marked partial.")] = None,
    order: Annotated[
        int, typer.Option(min=0, help="Shuffle the tasks: 0 keeps the benchmark's order, 1, 2, ... are others.")
    ] = 0,
    setting: Annotated[
        str | None,
        typer.Option(help="Of a folder: customization (of a text-to-image model, the default) or classification."),
    ] = None,
    split_into: Annotated[
        int | None, typer.Option("--split-into", min=1, help="Classification of a folder: into how many tasks.")
    ] = None,
    class_order: Annotated[
        int | None,
        typer.Option("--class-order", min=0, help="Classification: this class order for every seed, not the seed's."),
    ] = None,
    min_side: MinSide = None,
    holdout: Holdout = None,
    full_matrix: Annotated[
        bool,
        typer.Option("--full-matrix", help="Images of every task after every later one: N(N+1)/2 sets, for A_n."),
    ] = False,
    metrics: Metrics = None,
    backbone: Backbone = None,
    extractor: Annotated[
        str | None,
        typer.Option(help="An open_clip folder or 'architecture/pretrained' for the metrics, instead of the tier's."),
    ] = None,
    device: Devices = "auto",
    dtype: Dtype = None,
    compile: Annotated[
        bool, typer.Option("--compile", help="The U-Net through torch.compile: pays on a GPU, over many tasks.")
    ] = False,
    gradient_checkpointing: Annotated[
        bool,
        typer.Option("--gradient-checkpointing", help="Less memory in training, for a second forward pass."),
    ] = False,
    output: Output = Path("runs"),
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="[METHOD.]KEY=VALUE",
            help="Change a method's option, sampling.KEY or recognition.KEY; may be repeated.",
        ),
    ] = None,
    jobs: Jobs = None,
    executor: Executor = "local",
    slurm: Slurm = "",
    wait: Wait = False,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="After a failure, finish the other cells.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help=f"Exit code 2 for {STRICT}.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan, its cost in time and disk, and stop.")
    ] = False,
    offline: Offline = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the table.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result rows as JSON instead of the table.")
    ] = False,
    track: Annotated[
        str | None,
        typer.Option(
            "--track",
            metavar="A,B",
            help="tensorboard, wandb or mlflow: told of losses and figures while it works.",
            envvar="STAMINA_BENCH_TRACK",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-C",
            callback=read_config,
            is_eager=True,
            help="YAML with any of these options; a run's own file works.",
        ),
    ] = None,
) -> None:
    """Run methods on a benchmark, one concept after another; the same command again resumes, or does nothing."""
    from harness import api
    from harness.cli.cluster import device_there, slurm_options
    from harness.front.request import make_request
    from harness.front.tracker_names import wanted_trackers

    options = slurm_options(executor, slurm, wait=wait)
    if track and options is not None:
        raise UsageError("--track is told by the process that runs steps, and Slurm's jobs do; leave one of them out.")
    trackers = wanted_trackers(track)
    if options is not None:
        device = device_there(device, options)
    asked = make_request(
        benchmark, methods=methods, options=changes or (), seeds=seeds, tier=tier, limit=limit, tasks=tasks,
        setting=setting, split_into=split_into, class_order=class_order, min_side=min_side, dtype=dtype, device=device,
        output=output, backbone=backbone, extractor=extractor, strict=strict, watch=watch, holdout=holdout,
        compile=compile, gradient_checkpointing=gradient_checkpointing,
        order=order, full_matrix=full_matrix, metrics=metrics, jobs=jobs, keep_going=keep_going, offline=offline,
    )  # fmt: skip
    prepared = api.prepare(asked.spec, asked.benchmark, elsewhere=options is not None)
    tell_beforehand(prepared, quiet=quiet)
    if dry_run:
        if (reading := reading_of(asked.benchmark, tier)) is not None:
            print_reading(reading)
        for line in lines_held_out(asked.benchmark, tier):
            out.print(line, markup=False, soft_wrap=True)
        _print_plan(prepared, options)
        return
    code = carry_out(prepared, quiet=quiet, as_json=as_json, options=options, wait=wait, trackers=trackers)
    raise typer.Exit(int(code))


def carry_out(
    prepared: Any, *, quiet: bool, as_json: bool, options: SlurmOptions | None = None, wait: bool = False,
    trackers: Mapping[str, Tracker] | None = None,
) -> ExitCode:  # fmt: skip
    """Make what is pending of a prepared run, and print its tables.

    With `options` Slurm makes it: nothing is printed then unless to `wait` for it.
    """
    from harness.engine.display import make_display
    from harness.front import running

    display = make_display(err, quiet=quiet)
    if prepared.progress.pending and options is not None:
        from harness.cli.cluster import submit_pending
        from harness.records.run_file import read_cells

        run_file = running.begin(prepared, display)
        code = submit_pending(prepared, run_file, options, wait=wait, quiet=quiet)
        if not wait:
            return code
        cells = read_cells(prepared.spec.output, run_file)
    else:
        with interruptible():
            done = running.carry_out(prepared, display, quiet=quiet, trackers=trackers)
        show_traces(done.outcome)
        code, run_file, cells = code_of(done.outcome), done.run_file, done.cells
    if as_json:
        from reports.frame import tidy, to_json

        sys.stdout.write(to_json(tidy(cells)))
    elif cells:
        print_tables(cells)
    if not quiet and cells:
        command = shlex.join(["stamina-bench", "report", str(prepared.spec.output)])
        note(f"Configuration and cells: {run_file}. Tables, figures and grids: {command}")
    return code


def make_pending(prepared: Any, run_file: Path, quiet: bool) -> ExitCode:
    """Run what the store lacks of a prepared and recorded run, and say which cells failed."""
    from harness.engine.display import make_display
    from harness.front import running

    with interruptible():
        outcome = running.make_pending(prepared, run_file, make_display(err, quiet=quiet), quiet=quiet)
    show_traces(outcome)
    for line in running.lines_on_failures(outcome):
        note(line)
    return code_of(outcome)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends the command with its exit code."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(int(ExitCode.INTERRUPTED)) from None


def show_traces(outcome: Any) -> None:
    """With `--debug`: the traceback of each error of a step."""
    if debugging():
        for trace in dict.fromkeys(outcome.traces.values()):
            err.print(trace, markup=False, soft_wrap=True)


def code_of(outcome: Any) -> ExitCode:
    """The exit code of a run."""
    return ExitCode.CELLS_FAILED if outcome.failed else ExitCode.DONE


def _print_plan(prepared: Any, options: SlurmOptions | None) -> None:
    from harness.engine.devices import Slot
    from harness.estimates.estimate import estimate
    from harness.front.run_plan import RunPlan

    plan = prepared.plan
    if uneven := unequal_training(plan):
        note(uneven)
    table = RichTable(
        title=f"{counted(len(plan.cells), 'cell')}, {counted(len(plan.steps), 'step')}", title_justify="left"
    )
    for column in ("step", "cached", "pending"):
        table.add_column(column, justify="left" if column == "step" else "right")
    for row in RunPlan(prepared).counts():
        table.add_row(*map(str, row))
    out.print(table)
    context = plan.context
    cost = estimate(prepared, slots=[Slot("job", context.device_type)] if options else None)
    assert cost is not None  # unless asked for cheaply
    out.print(context.said, markup=False, soft_wrap=True)
    if options is not None:
        from harness.cli.cluster import print_jobs

        print_jobs(prepared, cost, options)
        return
    took = f"{cost.seconds / 60:.1f} min" if cost.seconds < 5400 else f"{cost.seconds / 3600:.1f} h"
    out.print(
        f"about {took} on {counted(cost.jobs, 'worker')}, {cost.megabytes:.0f} MB of disk ({cost.basis})",
        soft_wrap=True,
    )
