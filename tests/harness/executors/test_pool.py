"""Real worker processes: whatever their number, and whoever of them is killed, the store holds the same bytes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from tests_support import InlineExecutor
from torture import alive

from harness import api
from harness.engine.devices import Slot, make_slots
from harness.engine.display import QuietDisplay
from harness.engine.plan import Plan, RunContext, Step
from harness.engine.runner import Executor, Outcome, check, run
from harness.executors.local import HASH_SEED, LocalExecutor, _starting
from harness.spec import MethodSpec, RunSpec
from harness.store.store import MANIFEST, Store

PATIENCE_S = 60.0  # by then something that should happen has not


def until(happens: Callable[[], bool]) -> None:
    """Wait for something.

    Raises:
        AssertionError: it does not happen.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def pids(executor: LocalExecutor) -> dict[str, set[int]]:
    """Of each slot's name the process of its worker, if it has one."""
    return {slot.name: set(pool._processes or ()) for slot, pool in executor._pools.items()}


def kill(executor: LocalExecutor, slot: Slot) -> int:
    """Kill the worker of a slot, and wait until it is gone."""
    ((pid, process),) = executor._pools[slot]._processes.items()
    os.kill(pid, signal.SIGKILL)
    until(lambda: not process.is_alive())
    return pid


class Watching(QuietDisplay):
    """Keeps the notes, and which steps were given to which slot; `started` is called at each."""

    def __init__(self, started: Callable[[Step, str], None] = lambda step, slot: None) -> None:
        super().__init__(Console(quiet=True))
        self.started, self.notes, self.given = started, list[str](), list[tuple[str, str]]()

    def step_started(self, step: Step, slot: str) -> None:
        self.given.append((step.key, slot))
        self.started(step, slot)

    def note(self, message: str) -> None:
        self.notes.append(message)


def spec(models: Path, output: Path) -> RunSpec:
    """Two tasks of mixed50 with the tiny models."""
    return RunSpec(
        benchmark="mixed50", methods=(MethodSpec(name="stamina", changes={"steps": 8, "batch_size": 2}),),
        backbone=str(models / "sd"), extractor=str(models / "clip"), tasks=(1, 2),
        sampling={"steps": 1, "images": 2}, output=output,
    )  # fmt: skip


def carry_out(plan: Plan, root: Path, executor: Executor, display: Watching) -> Outcome:
    store = Store(root)
    return run(plan, store, executor, check(plan, store), display, keep_going=False)


def content(root: Path) -> dict[str, bytes]:
    """Every file of the store's steps but the manifests, which hold seconds, too."""
    files = [path for path in (root / "steps").rglob("*") if path.is_file() and path.name != MANIFEST]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def assert_as(expected: dict[str, bytes], plan: Plan, root: Path) -> None:
    """The store is the undisturbed one, and nothing is left over in it."""
    found = content(root)
    assert {name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)} == set()
    assert {path.name for path in (root / "steps").glob("*/*")} == set(plan.steps)
    assert not list((root / "locks").iterdir())
    assert not list((root / "checkpoints").glob("*"))


