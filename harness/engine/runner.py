"""Walks a plan: skips what the store has, hands the rest to an executor, most urgent first, and reports progress."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, field
from typing import Protocol

from harness.engine.devices import Slot, by_choice
from harness.engine.display import Display
from harness.engine.plan import Cell, Plan, Step
from harness.engine.schedule import Schedule
from harness.errors import MachineError, OutOfMemoryError, StoreError, UnwritableError, first_line
from harness.store.store import Store

DIED = "its worker process died again and again, out of memory perhaps; run again, with fewer --jobs"
DIED_EARLY = (
    "its worker process died again and again while it was starting, out of memory perhaps; run again, with fewer "
    "--jobs, and see `stamina-bench doctor`"
)
NOT_FINISHED = "not finished"  # of a cell that another one's failure kept from being made
RETRIES = 2  # of a step whose worker died, or that ran out of memory


class Executor(Protocol):
    """Where steps run."""

    @property
    def slots(self) -> Sequence[Slot]:
        """Where workers are, at most one in each."""
        ...

    def submit(self, step: Step, slot: Slot) -> Future[float]:
        """Run a step in a free slot; the future gives its seconds."""
        ...

    def restart(self, slot: Slot) -> bool:
        """A new worker in a slot whose worker has died; whether that one died while it was starting, before any step.

        Raises:
            MachineError: no worker can be started.
        """
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
    broken: dict[str, str] = field(default_factory=dict)  # key of a failed step, or of one that needs it -> first error
    traces: dict[str, str] = field(default_factory=dict)  # key of a failed step, then of its cell's score -> traceback


def check(plan: Plan, store: Store) -> Progress:
    """Sort the plan's steps into those the store has and those to be made.

    A missing step whose every user is in the store is not made again: nothing needs it.
    """
    wanted = [cell.score for cell in plan.cells]
    wanted += [key for cell in plan.cells for key in cell.beside]
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


@dataclass
class _Walk:
    """One run under way: which step is in which slot, what was lost, what ran out of memory."""

    plan: Plan
    store: Store
    executor: Executor
    schedule: Schedule
    display: Display
    outcome: Outcome
    expected: Mapping[str, float]  # key -> seconds
    running: dict[Future[float], tuple[Step, Slot]] = field(default_factory=dict)
    tries: Counter[str] = field(default_factory=Counter)
    crowded: dict[str, list[Step]] = field(default_factory=dict)  # device -> steps that wait to have it for themselves
    large: set[str] = field(default_factory=set)  # keys of steps that had too little memory beside others
    made: float = 0.0

    def __post_init__(self) -> None:
        self.device_type = self.plan.context.device_type
        self.whole = sum(self.expected.values())

    def fill(self) -> None:
        """Give each free slot the most urgent step that it can make."""
        taken = {slot for _, slot in self.running.values()}
        for slot in by_choice(self.executor.slots, self.device_type):
            while slot not in taken and (step := self.next_for(slot)) is not None:
                if self.start(step, slot):
                    taken.add(slot)

    def next_for(self, slot: Slot) -> Step | None:
        beside = {step.key for step, other in self.running.values() if other.device == slot.device}
        if beside & self.large:
            return None
        if self.crowded.get(slot.device):
            return None if beside else self.crowded[slot.device].pop(0)
        return self.schedule.take(lambda step: slot.serves(step.anywhere, self.device_type))

    def start(self, step: Step, slot: Slot) -> bool:
        """False if the slot's worker turns out to be dead."""
        try:
            self.running[self.executor.submit(step, slot)] = (step, slot)
        except BrokenExecutor:
            self.lose(step, slot)
            return False
        self.display.step_started(step, slot.name)
        return True

    def settle(self, future: Future[float]) -> tuple[Step, Slot] | None:
        """Count a future that is done; gives its step if that was made."""
        step, slot = self.running.pop(future)
        error = future.exception()
        if error is None:
            self.outcome.executed += 1
            self.schedule.done(step)
            return step, slot
        if isinstance(error, BrokenExecutor):
            self.lose(step, slot)
        elif isinstance(error, MachineError):  # no other step would fare better
            raise error
        elif isinstance(error, OutOfMemoryError) and self.try_again(step):
            self.display.note(f"{step.label}: out of memory on {slot.device}; it is done again with nothing beside it")
            self.large.add(step.key)
            self.crowded.setdefault(slot.device, []).append(step)
        else:
            self.outcome.unwritable = self.outcome.unwritable or isinstance(error, UnwritableError)
            if trace := getattr(error, "trace", ""):
                self.outcome.traces[step.key] = trace
            self.fail(step, first_line(error), blocked=isinstance(error, StoreError | OSError))
        return None

    def lose(self, step: Step, slot: Slot) -> None:
        """A new worker in the slot whose worker died, and its step once more."""
        early = self.executor.restart(slot)
        if self.try_again(step):
            when = "while it was starting" if early else "out of memory perhaps"
            then = "another one starts" if early else "its step is done again"
            self.display.note(f"The worker on {slot.name} died, {when}; {then}.")
            self.schedule.again(step)
        else:
            self.fail(step, DIED_EARLY if early else DIED, blocked=True)

    def try_again(self, step: Step) -> bool:
        self.tries[step.key] += 1
        return self.tries[step.key] <= RETRIES

    def fail(self, step: Step, message: str, *, blocked: bool) -> None:
        if blocked:
            self.outcome.blocked = self.outcome.blocked or message
        self.display.note(f"failed: {step.label}: {message}")
        self.schedule.fail(step, message)

    def tell(self, step: Step, slot: Slot, seconds: float) -> None:
        self.made += self.expected[step.key]
        self.display.step_done(step, slot.name, seconds, self.made / self.whole if self.whole else 1.0)
        for note in self.store.notes(step.key):
            self.display.note(f"{step.label}: {note}")


