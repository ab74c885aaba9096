"""What workers gain, and what scheduling costs, as ratios within one run; printed, not asserted."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
import torch
from rich.console import Console
from tests_support import InlineExecutor

from harness import api
from harness.engine.devices import Slot, make_slots
from harness.engine.display import QuietDisplay
from harness.engine.plan import Step
from harness.engine.runner import Executor, Progress, run
from harness.executors.local import LocalExecutor
from harness.spec import MethodSpec, RunSpec

TURNS = 3


class Lasting(LocalExecutor):
    """Workers that outlive a run, so that their start is not in its time."""

    def close(self, *, kill: bool = False) -> None:
        pass

    def end(self) -> None:
        super().close()


class TwoThreads(InlineExecutor):
    """Steps in this process by two threads; a run's own steps take one."""

    def submit(self, step: Step, slot: Slot) -> object:  # type: ignore[override]
        with pytest.MonkeyPatch.context() as patch:
            torch.set_num_threads(2)
            patch.setattr(torch, "set_num_threads", lambda count: None)
            return super().submit(step, slot)


def prepared(output: Path) -> api.Prepared:
    methods = tuple(MethodSpec(name=name, changes={"steps": 30}) for name in ("stamina", "clora", "ti++"))
    return api.prepare(RunSpec(benchmark="mixed50", methods=methods, tasks=(1,), output=output))


def timed(made: api.Prepared, executor: Executor, pending: list[Step]) -> float:
    started = time.perf_counter()
    outcome = run(made.plan, made.store, executor, Progress([], pending), QuietDisplay(Console()), keep_going=False)
    assert not outcome.failed
    return time.perf_counter() - started


def test_workers_threads_and_the_cost_of_scheduling(tmp_path: Path) -> None:
    first = prepared(tmp_path / "first")
    steps = list(first.plan.steps.values())
    pools = {count: Lasting(first.plan.context, first.store.root, make_slots(["cpu"], count)) for count in (1, 2)}
    contenders: dict[str, Callable[[Path], float]] = {}

    def with_pool(count: int) -> Callable[[Path], float]:
        def work(output: Path) -> float:
            made = prepared(output)
            pools[count].root = made.store.root
            return timed(made, pools[count], made.progress.pending)

        return work

    def with_threads(output: Path) -> float:
        made = prepared(output)
        return timed(made, TwoThreads(made.plan.context, made.store.root), made.progress.pending)

    contenders = {
        "one worker, one thread": with_pool(1), "one worker, two threads": with_threads, "two workers": with_pool(2)
    }  # fmt: skip
    for name, work in contenders.items():  # models are loaded, code is warm
        work(tmp_path / f"warm {name}")
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(TURNS):
        for name, work in contenders.items():
            taken[name].append(work(tmp_path / f"{turn} {name}"))
    base = taken["one worker, one thread"]
    print()
    for name, seconds in taken.items():
        ratios = [one / this for one, this in zip(base, seconds, strict=True)]
        print(
            f"{name}: {median(seconds):.1f} s, {median(ratios):.2f} times as fast ({min(ratios):.2f}-{max(ratios):.2f})"
        )

    # steps that are made already: what is left is choosing, handing over, locking and looking up
    made = prepared(tmp_path / "0 two workers")
    pools[2].root = made.store.root
    gaps = [timed(made, pools[2], steps) * 2 / len(steps) for _ in range(TURNS)]
    share = median(gaps) * len(steps) / 2 / median(taken["two workers"])
    print(f"between two steps of a worker: {median(gaps) * 1e3:.1f} ms, {share:.2%} of this run")
    for pool in pools.values():
        pool.end()