@pytest.fixture(scope="module")
def plan(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return api.prepare(spec(tiny_models, tmp_path_factory.mktemp("planned"))).plan


@pytest.fixture(scope="module")
def sequential(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the store holds after a run in this process, one step after the other."""
    import torch

    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("sequential")
    outcome = carry_out(plan, root, InlineExecutor(plan.context, root), Watching())
    assert not outcome.failed
    return content(root)


@pytest.mark.parametrize("workers", [2, pytest.param(4, marks=pytest.mark.thorough)])
def test_several_workers_make_the_same_bytes_as_one_after_the_other(
    plan: Plan, sequential: dict[str, bytes], tmp_path: Path, workers: int
) -> None:
    executor, display = LocalExecutor(plan.context, tmp_path, make_slots(["cpu"], workers)), Watching()
    outcome = carry_out(plan, tmp_path, executor, display)
    assert multiprocessing.active_children() == []  # a process that ended before its workers would wait for ever
    assert not outcome.failed
    assert outcome.executed == len(plan.steps)
    assert sorted(key for key, _ in display.given) == sorted(plan.steps)
    assert len({slot for _, slot in display.given}) > 1
    assert display.notes == []
    assert_as(sequential, plan, tmp_path)


def test_a_worker_killed_in_a_training_costs_its_step_and_no_other_worker(
    plan: Plan, sequential: dict[str, bytes], tmp_path: Path
) -> None:
    slots = make_slots(["cpu"], 2)
    executor = LocalExecutor(plan.context, tmp_path, slots)
    killed: list[tuple[str, str]] = []
    seen: dict[str, set[int]] = {slot.name: set() for slot in slots}

    def started(step: Step, name: str) -> None:
        if step.kind == "train" and not killed:
            killed.append((step.key, name))
            until(lambda: any(Store(tmp_path).folder(step.key).parent.glob(".*-*")))  # it has the lease, and is at work
            kill(executor, next(slot for slot in slots if slot.name == name))
            assert Store(tmp_path).get(step.key) is None
        for slot, running in pids(executor).items():
            seen[slot] |= running

    display = Watching(started)
    outcome = carry_out(plan, tmp_path, executor, display)
    assert not outcome.failed
    ((key, name),) = killed
    assert display.notes == [f"The worker on {name} died, out of memory perhaps; its step is done again."]
    assert sorted(k for k, _ in display.given) == sorted([*plan.steps, key])
    assert {slot: len(running) for slot, running in seen.items()} == {
        slot.name: 1 + (slot.name == name) for slot in slots
    }
    Store(tmp_path).sweep()  # the next run begins so: what the killed worker had half written goes
    assert_as(sequential, plan, tmp_path)


class Unlucky(LocalExecutor):
    """The worker, which has no work just then, is killed before its third and its sixth step; of one that is known."""

    def __init__(self, setting: RunContext, root: Path, slots: tuple[Slot, ...]) -> None:
        super().__init__(setting, root, slots)
        self.submitted, self.restarts = 0, 0

    def submit(self, step: Step, slot: Slot) -> Future[float]:
        self.submitted += 1
        if self.submitted in (3, 6):
            pool = self._pools[slot]
            kill(self, slot)
            if self.submitted == 3:
                until(lambda: bool(pool._broken))
        return super().submit(step, slot)

    def restart(self, slot: Slot) -> bool:
        self.restarts += 1
        return super().restart(slot)


def test_a_worker_killed_while_it_had_no_work_is_replaced(
    plan: Plan, sequential: dict[str, bytes], tmp_path: Path
) -> None:
    executor, display = Unlucky(plan.context, tmp_path, make_slots(["cpu"], 1)), Watching()
    outcome = carry_out(plan, tmp_path, executor, display)
    assert not outcome.failed
    assert executor.restarts == 2
    assert display.notes == ["The worker on cpu died, out of memory perhaps; its step is done again."] * 2
    assert_as(sequential, plan, tmp_path)


def test_after_a_run_no_worker_is_left(plan: Plan, tmp_path: Path) -> None:
    slots = make_slots(["cpu"], 2)
    executor = LocalExecutor(plan.context, tmp_path, slots)
    real = [step for step in plan.steps.values() if not step.parents][:2]
    for future in [executor.submit(step, slot) for step, slot in zip(real, slots, strict=True)]:
        assert future.result(PATIENCE_S) > 0
    processes = [process for pool in executor._pools.values() for process in pool._processes.values()]
    assert len(processes) == 2
    executor.close()
    until(lambda: not any(process.is_alive() for process in processes))
    with pytest.raises((BrokenExecutor, RuntimeError)):
        executor.submit(real[0], slots[0])


def test_ctrl_c_leaves_no_process_behind(tiny_models: Path, tmp_path: Path) -> None:
    """Ctrl-C in a terminal goes to all processes of the run at once."""
    for concept in ("cat", "vase"):
        (tmp_path / "photos" / concept).mkdir(parents=True)
        for index in range(2):
            pixels = np.full((24, 24, 3), 99 + index, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / concept / f"{index}.png")
    command = [
        sys.executable, "-c", "from harness.cli import main; main()", "run", "photos", "--methods", "stamina",
        "--backbone", str(tiny_models / "sd"), "--extractor", str(tiny_models / "clip"), "--set", "steps=100000",
        "--jobs", "2",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "STAMINA_BENCH_CHECKPOINT_SECONDS": "0.1"},
    )  # fmt: skip
    try:
        until(lambda: process.poll() is not None or bool(list(tmp_path.glob("runs/store/checkpoints/*"))))
        assert process.poll() is None  # a training is under way
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130, said
        assert "Traceback" not in said
        assert "stamina-bench run" in said
        until(lambda: not alive(process.pid))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("raise RuntimeError('operator torchvision::nms does not exist')", ("in place of the installed torch",)),
        ("import os\nos.kill(os.getpid(), 9)", ("ends the process that imports it (Killed)", "pip install")),
    ],
)
def test_a_library_that_fails_where_workers_start_is_one_sentence(
    tiny_models: Path, tmp_path: Path, code: str, parts: tuple[str, ...]
) -> None:
    # what is imported first, and nothing before it
    (tmp_path / "fake" / "torch").mkdir(parents=True)
    (tmp_path / "fake" / "torch" / "__init__.py").write_text(code + "\n")
    command = [
        sys.executable, "-c", "from harness.cli import main; main()", "run", "mixed50", "--limit", "1", "--methods",
        "ti++", "--backbone", str(tiny_models / "sd"), "--extractor", str(tiny_models / "clip"), "--jobs", "1", "-q",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path / "fake")}
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("stamina-bench: ")
    assert all(part in line for part in parts), line


def test_workers_share_a_seed_of_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the order of a set of texts, in which a plugin's code may draw, would differ from worker to worker."""
    for given, seen in ((None, "0"), ("random", "0"), ("7", "7")):
        if given is None:
            monkeypatch.delenv(HASH_SEED, raising=False)
        else:
            monkeypatch.setenv(HASH_SEED, given)
        for own, then in ((None, seen), ("1", "1")):
            with _starting(own):
                assert os.environ[HASH_SEED] == then
            assert os.environ.get(HASH_SEED) == given
