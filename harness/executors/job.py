"""What a job of a cluster does: plan its run again, and make those of its steps that the store lacks."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.formats.figure_text import counted

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

PATIENCE_S = 120.0  # a network file system may show another machine's files a minute late


class Work:
    """A job's work as submitit takes it: nothing but text, so that what it keeps on disk holds no results.

    Before a time limit or on pre-emption submitit asks for `checkpoint` and queues the job again: it then goes on from
    what the store has, and inside a training from that one's last checkpoint.
    """

    def __init__(self, folder: str, run_file: str, keys: Sequence[str]) -> None:
        """`folder`: where the command was given. `run_file`: the run's, with its whole path."""
        self.folder, self.run_file, self.keys = folder, run_file, tuple(keys)

    def __reduce__(self) -> tuple[Callable[..., Work], tuple[str, str, Sequence[str]]]:
        """Pickled by way of `stamina_bench`: it imports this program's packages from where they are installed."""
        from stamina_bench import job

        return job, (self.folder, self.run_file, self.keys)

    def __call__(self) -> None:
        """Make the steps.

        Raises:
            BenchError: some could not be made; the job has failed then, and what waits for it is cancelled.
        """
        os.chdir(self.folder)
        carry_out(Path(self.run_file), self.keys)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # done: the warning of the time limit is too late to matter

    def checkpoint(self) -> DelayedSubmission:
        """The same work once more: how far it came is in the store."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def carry_out(run_file: Path, keys: Sequence[str]) -> None:
    """Make those of a run's steps.

    Raises:
        BenchError: the run is no longer as it was submitted, a step failed, or one that another job made is not there.
    """
    from rich.console import Console

    from harness import api
    from harness.engine.display import PlainDisplay
    from harness.engine.runner import Progress, run
    from harness.errors import BenchError, MachineError
    from harness.executors.job_records import keep_failure
    from harness.executors.local import LocalExecutor
    from harness.records.run_file import read_spec

    wanted = set(keys)
    spec = read_spec(run_file).model_copy(update={"output": run_file.parent.parent})
    prepared = api.prepare(spec)
    if wanted - prepared.plan.steps.keys():
        raise BenchError(
            f"{run_file.name}: the methods, images or models are not those of the time when the job was submitted; "
            "cancel its jobs and submit the run again."
        )
    store = prepared.store
    steps = [prepared.plan.steps[key] for key in prepared.plan.steps if key in wanted]
    pending = [step for step in steps if store.get(step.key) is None]
    needed = dict.fromkeys(parent for step in pending for parent in step.parents if parent not in wanted)
    if lacking := store.wait_for(needed, PATIENCE_S):
        raise BenchError(
            f"'{prepared.plan.steps[lacking[0]].label}' is not in {store.root}, though the job that makes it has "
            "ended; submit the run again."
        )
    console = Console(file=sys.stdout, width=200, highlight=False, emoji=False)
    display = PlainDisplay(console)
    store.damaged = display.note
    slots = api.slots_of(prepared)
    console.print(
        f"{len(pending)} of {counted(len(steps), 'step')} to make, on {', '.join(s.name for s in slots)}", markup=False
    )
    progress = Progress(cached=[step for step in steps if step not in pending], pending=pending)
    try:
        executor = LocalExecutor(prepared.plan.context, store.root, slots)
        outcome = run(prepared.plan, store, executor, progress, display, keep_going=True)
    except MachineError as error:
        keep_failure(run_file, job_id(), {step.key: str(error) for step in pending}, {})
        raise
    keep_failure(run_file, job_id(), outcome.broken, outcome.traces)
    if outcome.broken:
        raise BenchError(
            f"{counted(len(outcome.broken), 'step')} could not be made: {next(iter(outcome.broken.values()))}"
        )


def job_id() -> str:
    """Of the job that this process belongs to: '17', or '17_3' in an array."""
    array, index = (os.environ.get(f"SLURM_ARRAY_{name}_ID") for name in ("JOB", "TASK"))
    return f"{array}_{index}" if array else os.environ.get("SLURM_JOB_ID", "0")