def run(
    plan: Plan, store: Store, executor: Executor, progress: Progress, display: Display, *, keep_going: bool,
    seconds: Mapping[str, float] | None = None,
) -> Outcome:  # fmt: skip
    """Make every pending step.

    A failed step fails the cells that need it. Without `keep_going` nothing new starts after the first failure; with
    it all that does not depend on it goes on, unless the results folder cannot be written. What can pass is tried
    again, `RETRIES` times at most: the step of a worker that died, and one that ran out of memory, then with nothing
    beside it on its device. Ctrl-C kills the workers: the steps in hand are discarded, everything committed stays.

    Args:
        seconds: what steps are expected to take, by key: the longest chains start first.

    Raises:
        MachineError: no worker can be started, or what steps need cannot be imported; what is done is kept.
    """
    outcome = Outcome()
    known = seconds or {}
    expected = {step.key: known.get(step.key) or step.nominal_seconds for step in progress.pending}
    schedule = Schedule(progress.pending, expected)
    walk = _Walk(plan, store, executor, schedule, display, outcome, expected)
    made: list[tuple[Step, Slot, float]] = []
    display.start(plan, store, progress.cached)
    killed = True
    try:
        while True:
            if not schedule.broken or (keep_going and not outcome.unwritable):
                walk.fill()
            for step, slot, taken in made:  # only now: a slot should not wait for what is told of the last step
                walk.tell(step, slot, taken)
            if not walk.running:
                break
            finished, _ = wait(walk.running, return_when=FIRST_COMPLETED)
            made = [(*settled, future.result()) for future in finished if (settled := walk.settle(future))]
        killed = False
    finally:
        display.stop()
        executor.close(kill=killed)
    outcome.broken = dict(schedule.broken)
    conclude(outcome, plan, store, progress.pending)
    return outcome


def conclude(outcome: Outcome, plan: Plan, store: Store, pending: Iterable[Step]) -> None:
    """Tell which cells are done and which failed, now that no step is made any more."""
    asked_for = {step.key for step in pending}
    for cell in plan.cells:
        # a step that failed for another cell is no matter to one that has all that it was asked for
        asked = [cell.score, *(key for key in cell.beside if key in asked_for)]
        if all(store.get(key) is not None for key in asked):
            outcome.done.append(cell)
            continue
        errors = [outcome.broken[key] for key in cell.steps if key in outcome.broken]
        outcome.errors[cell.score] = errors[0] if errors else NOT_FINISHED
        if traces := [outcome.traces[key] for key in cell.steps if key in outcome.traces]:
            outcome.traces[cell.score] = traces[0]
        outcome.failed[f"{cell.name} seed {cell.seed}"] = outcome.errors[cell.score]
