"""Walks a plan: skips what the store has, hands the rest to an executor, most urgent first, and reports progress."""

from __future__ import annotations

import os
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, field
from typing import Protocol

from harness.display import Display
from harness.errors import StoreError
from harness.plan import NOMINAL, Cell, Plan, Step
from harness.store import Store

DIED = "a worker process died, out of memory perhaps; run again, with fewer --jobs"


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type's name."""
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__


class Executor(Protocol):
    """Where steps run."""

    jobs: int

    def submit(self, step: Step) -> Future[float]:
        """Run a step; the future gives its seconds."""
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


def run(
    plan: Plan, store: Store, executor: Executor, progress: Progress, display: Display, *, keep_going: bool
) -> Outcome:
    """Make every pending step.

    A failed step fails the cells that need it. Without `keep_going` nothing new starts after the first failure; with
    it the other cells go on. Ctrl-C kills the workers: the steps in hand are discarded, everything committed stays.
    """
    outcome = Outcome()
    missing = {
        step.key: {p for p in step.parents if p in {s.key for s in progress.pending}} for step in progress.pending
    }
    by_key = {step.key: step for step in progress.pending}
    users: dict[str, list[str]] = {}
    for key, parents in missing.items():
        for parent in parents:
            users.setdefault(parent, []).append(key)
    ready = sorted((s for s in progress.pending if not missing[s.key]), key=lambda s: s.priority, reverse=True)
    running: dict[Future[float], Step] = {}
    broken: dict[str, str] = {}

    def fail(key: str, message: str) -> None:
        stack = [key]
        while stack:
            current = stack.pop()
            if current not in broken:
                broken[current] = message
                stack.extend(users.get(current, []))

    display.start(plan, store, progress.cached)
    killed = True
    made, whole = 0.0, sum(NOMINAL[step.kind][0] for step in progress.pending)
    try:
        while ready or running:
            stopping = bool(broken) and not keep_going
            while ready and len(running) < executor.jobs and not stopping:
                step = ready.pop()
                if step.key in broken:
                    continue
                try:
                    running[executor.submit(step)] = step
                except BrokenExecutor:
                    outcome.blocked = outcome.blocked or DIED
                    for waiting in [step, *ready]:
                        fail(waiting.key, DIED)
                    ready.clear()
            if not running:
                break
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                step = running.pop(future)
                error = future.exception()
                if error is not None:
                    message = DIED if isinstance(error, BrokenExecutor) else first_line(error)
                    if isinstance(error, BrokenExecutor | StoreError | OSError):
                        outcome.blocked = outcome.blocked or message
                    display.note(f"failed: {step.label}: {message}")
                    fail(step.key, message)
                    continue
                outcome.executed += 1
                made += NOMINAL[step.kind][0]
                display.step_done(step, future.result(), made / whole)
                for user in users.get(step.key, []):
                    missing[user].discard(step.key)
                    if not missing[user] and user not in broken:
                        ready.append(by_key[user])
            ready.sort(key=lambda s: s.priority, reverse=True)
        killed = False
    finally:
        display.stop()
        executor.close(kill=killed)
    for cell in plan.cells:
        errors = [broken[key] for key in cell.steps if key in broken]
        if errors or store.get(cell.score) is None:
            outcome.errors[cell.score] = errors[0] if errors else "not finished"
            outcome.failed[f"{cell.method} seed {cell.seed}"] = outcome.errors[cell.score]
        else:
            outcome.done.append(cell)
    return outcome
