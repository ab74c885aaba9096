"""Waits for a cluster's jobs and tells of their progress, as the runner tells of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.api import Prepared
from harness.engine.display import Display
from harness.engine.runner import Outcome, conclude
from harness.executors.job_records import Ledger, Queued, failure, logs
from harness.executors.slurm import queue

EVERY_S = 5.0
PATIENCE = 12  # times that, for what a network file system shows late


def watch(
    prepared: Prepared, run_file: Path, ledger: Ledger, display: Display, *, every_s: float = EVERY_S,
    ask: Callable[[Sequence[str]], Mapping[str, Queued]] = queue,
) -> Outcome:  # fmt: skip
    """Follow a run's jobs until none is queued.

    Args:
        ask: what Slurm has in its queue.
    """
    plan, store = prepared.plan, prepared.store
    left = {step.key: step for step in prepared.progress.pending}
    expected = {key: step.nominal_seconds for key, step in left.items()}
    whole, done = sum(expected.values()) or 1.0, 0.0
    job_of = {key: job for job in ledger.jobs for key in job.steps}
    outcome = Outcome()
    display.start(plan, store, prepared.progress.cached)
    try:
        queued = True
        while left:
            over = not queued  # looked at once more: the last steps may be seen late
            missing = set(store.wait_for(left, PATIENCE * every_s if over else 0.0))
            for key in [key for key in left if key not in missing]:
                step = left.pop(key)
                outcome.executed += 1
                done += expected[key]
                display.step_done(step, f"job {job_of[key].id}" if key in job_of else "", 0.0, done / whole)
            if over or not left:
                break
            queued = bool(ask(ledger.ids))
            time.sleep(every_s)
    finally:
        display.stop()
    for job in ledger.jobs:
        lacking = [key for key in job.steps if key in left]
        if lacking:
            told = failure(run_file, job)
            log = logs(run_file) / job.log
            ended = f"its job {job.id} " + (f"ended without it; see {log}" if log.exists() else "never started")
            outcome.broken |= {key: told.get(key, ended) for key in lacking}
    conclude(outcome, plan, store, prepared.progress.pending)
    return outcome
