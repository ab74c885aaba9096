"""`stamina-bench run`."""

from __future__ import annotations

import shlex
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table as RichTable

from harness.cli.app import (
    EPILOG,
    Backbone,
    Devices,
    Dtype,
    Executor,
    Jobs,
    Offline,
    Output,
    Seeds,
    Slurm,
    Wait,
    app,
    debugging,
    err,
    known_dtype,
    known_setting,
    known_tier,
    note,
    out,
    parse_seeds,
    print_tables,
)
from harness.cli.config import read_config
from harness.cli.photos import MinSide, print_reading, reading_of, require_whole, tell_beforehand, watch
from harness.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from harness.executors.slurm import SlurmOptions


@app.command("run", epilog=EPILOG)
def run_command(
    benchmark: Annotated[
        str, typer.Argument(help="A benchmark's name, or a folder of images: one sub-folder per concept or class.")
    ],
    methods: Annotated[
        str | None,
        typer.Option(
            "--methods",
            "-m",
            help="Comma-separated names, or 'all'; default stamina,clora,ti++ (classification: stamina,clora,coda-p).",
            envvar="STAMINA_BENCH_METHODS",
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
    full_matrix: Annotated[
        bool,
        typer.Option("--full-matrix", help="Images of every task after every later one: N(N+1)/2 sets, for A_n."),
    ] = False,
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
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a folder of images of which something is not used, or odd.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan, its cost in time and disk, and stop.")
    ] = False,
    offline: Offline = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the table.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result rows as JSON instead of the table.")
    ] = False,
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
    from harness.assignments import default_methods, method_specs, protocol_changes
    from harness.cli.cluster import device_there, slurm_options
    from harness.spec import RunSpec, parse_tasks

    listed = list(changes or [])
    precision = known_dtype(dtype)
    options = slurm_options(executor, slurm, wait=wait)
    if options is not None:
        device = device_there(device, options)
    if limit is not None and tasks is not None:
        raise UsageError("Give --limit or --tasks, not both.")
    seed_values = parse_seeds(seeds)
    kind = known_setting(setting)
    found = api.find_benchmark(benchmark, known_tier(tier), kind, split_into, class_order, watch, min_side)
    if strict:
        require_whole(found, tier)
    total = len(found.tasks(tier))
    chosen = tuple(range(1, min(limit, total) + 1)) if limit else None
    if tasks is not None:
        chosen = parse_tasks(tasks, total)
    spec = RunSpec(
        benchmark=benchmark, methods=method_specs(methods or default_methods(found), listed, found.setting),
        tier=tier, seeds=seed_values, backbone=backbone,
        extractor=extractor, device=device, dtype=precision, compile=compile, tasks=chosen, order=order,
        full_matrix=full_matrix,
        setting=kind, split_into=split_into, class_order=class_order, min_side=min_side,
        **protocol_changes(listed),
        output=output, jobs=jobs, keep_going=keep_going, offline=offline,
    )  # fmt: skip
    prepared = api.prepare(spec, found, elsewhere=options is not None)
    tell_beforehand(prepared, quiet=quiet)
    if dry_run:
        if (reading := reading_of(found, tier)) is not None:
            print_reading(reading)
        _print_plan(prepared, options)
        return
    raise typer.Exit(int(carry_out(prepared, quiet=quiet, as_json=as_json, options=options, wait=wait)))


def carry_out(
    prepared: Any, *, quiet: bool, as_json: bool, options: SlurmOptions | None = None, wait: bool = False
) -> ExitCode:
    """Make what is pending of a prepared run, and print its tables.

    With `options` Slurm makes it: nothing is printed then unless to `wait` for it.
    """
    from harness.attribution import keep_attribution
    from harness.recorded import read_cells, record

    run_file, output = record(prepared.spec, prepared.plan), prepared.spec.output
    if uneven := unequal_training(prepared.plan):
        note(uneven)
    keep_attribution(output, prepared.plan.cells)
    code = ExitCode.DONE
    if prepared.progress.pending and options is not None:
        from harness.cli.cluster import submit_pending

        code = submit_pending(prepared, run_file, options, wait=wait, quiet=quiet)
        if not wait:
            return code
    elif prepared.progress.pending:
        code = make_pending(prepared, run_file, quiet)
    else:
        count = len(prepared.plan.steps)
        err.print(f"Nothing to do: all {count} steps are in {prepared.store.root}.", markup=False, soft_wrap=True)
    cells = read_cells(output, run_file)
    if as_json:
        from reports.frame import tidy, to_json

        sys.stdout.write(to_json(tidy(cells)))
    elif cells:
        print_tables(cells)
    if not quiet and cells:
        command = shlex.join(["stamina-bench", "report", str(output)])
        note(f"Configuration and cells: {run_file}. Tables, figures and grids: {command}")
    return code


def unequal_training(plan: Any) -> str:
    """What to know of methods that train by another tier's defaults beside others; empty if there are none."""
    from harness.budgets import Trained, unequal_budgets

    cells = {cell.label: cell for cell in plan.cells}
    lines = {label: Trained(c.method, c.options.model_dump(), c.inherited) for label, c in cells.items()}
    first = next(iter(cells.values()))
    return unequal_budgets(lines, first.tier, plan.setting.budget)


def make_pending(prepared: Any, run_file: Path, quiet: bool) -> ExitCode:
    """Run what the store lacks of a prepared and recorded run; why cells failed is kept beside its file."""
    from harness import api
    from harness.display import make_display
    from harness.executors.local import LocalExecutor
    from harness.recorded import record_failures
    from harness.runner import run
    from harness.taken import beforehand, keep, sentence

    spec = prepared.spec
    executor = LocalExecutor(prepared.plan.context, prepared.store.root, api.slots_of(prepared))
    prepared.store.sweep()
    display = make_display(err, quiet=quiet)
    prepared.store.damaged = display.note
    cost, started = beforehand(prepared), time.monotonic()
    try:
        outcome = run(
            prepared.plan, prepared.store, executor, prepared.progress, display, keep_going=spec.keep_going,
            seconds=cost.steps if cost is not None else None,
        )  # fmt: skip
    except KeyboardInterrupt:
        raise typer.Exit(int(ExitCode.INTERRUPTED)) from None
    finally:
        taken = keep(prepared, cost, time.monotonic() - started, run_file) if cost is not None else None
    if taken is not None and not quiet and (said := sentence(taken)):
        note(said)
    with suppress(OSError):  # on a full disk: what it says is said below, too
        record_failures(run_file, outcome.errors, outcome.traces)
    if debugging():
        for trace in dict.fromkeys(outcome.traces.values()):
            err.print(trace, markup=False, soft_wrap=True)
    for label, message in outcome.failed.items():
        note(f"{label} did not finish: {message}")
    return ExitCode.CELLS_FAILED if outcome.failed else ExitCode.DONE


def _print_plan(prepared: Any, options: SlurmOptions | None) -> None:
    from harness.estimate import estimate
    from harness.slots import Slot

    plan, progress = prepared.plan, prepared.progress
    if uneven := unequal_training(plan):
        note(uneven)
    table = RichTable(title=f"{len(plan.cells)} cells, {len(plan.steps)} steps", title_justify="left")
    for column in ("step", "cached", "pending"):
        table.add_column(column, justify="left" if column == "step" else "right")
    for kind in dict.fromkeys(step.kind for step in plan.steps.values()):
        counts = [sum(step.kind == kind for step in part) for part in (progress.cached, progress.pending)]
        table.add_row(kind, *map(str, counts))
    out.print(table)
    context = plan.context
    cost = estimate(prepared, slots=[Slot("job", context.device_type)] if options else None)
    assert cost is not None  # unless asked for cheaply
    out.print(f"backbone {context.backbone_name}, {context.device_type}, {context.dtype}", markup=False)
    if options is not None:
        from harness.cli.cluster import print_jobs

        print_jobs(prepared, cost, options)
        return
    took = f"{cost.seconds / 60:.1f} min" if cost.seconds < 5400 else f"{cost.seconds / 3600:.1f} h"
    out.print(f"about {took} on {cost.jobs} workers, {cost.megabytes:.0f} MB of disk ({cost.basis})", soft_wrap=True)
