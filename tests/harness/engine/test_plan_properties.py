"""For any plan and any set of finished steps: what runs is exactly what is missing, once, in a valid order.

Real plans and a real store, but steps that only write their name, and finish in any order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import BrokenExecutor, Future
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rich.console import Console

from benchmarks.mini.concepts import MiniConcepts
from harness import registry
from harness.engine import runner
from harness.engine.devices import Slot, make_slots
from harness.engine.display import QuietDisplay
from harness.engine.plan import CellRequest, Plan, RunContext, Step
from harness.errors import OutOfMemoryError
from harness.spec import Benchmark, Tier
from harness.store.store import Store

BENCHMARK = Benchmark(name="b", title="t", summary="s", sources={"mini": MiniConcepts(people=2, waterfalls=1)})
TIER = Tier(name="mini", summary="", backbone="x", extractor="y", resolution=64)
SETTING = RunContext(TIER, TIER.sampling, "x", "x", "hash-b", "y", "hash-e", "cpu", "float32")
# tokens alone, sequential, and with class images: sequential, alone (which the merge shares), merged
METHODS = ("ti++", "stamina", "cd", "ub", "cd-merge")
WANTED = ("score", "real", "generate", "compose")  # the figures, and what a report shows
EXAMPLES = settings().max_examples // 2

whatever: Callable[[Callable[..., None]], Callable[..., None]] = given(
    cells=st.lists(st.tuples(st.sampled_from(METHODS), st.integers(0, 1)), min_size=1, max_size=3, unique=True),
    tasks=st.integers(1, 3),
    order=st.integers(0, 2),
    full_matrix=st.booleans(),
    share=st.sampled_from((0.0, 0.3, 0.6, 0.9, 1.0)),
    jobs=st.integers(1, 4),
    dice=st.randoms(use_true_random=True),
)


def make_plan(cells: Collection[tuple[str, int]], tasks: int, order: int, full_matrix: bool) -> Plan:
    """Cells of these methods and seeds."""
    made, benchmark = Plan(SETTING), BENCHMARK.shuffled(order)
    for name, seed in cells:
        plugin = registry.methods().get(name)
        learner = registry.methods().get(plugin.base_method) if plugin.base_method else None
        options, first = plugin.options_class.for_tier("paper"), benchmark.tasks("mini")[:tasks]
        made.add_cell(CellRequest(benchmark, first, 3, name, plugin, options, seed, learner, full_matrix))
    return made


def missing(plan: Plan, done: Collection[str]) -> set[str]:
    """What is not done and either wanted for itself or a parent of what is missing: from each step upwards."""

    shown = {key for cell in plan.cells for key in cell.shown}  # of real images those that figures are measured against

    @cache
    def lacking(key: str) -> bool:
        users = [step.key for step in plan.steps.values() if key in step.parents]
        wanted = key in shown if plan.steps[key].kind == "real" else plan.steps[key].kind in WANTED
        return key not in done and (wanted or any(map(lacking, users)))

    return {key for key in plan.steps if lacking(key)}


def held_up(plan: Plan, todo: Collection[str], failing: str) -> set[str]:
    """The failing step, and all to be made that builds on it: a fix-point over the whole plan."""
    found = {failing}
    while more := {key for key in todo if key not in found and found & set(plan.steps[key].parents)}:
        found |= more
    return found


@contextmanager
def a_store(plan: Plan, done: Collection[str]) -> Iterator[Store]:
    """A store with some of the plan's steps; no power is cut here, so nothing waits for the disk."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        store = Store(Path(folder))
        for key in done:
            commit(store, plan.steps[key])
        yield store


def commit(store: Store, step: Step) -> None:
    with store.commit(step.key, step.recipe) as folder:
        (folder / "label.txt").write_text(step.label)


def in_store(plan: Plan, store: Store) -> set[str]:
    """What another process would find."""
    return {key for key in plan.steps if Store(store.root).get(key) is not None}


