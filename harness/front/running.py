"""A prepared run, carried out: what the commands and Python share. It raises errors, and tells a display the rest."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api import Prepared, slots_of
from harness.engine import runner
from harness.engine.display import Display
from harness.engine.runner import Executor, Outcome
from harness.errors import UsageError
from harness.front.beforehand import unequal_training
from harness.front.method_names import INTO_A_FILE, only_here

if TYPE_CHECKING:
    from harness.results import CellResult, Unfinished
    from harness.tracker import Tracker

TRACKING = "tracking"  # in a results folder, what trackers write


@dataclass
class Finished:
    """A run that is over.

    Args:
        run_file: its configuration and cells, beside the results.
        outcome: what was made, and what failed.
        cells: those that are finished, of this and of earlier runs of the same.
    """

    run_file: Path
    outcome: Outcome = field(default_factory=Outcome)
    cells: list[CellResult] = field(default_factory=list)


def begin(prepared: Prepared, display: Display) -> Path:
    """Write down what was asked for, and whom its real images are owed to; gives the run's file."""
    from harness.records.attribution import keep_attribution, keep_terms
    from harness.records.run_file import record

    run_file = record(prepared.spec, prepared.plan)
    if uneven := unequal_training(prepared.plan):
        display.note(uneven)
    keep_attribution(prepared.spec.output, prepared.plan.cells)
    keep_terms(prepared.spec.output, prepared.benchmark, prepared.spec.tier)
    return run_file


def carry_out(
    prepared: Prepared, display: Display, *, quiet: bool = False, trackers: Mapping[str, Tracker] | None = None
) -> Finished:
    """Make what is pending of a prepared run on this machine.

    Args:
        prepared: the run. What is in the store is not made again.
        display: is told of progress, of cells that fail, and of what else a user must know.
        quiet: not of the time that it took.
        trackers: are told, too, under these names.

    Raises:
        BenchError: no work can begin. KeyboardInterrupt: everything finished is kept.
    """
    from harness.records.run_file import read_cells

    require_workers_for(prepared)
    found = Finished(begin(prepared, display))
    if trackers:
        from harness.trackers.tracked import Tracked

        spec = prepared.spec.model_dump(mode="json")
        display = Tracked(display, trackers, found.run_file.stem, prepared.spec.output / TRACKING, spec)
    if prepared.progress.pending:
        found.outcome = make_pending(prepared, found.run_file, display, quiet=quiet)
        for line in lines_on_failures(found.outcome):
            display.note(line)
    else:
        display.note(f"Nothing to do: all {len(prepared.plan.steps)} steps are in {prepared.store.root}.")
    found.cells = read_cells(prepared.spec.output, found.run_file)
    return found


def make_pending(prepared: Prepared, run_file: Path, display: Display, *, quiet: bool = False) -> Outcome:
    """Make what the store lacks of a prepared and recorded run; why cells failed is kept beside its file.

    Raises:
        MachineError: no worker can be started. KeyboardInterrupt: everything finished is kept.
    """
    from harness.estimates.history import beforehand, keep, sentence
    from harness.records.run_file import record_failures

    executor = executor_for(prepared)
    prepared.store.sweep()
    prepared.store.damaged = display.note
    cost, started = beforehand(prepared), time.monotonic()
    try:
        outcome = runner.run(
            prepared.plan, prepared.store, executor, prepared.progress, display, keep_going=prepared.spec.keep_going,
            seconds=cost.steps if cost is not None else None,
        )  # fmt: skip
    finally:
        taken = keep(prepared, cost, time.monotonic() - started, run_file) if cost is not None else None
    if taken is not None and not quiet and (said := sentence(taken)):
        display.note(said)
    with suppress(OSError):  # on a full disk: what it says is told, too
        record_failures(run_file, outcome.errors, outcome.traces)
    return outcome


def lines_on_failures(outcome: Outcome) -> Iterable[str]:
    """A sentence for each cell that failed."""
    return (f"{label} did not finish: {message}" for label, message in outcome.failed.items())


def not_finished(done: Finished, prepared: Prepared) -> list[Unfinished]:
    """The run's cells that have no result, each with the reason where it is known."""
    from harness.records.run_file import read_unfinished

    return read_unfinished(prepared.spec.output, done.run_file)


def require_workers_for(prepared: Prepared) -> None:
    """Make sure that several workers are not asked for where a method's class is one that they cannot import.

    Raises:
        UsageError: they are.
    """
    names, spec = only_here(method.name for method in prepared.spec.methods), prepared.spec
    if names and ((spec.jobs or 1) > 1 or "," in spec.device):
        asked = f"--jobs {spec.jobs}" if (spec.jobs or 1) > 1 else f"--device {spec.device}"
        raise UsageError(
            f"The method '{names[0]}' is of this process alone, and {asked} needs others, which cannot import it; "
            f"{INTO_A_FILE}, or leave {asked.partition(' ')[0]} out."
        )


def executor_for(prepared: Prepared) -> Executor:
    """Worker processes; or this process, one step at a time, where a method's class is one that they cannot import."""
    from harness.executors.local import LocalExecutor

    context, root, slots = prepared.plan.context, prepared.store.root, slots_of(prepared)
    if only_here(method.name for method in prepared.spec.methods):
        from harness.executors.in_process import InProcessExecutor

        return InProcessExecutor(context, root, slots[0].device)
    return LocalExecutor(context, root, slots)
