"""Walks a plan: skips what the store has, hands the rest to an executor, most urgent first, and reports progress."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, field
from typing import Protocol

from harness.display import Display
from harness.errors import StoreError, UnwritableError, first_line
from harness.plan import NOMINAL, Cell, Plan, Step
from harness.store import Store

DIED = "its worker process died again and again, out of memory perhaps; run again, with fewer --jobs"
RETRIES = 2  # of a step whose worker died


class Executor(Protocol):
    """Where steps run."""

    jobs: int

    def submit(self, step: Step) -> Future[float]:
        """Run a step; the future gives its seconds."""
        ...

    def restart(self) -> None:
        """New workers, after one has died."""
        ...

    def close(self, *, kill: bool = False) -> None:
        """Release all workers; with `kill`, at once."""
        ...


@dataclass
class Progress:
    """Which steps of a plan the store has."""

    cached: list[Step]
    pending: list[Step]


@dataclass
class Outcome:
    """What a run came to."""

    done: list[Cell] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)  # cell label -> first error
    executed: int = 0
    errors: dict[str, str] = field(default_factory=dict)  # key of a failed cell's score -> first error
    blocked: str = ""  # the first error that no cell is to blame for: a worker died, the disk is full
    unwritable: bool = False  # whether the results folder could not be written


def check(plan: Plan, store: Store) -> Progress:
    """Sort the plan's steps into those the store has and those to be made.

    A missing step whose every user is in the store is not made again: nothing needs it.
    """
    wanted = [cell.score for cell in plan.cells]
    wanted += [key for cell in plan.cells for key in cell.shown]
    needed: dict[str, bool] = {}
    while wanted:
        key = wanted.pop()
        if key in needed:
            continue
        needed[key] = store.get(key) is None
        if needed[key]:
            wanted.extend(plan.steps[key].parents)
    pending = [step for key, step in plan.steps.items() if needed.get(key)]
    cached = [step for key, step in plan.steps.items() if not needed.get(key, False)]
    return Progress(cached, pending)


def default_jobs(devices: list[str]) -> int:
    """One worker a GPU; on a CPU one a core, and no more than eight, as each holds the model."""
    if devices[0] != "cpu":
        return len(devices)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(8, cores))


class _Schedule:
    """Which pending steps can start, in the order of their priority; what depends on a failed one never can."""

    def __init__(self, pending: Sequence[Step]) -> None:
        self.by_key = {step.key: step for step in pending}
        self.missing = {step.key: {p for p in step.parents if p in self.by_key} for step in pending}
        self.broken: dict[str, str] = {}  # key -> the first error on which it depends
        self.ready = [step for step in pending if not self.missing[step.key]]
        self.users: dict[str, list[str]] = {}
        for key, parents in self.missing.items():
            for parent in parents:
                self.users.setdefault(parent, []).append(key)

    def take(self) -> Step | None:
        """The most urgent step that can start, or None."""
        self.ready = [step for step in self.ready if step.key not in self.broken]
        if not self.ready:
            return None
        step = min(self.ready, key=lambda s: s.priority)
        self.ready.remove(step)
        return step

    def done(self, step: Step) -> None:
        """Its users may start now."""
        for user in self.users.get(step.key, []):
            self.missing[user].discard(step.key)
            if not self.missing[user]:
                self.ready.append(self.by_key[user])

    def again(self, step: Step) -> None:
        """It was lost, and shall start once more."""
        self.ready.append(step)

    def fail(self, step: Step, message: str) -> None:
        """Neither it nor what depends on it will start."""
        stack = [step.key]
        while stack:
            key = stack.pop()
            if key not in self.broken:
                self.broken[key] = message
                stack.extend(self.users.get(key, []))


def run(
    plan: Plan, store: Store, executor: Executor, progress: Progress, display: Display, *, keep_going: bool
) -> Outcome:
    """Make every pending step.

    A failed step fails the cells that need it. Without `keep_going` nothing new starts after the first failure; with
    it the other cells go on, unless the results folder cannot be written. The steps of a worker that died are done
    again, `RETRIES` times at most. Ctrl-C kills the workers: the steps in hand are discarded, everything committed
    stays.
    """
    outcome = Outcome()
    schedule = _Schedule(progress.pending)
    running: dict[Future[float], Step] = {}
    losses: Counter[str] = Counter()
    made, whole = 0.0, sum(NOMINAL[step.kind][0] for step in progress.pending)

    def settle(future: Future[float], step: Step) -> bool:
        """Count a finished step; False if it was lost with its worker."""
        nonlocal made
        error = future.exception()
        if isinstance(error, BrokenExecutor):
            return False
        if error is not None:
            outcome.unwritable = outcome.unwritable or isinstance(error, UnwritableError)
            fail(step, first_line(error), blocked=isinstance(error, StoreError | OSError))
            return True
        outcome.executed += 1
        made += NOMINAL[step.kind][0]
        display.step_done(step, future.result(), made / whole)
        for note in store.notes(step.key):
            display.note(f"{step.label}: {note}")
        schedule.done(step)
        return True

    def fail(step: Step, message: str, *, blocked: bool) -> None:
        if blocked:
            outcome.blocked = outcome.blocked or message
        display.note(f"failed: {step.label}: {message}")
        schedule.fail(step, message)

    def recover(lost: list[Step]) -> None:
        """New workers for those that died, and the steps in hand once more."""
        everything = [*lost, *(step for future, step in running.items() if not settle(future, step))]
        running.clear()
        executor.restart()
        display.note(f"A worker process died, out of memory perhaps; {len(everything)} steps in hand are done again.")
        for step in everything:
            losses[step.key] += 1
            if losses[step.key] <= RETRIES:
                schedule.again(step)
            else:
                fail(step, DIED, blocked=True)

    display.start(plan, store, progress.cached)
    killed = True
    try:
        while True:
            stopping = bool(schedule.broken) and (not keep_going or outcome.unwritable)
            while len(running) < executor.jobs and not stopping and (step := schedule.take()) is not None:
                try:
                    running[executor.submit(step)] = step
                except BrokenExecutor:
                    recover([step])
            if not running:
                break
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            lost = [step for future in finished if not settle(future, step := running.pop(future))]
            if lost:
                recover(lost)
        killed = False
    finally:
        display.stop()
        executor.close(kill=killed)
    for cell in plan.cells:
        # a step that failed for another cell is no matter to one that has all that it was asked for
        asked = [cell.score, *(key for key in cell.shown if key in schedule.by_key)]
        if all(store.get(key) is not None for key in asked):
            outcome.done.append(cell)
            continue
        errors = [schedule.broken[key] for key in cell.steps if key in schedule.broken]
        outcome.errors[cell.score] = errors[0] if errors else "not finished"
        outcome.failed[f"{cell.method} seed {cell.seed}"] = outcome.errors[cell.score]
    return outcome