class ShuffledExecutor:
    """Keeps steps in hand until the runner waits, and then finishes some of them, in any order.

    `failing` is the key of a step that fails; `deaths` is how many workers die, busy or idle, at any moment;
    `shortages` how often a step has too little memory.
    """

    def __init__(
        self, plan: Plan, store: Store, jobs: int, dice: Random, failing: str = "", deaths: int = 0, shortages: int = 0
    ) -> None:
        self.plan, self.store, self.dice = plan, store, dice
        self.slots = make_slots(["cpu"], jobs)
        self.failing, self.deaths, self.shortages = failing, deaths, shortages
        self.started: list[str] = []
        self.after_failure: list[str] = []
        self.in_hand: dict[Slot, tuple[Future[float], Step]] = {}
        self.dead: set[Slot] = set()
        self.cramped: set[str] = set()  # steps that had too little memory, until they start again
        self.failed = self.closed = False
        self.restarts = self.lost = 0

    def submit(self, step: Step, slot: Slot) -> Future[float]:
        assert slot not in self.in_hand, "two workers on one slot"
        if slot in self.dead:
            raise BrokenExecutor
        assert step.key not in self.cramped or not self.in_hand, "what had too little memory has company"
        assert not {held.key for _, held in self.in_hand.values()} & self.cramped - {step.key}
        work = repr(step.work)
        opened = {key for key in self.plan.steps if key in step.parents or key in work}
        found = {key for key in opened if Store(self.store.root).get(key) is not None}
        assert found == opened, f"{step.label} starts before what it opens is there"
        self.started.append(step.key)
        if self.failed:
            self.after_failure.append(step.key)
        future: Future[float] = Future()
        self.in_hand[slot] = future, step
        return future

    def wait(self, futures: Collection[Future[float]], **how: Any) -> Any:
        """Stands in for `concurrent.futures.wait`."""
        if self.deaths and self.dice.random() < 0.3:
            self.die(self.dice.choice(self.slots))
        for slot in self.dice.sample(list(self.in_hand), min(len(self.in_hand), self.dice.randint(1, 4))):
            self.finish(slot)
        return wait_for(futures, **how)

    def finish(self, slot: Slot) -> None:
        future, step = self.in_hand.pop(slot)
        if step.key == self.failing:
            self.failed = True
            future.set_exception(RuntimeError("made to fail"))
        elif self.shortages and step.key not in self.cramped and self.dice.random() < 0.3:
            self.shortages -= 1
            self.cramped.add(step.key)
            future.set_exception(OutOfMemoryError("out of memory"))
        else:
            self.cramped.discard(step.key)
            commit(self.store, step)
            future.set_result(0.0)

    def die(self, slot: Slot) -> None:
        """A worker is lost with its step, which may be in the store already."""
        if slot in self.dead:
            return
        self.deaths -= 1
        self.dead.add(slot)
        if slot in self.in_hand:
            future, step = self.in_hand.pop(slot)
            self.lost += 1
            if self.dice.random() < 0.3 and step.key != self.failing:
                commit(self.store, step)
            future.set_exception(BrokenExecutor())

    def restart(self, slot: Slot) -> None:
        assert slot in self.dead, "a worker that lives is not replaced"
        self.dead.remove(slot)
        self.restarts += 1

    def close(self, *, kill: bool = False) -> None:
        self.closed = not kill

    def carry_out(self, *, keep_going: bool = False) -> runner.Outcome:
        """The run, as another process would start it."""
        store, display = Store(self.store.root), QuietDisplay(Console(quiet=True))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runner, "wait", self.wait)
            progress = runner.check(self.plan, store)
            outcome = runner.run(self.plan, store, self, progress, display, keep_going=keep_going)
        assert self.closed
        assert not self.in_hand
        assert sorted(step.key for step in (*progress.cached, *progress.pending)) == sorted(self.plan.steps)
        return outcome


def some(plan: Plan, share: float, dice: Random) -> set[str]:
    """Any steps, finished ones: not always those that finish first."""
    return {key for key in plan.steps if dice.random() < share}


