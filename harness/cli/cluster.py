"""Runs on a cluster: how `run` and `resume` submit them, and `stamina-bench status` and `cancel`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table as RichTable
from rich.text import Text

from harness.cli.app import EPILOG, LeftOut, app, err, note, out
from harness.cli.whole_tables import print_whole
from harness.errors import ExitCode, UsageError
from harness.formats.figure_text import counted

if TYPE_CHECKING:
    from harness.estimates.estimate import Cost
    from harness.executors.job_records import Ledger, Queued
    from harness.executors.slurm import SlurmOptions
    from harness.executors.status import RunStanding

Runs = Annotated[Path, typer.Argument(help="Results folder of one or more runs.", envvar="STAMINA_BENCH_OUTPUT_DIR")]


def slurm_options(executor: str, slurm: str, *, wait: bool) -> SlurmOptions | None:
    """What to ask Slurm for; None where steps run on this machine.

    Raises:
        UsageError: options that do not go together, or are no options of Slurm.
    """
    from harness.executors.slurm import parse_slurm

    if executor not in ("local", "slurm"):
        raise UsageError(f"Unknown --executor '{executor}'; use local or slurm.")
    if executor == "slurm":
        return parse_slurm(slurm)
    if wait:
        raise UsageError("--wait is for --executor slurm; a local run waits in any case.")
    return None


def device_there(device: str, options: SlurmOptions) -> str:
    """'cpu' or 'cuda': the device that each job has.

    Raises:
        UsageError: it is not what the options ask Slurm for.
    """
    kind = options.device_type
    if device not in ("auto", kind):
        change = "add gpus_per_node=1 to --slurm" if kind == "cpu" else "take the GPUs out of --slurm"
        wanted = "leave --device out" if device.startswith(kind) else change
        raise UsageError(f"--device {device} does not go with --slurm, which gives each job a {kind} device; {wanted}.")
    return kind


def submit_pending(prepared: Any, run_file: Path, options: SlurmOptions, *, wait: bool, quiet: bool) -> ExitCode:
    """Submit what the store lacks of a prepared and recorded run; with `wait`, stay until its jobs are over."""
    from harness.engine.devices import Slot
    from harness.estimates.estimate import estimate
    from harness.executors import slurm
    from harness.records.run_file import record_failures

    kind, pending = prepared.plan.context.device_type, prepared.progress.pending
    scores = {cell.score for cell in prepared.plan.cells} & {step.key for step in pending}
    queued = 0
    for path, ledger, found in _asked(prepared.spec.output):
        # a run asked for in other words (from another folder, say) has a ledger of its own
        if path == run_file or any(scores.intersection(job.steps) for job in ledger.jobs if job.id in found):
            queued += len(found)
    if queued:
        command = shlex.join(["stamina-bench", "status", str(prepared.spec.output)])
        raise UsageError(
            f"Slurm's queue holds jobs of this run ({queued}); see them with `{command}`, or `cancel` them first."
        )
    prepared.store.sweep()
    cost = estimate(prepared, cheaply=True, slots=[Slot("job", kind)])
    seconds = cost.steps if cost else {s.key: s.nominal_seconds for s in pending}
    ledger = slurm.submit(prepared, run_file, options, seconds)
    record_failures(run_file, {})  # of earlier times
    status, report = (shlex.join(["stamina-bench", name, str(prepared.spec.output)]) for name in ("status", "report"))
    note(
        f"Submitted {counted(len(ledger.jobs), 'job')} for {counted(len(pending), 'step')} (Slurm "
        f"{', '.join(ledger.ids[:8])}"
        f"{', ...' if len(ledger.ids) > 8 else ''}). How far they are: {status}. When they are done: {report}"
    )
    return _follow(prepared, run_file, ledger, quiet=quiet) if wait else ExitCode.DONE


def print_jobs(prepared: Any, cost: Cost, options: SlurmOptions) -> None:
    """The jobs that would be submitted, each with what it waits for."""
    from harness.estimates.history import duration
    from harness.executors.partition import divide, title

    jobs = divide(prepared.plan, prepared.progress.pending, cost.steps, 60.0 * options.minutes)
    table = RichTable(title=f"{counted(len(jobs), 'Slurm job')} of at most {options.minutes} min", title_justify="left")
    for column in ("job", "makes", "after", "about"):
        table.add_column(column, justify="left" if column == "makes" else "right")
    for number, job in enumerate(jobs, 1):
        after = ", ".join(str(other + 1) for other in job.needs)
        table.add_row(str(number), Text(title(job, prepared.plan)), after, duration(job.seconds))
    out.print(table)
    worked = sum(cost.steps.values())
    out.print(f"{duration(worked)} of work, {cost.megabytes:.0f} MB of disk ({cost.basis})", soft_wrap=True)


def _follow(prepared: Any, run_file: Path, ledger: Ledger, *, quiet: bool) -> ExitCode:
    from harness.engine.display import make_display
    from harness.executors.watch import watch
    from harness.records.run_file import record_failures

    display = make_display(err, quiet=quiet)
    prepared.store.damaged = display.note
    try:
        outcome = watch(prepared, run_file, ledger, display)
    except KeyboardInterrupt:
        note("The jobs go on; `stamina-bench cancel` would end them.")
        raise
    record_failures(run_file, outcome.errors)
    for label, message in outcome.failed.items():
        note(f"{label} did not finish: {message}")
    return ExitCode.CELLS_FAILED if outcome.failed else ExitCode.DONE


@app.command("status", epilog=EPILOG)
def status_command(
    runs: Runs = Path("runs"), as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show how far each run of a results folder is, who works on it, and its jobs on a cluster; writes nothing."""
    from harness.executors.status import standings

    left_out = LeftOut()
    asked = {path: (ledger, queued) for path, ledger, queued in _asked(runs, left_out, from_afar=True)}
    found = standings(asked, left_out)
    if as_json:
        typer.echo(json.dumps([run.model_dump(mode="json") for run in found], indent=1, ensure_ascii=False))
    else:
        for run in found:
            _print(run)
    raise typer.Exit(int(left_out.code))


