"""Two hundred tasks: what the last costs in time, against the first, and how much memory each adds.

The chain is trained with few steps a task, so that what could grow is not hidden by what cannot; each step reads its
parent from the store, trains, folds and commits, in one process, as a worker does. Times are printed and recorded.
"""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path
from statistics import median

import numpy as np
import pytest
import torch
from record import tell
from rich.console import Console
from tests_support import InlineExecutor

from benchmarks.mini.concepts import ProceduralImages
from harness import api, registry
from harness.engine.display import QuietDisplay
from harness.engine.plan import Step
from harness.engine.runner import Progress, run
from harness.settings.customization.steps import run_merge, run_train
from harness.spec import MethodSpec, RunSpec
from harness.store.image_sets import save_images

TASKS = int(os.environ.get("STAMINA_BENCH_PERF_CHAIN", "200"))
STEPS, TURNS = 5, 11
# what is counted in hundreds, in ones: all that a task adds is to show beside it
FEW = {"steps": STEPS, "fisher_samples": 4, "replay_images": 8, "replay_steps": 2}
METHODS = (
    "stamina", "clora", "ti++", "cd-ewc", "cidm", "o-lora", "inf-lora", "orthogonal-adaptation", "lora-merge",
    "lora-ortho-init", "drift-correction", "ewc-dc", "replay", "generative-replay",
)  # fmt: skip
GROWS = {"replay": 5.0}  # MB of the process for each task, whose memory holds what every earlier one left
STATUS = Path("/proc/self/status")


def resident() -> float:
    """MB that this process has in memory."""
    line = next(line for line in STATUS.read_text(encoding="utf-8").splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each concept, two images in each."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(TASKS):
        first = 2 * (number // 40)  # of one person at most five times, in other photos
        images = ProceduralImages("person", "tuning", number % 40).load(64)[first : first + 2]
        save_images(images, folder / f"concept {number:03}")
    return folder


@pytest.mark.skipif(not STATUS.exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("method", METHODS)
def test_the_last_of_many_tasks_costs_what_the_first_does(photos: Path, tmp_path: Path, method: str) -> None:
    torch.set_num_threads(1)
    fields = registry.methods().get(method).options_class.model_fields
    changes = {name: value for name, value in FEW.items() if name in fields}
    spec = RunSpec(benchmark=str(photos), methods=(MethodSpec(name=method, changes=changes),), output=tmp_path / "runs")
    made = api.prepare(spec)
    setting, store = made.plan.context, made.store
    # of a method that merges what was learnt alone, merging is what could grow
    kind = "merge" if registry.methods().get(method).base_method else "train"
    work = {"merge": run_merge, "train": run_train}[kind]
    trainings = [step for step in made.plan.steps.values() if step.kind == kind]
    assert len(trainings) == TASKS
    needed = [step for step in made.plan.steps.values() if step.kind in ("real", "prior", "train", "merge")]
    held: list[float] = []

    class Watched(InlineExecutor):
        def submit(self, step: Step, slot: object) -> object:  # type: ignore[override]
            future = super().submit(step, slot)  # type: ignore[arg-type]
            if step.kind == kind:
                gc.collect()
                held.append(resident())
            return future

    executor = Watched(setting, store.root)
    outcome = run(made.plan, store, executor, Progress([], needed), QuietDisplay(Console()), keep_going=True)
    assert not outcome.broken
    taken: dict[int, list[float]] = {0: [], TASKS - 1: []}
    for turn in range(TURNS + 1):
        for place in (0, TASKS - 1) if turn % 2 == 0 else (TASKS - 1, 0):
            folder = tmp_path / f"{turn}-{place}"
            folder.mkdir()
            started = time.process_time()
            work(trainings[place], setting, store, "cpu", folder)
            if turn:
                taken[place].append(time.process_time() - started)
    print()
    tell(f"{TASKS} tasks of {STEPS} steps", f"{method}, task {TASKS}", taken[TASKS - 1], "task 1", taken[0])
    start = len(held) // 4  # by then caches are as full as they get
    growth = float(np.polyfit(np.arange(start, len(held)), held[start:], 1)[0])
    print(
        f"memory after tasks 1, {start + 1}, {len(held)}: {held[0]:.0f}, {held[start]:.0f}, {held[-1]:.0f} MB; "
        f"{growth:+.3f} MB a task; at most {max(held):.0f} MB, median {median(held):.0f} MB"
    )
    assert growth < GROWS.get(method, 1.0)