@whatever
@settings(max_examples=EXAMPLES)
def test_what_is_missing_runs_once_and_after_its_parents(
    cells: list[tuple[str, int]], tasks: int, order: int, full_matrix: bool, share: float, jobs: int, dice: Random
) -> None:
    plan = make_plan(cells, tasks, order, full_matrix)
    done = some(plan, share, dice)
    todo = missing(plan, done)
    with a_store(plan, done) as store:
        executor = ShuffledExecutor(plan, store, jobs, dice)
        outcome = executor.carry_out()
        assert sorted(executor.started) == sorted(todo)
        assert (outcome.executed, len(outcome.done), outcome.failed) == (len(todo), len(cells), {})
        assert in_store(plan, store) == done | todo
        assert not missing(plan, done | todo)
        assert not runner.check(plan, Store(store.root)).pending


@whatever
@settings(max_examples=EXAMPLES)
def test_a_failure_holds_up_what_builds_on_it_until_the_next_run(
    cells: list[tuple[str, int]], tasks: int, order: int, full_matrix: bool, share: float, jobs: int, dice: Random
) -> None:
    plan = make_plan(cells, tasks, order, full_matrix)
    done = some(plan, share, dice)
    todo = missing(plan, done)
    assume(todo)
    failing = dice.choice([key for key in plan.steps if key in todo])  # the same choice whatever the keys
    blocked, keep_going = held_up(plan, todo, failing), dice.random() < 0.5
    with a_store(plan, done) as store:
        executor = ShuffledExecutor(plan, store, jobs, dice, failing)
        outcome = executor.carry_out(keep_going=keep_going)
        assert len(executor.started) == len(set(executor.started))
        assert blocked & set(executor.started) == {failing}
        if keep_going:
            assert set(executor.started) == todo - blocked | {failing}
        else:
            assert executor.after_failure == []
        made = set(executor.started) - {failing}
        assert outcome.executed == len(made)
        assert in_store(plan, store) == done | made
        for cell in plan.cells:
            lacking = {cell.score, *cell.shown} - done - made
            label = f"{cell.method} seed {cell.seed}"
            if blocked & lacking:
                assert outcome.failed[label] == "made to fail"
            elif lacking:
                assert outcome.failed[label] in ("made to fail", "not finished")
            else:
                assert cell in outcome.done
                assert label not in outcome.failed
        again = ShuffledExecutor(plan, store, jobs, dice)
        outcome = again.carry_out()
        assert sorted(again.started) == sorted(todo - made)
        assert (len(outcome.done), outcome.failed) == (len(cells), {})
        assert in_store(plan, store) == done | todo


@whatever
@settings(max_examples=EXAMPLES)
def test_a_worker_that_dies_costs_only_its_own_step(
    cells: list[tuple[str, int]], tasks: int, order: int, full_matrix: bool, share: float, jobs: int, dice: Random
) -> None:
    plan = make_plan(cells, tasks, order, full_matrix)
    done = some(plan, share, dice)
    todo = missing(plan, done)
    deaths = dice.randint(1, runner.RETRIES)
    with a_store(plan, done) as store:
        executor = ShuffledExecutor(plan, store, jobs, dice, deaths=deaths)
        outcome = executor.carry_out()
        assert executor.restarts == deaths - executor.deaths - len(executor.dead)  # who dies idle, unneeded, stays dead
        assert set(executor.started) == todo
        assert len(executor.started) == len(todo) + executor.lost  # what was lost is done again once, all else once
        assert (outcome.executed, len(outcome.done), outcome.failed) == (len(todo), len(cells), {})
        assert in_store(plan, store) == done | todo


@whatever
@settings(max_examples=EXAMPLES)
def test_what_ran_out_of_memory_is_done_again_alone(
    cells: list[tuple[str, int]], tasks: int, order: int, full_matrix: bool, share: float, jobs: int, dice: Random
) -> None:
    plan = make_plan(cells, tasks, order, full_matrix)
    done = some(plan, share, dice)
    todo = missing(plan, done)
    shortages = dice.randint(1, runner.RETRIES)
    with a_store(plan, done) as store:
        executor = ShuffledExecutor(plan, store, jobs, dice, shortages=shortages)
        outcome = executor.carry_out()
        assert set(executor.started) == todo
        assert len(executor.started) == len(todo) + shortages - executor.shortages
        assert (outcome.executed, len(outcome.done), outcome.failed) == (len(todo), len(cells), {})