@app.command("cancel", epilog=EPILOG)
def cancel_command(
    runs: Runs = Path("runs"), benchmark: Annotated[str | None, typer.Option(help="Only this benchmark.")] = None
) -> None:
    """End the Slurm jobs of the runs of a results folder; what they finished is kept."""
    from harness.executors import slurm
    from harness.records.run_file import described_cells, each_run

    left_out = LeftOut()
    asked = {path: queued for path, _, queued in _asked(runs, left_out)}
    if benchmark is not None:
        cells = each_run(asked, described_cells, left_out)
        asked = {path: asked[path] for path, described in cells if described[0].benchmark == benchmark}
    ended = 0
    for queued in asked.values():
        slurm.cancel(list(dict.fromkeys(job.partition("_")[0] for job in queued)))
        ended += len(queued)
    note(f"Cancelled {counted(ended, 'job')}." if ended else f"No job of a run in {runs} is in Slurm's queue.")
    raise typer.Exit(int(left_out.code))


def _asked(
    runs: Path, left_out: LeftOut | None = None, *, from_afar: bool = False
) -> list[tuple[Path, Ledger, dict[str, Queued]]]:
    """Each run's file, its jobs, and those that Slurm has in its queue; with `from_afar` there need be no Slurm."""
    from harness.executors import slurm
    from harness.executors.status import ledgers

    found = list(ledgers(runs, left_out))
    if not found:
        raise UsageError(f"{runs} holds no runs; name the folder given to `run` with --output-dir.")
    try:
        queued = slurm.queue([job for _, ledger in found for job in ledger.ids])
    except UsageError as error:
        if not from_afar:
            raise
        note(f"{error} Until then, this is what the files say.")
        queued = {}
    return [
        (path, ledger, {job.id: queued[job.id] for job in ledger.jobs if job.id in queued}) for path, ledger in found
    ]


def _print(run: RunStanding) -> None:
    done = sum(cell.state == "done" for cell in run.cells)
    heading = f"{run.benchmark}, tier {run.tier} ({run.run}): {done} of {counted(len(run.cells), 'cell')} done"
    out.print(heading, style="bold", markup=False, soft_wrap=True)
    table = RichTable(box=None, pad_edge=False)
    for column, justify in (("cell", "left"), ("tasks", "right"), ("images", "right"), ("state", "left")):
        # what is cut at its end no longer tells which variant it is
        table.add_column(column, justify=justify, overflow="fold", no_wrap=justify == "right")  # type: ignore[arg-type]
    for cell in run.cells:
        more = "; ".join(cell.holders) if cell.state == "working" else cell.reason
        table.add_row(
            Text(f"{cell.cell} seed {cell.seed}"), f"{cell.trained}/{cell.tasks}",
            f"{cell.drawn}/{cell.pictures}" if cell.pictures else "",
            Text(f"{cell.state} ({more})" if more else cell.state),
        )  # fmt: skip
    print_whole(table, out)
    if not run.jobs:
        out.print()
        return
    table = RichTable(box=None, pad_edge=False)
    for column in ("job", "makes", "steps", "state", "time"):
        table.add_column(column, justify="right" if column in ("steps", "time") else "left")
    for job in run.jobs:
        state = f"{job.state.lower()} ({job.reason})" if job.reason else job.state.lower()
        table.add_row(job.id, Text(job.title), f"{job.made}/{job.steps}", Text(state), job.elapsed)
    out.print(table)
    out.print(f"Logs: {Path(run.jobs[0].log).parent}", markup=False, soft_wrap=True)
    out.print()
