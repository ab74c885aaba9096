"""The main job at the mini tier against its floor, and how long the command line takes to say what it can do.

`run mixed50 --methods stamina,clora,ti++ --limit N` by two workers, a process of its own, N from the environment's
STAMINA_BENCH_PERF_TASKS (3); its floor by two processes at once, each with half of the passes. Printed and recorded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import Future
from pathlib import Path
from statistics import median

import main_job
import pytest
from main_job import Pass, as_text, counted
from record import tell
from rich.console import Console
from tests_support import InlineExecutor

from benchmarks.mini.tier import MINI
from harness import api
from harness.engine.devices import Slot
from harness.engine.display import QuietDisplay
from harness.engine.plan import Step
from harness.engine.runner import run
from harness.settings.customization import steps
from harness.spec import MethodSpec, RunSpec

TASKS = int(os.environ.get("STAMINA_BENCH_PERF_TASKS", "3"))
TURNS = int(os.environ.get("STAMINA_BENCH_PERF_TURNS", "5"))
METHODS = ("stamina", "clora", "ti++")
COMMAND = (sys.executable, "-c", "from harness.cli import main; main()")
WORKERS = 2


def prepared(count: int, output: Path) -> api.Prepared:
    methods = tuple(MethodSpec(name=name) for name in METHODS)
    return api.prepare(
        RunSpec(benchmark="mixed50", methods=methods, tasks=tuple(range(1, count + 1)), output=output / str(count))
    )


def passes_of_the_job(output: Path) -> Counter[Pass]:
    """Counted on its first two tasks for each kind of step and its options, and summed over the steps of its plan."""

    def sort(step: Step) -> str:
        return json.dumps([step.kind, step.recipe.get("options"), step.recipe.get("sampling")], sort_keys=True)

    made = prepared(2, output)
    setting = made.plan.context
    model = steps._model(setting.backbone, "cpu", setting.dtype, setting.offline, setting.compiled)
    found: dict[str, Counter[Pass]] = {}

    class Watched(InlineExecutor):
        def submit(self, step: Step, slot: Slot) -> Future[float]:
            with counted(model) as passes:
                future = super().submit(step, slot)
            found[sort(step)] = passes
            return future

    executor = Watched(setting, made.store.root)
    outcome = run(made.plan, made.store, executor, made.progress, QuietDisplay(Console()), keep_going=False)
    assert not outcome.failed
    total: Counter[Pass] = Counter()
    for step in prepared(TASKS, output).plan.steps.values():
        total += found[sort(step)]
    return total


def test_the_main_job_against_its_floor(tmp_path: Path) -> None:
    passes = passes_of_the_job(tmp_path / "counted")
    print()
    for each, count in sorted(passes.items(), key=str):
        print(f"  {count:6} x {each}")
    halves = [Counter({each: (count + part) // WORKERS for each, count in passes.items()}) for part in range(WORKERS)]
    floors = []
    for number, half in enumerate(halves):
        file = tmp_path / f"passes-{number}.json"
        file.write_text(as_text(half), encoding="utf-8")
        floors.append(
            subprocess.Popen(
                [sys.executable, main_job.__file__, MINI.backbone, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True,
            )
        )  # fmt: skip
    for floor in floors:
        assert floor.stdout is not None
        assert floor.stdout.readline() == "ready\n"
    wall: dict[str, list[float]] = {"command": [], "floor": []}
    work: dict[str, list[float]] = {"steps": [], "floor": []}
    for turn in range(TURNS):
        for what in ("command", "floor") if turn % 2 == 0 else ("floor", "command"):
            started = time.perf_counter()
            if what == "floor":
                for floor in floors:
                    assert floor.stdin is not None
                    floor.stdin.write("go\n")
                    floor.stdin.flush()
                work["floor"].append(sum(float(floor.stdout.readline()) for floor in floors))  # type: ignore[union-attr]
            else:
                output = tmp_path / f"turn-{turn}"
                arguments = ("run", "mixed50", "--methods", ",".join(METHODS), "--limit", TASKS, "-q", "-o", output)
                subprocess.run([*COMMAND, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
                manifests = [json.loads(file.read_text(encoding="utf-8")) for file in output.rglob("manifest.json")]
                work["steps"].append(sum(manifest["facts"]["seconds"] for manifest in manifests))
            wall[what].append(time.perf_counter() - started)
    for floor in floors:
        floor.kill()
    setting = f"mixed50, {', '.join(METHODS)}, --limit {TASKS}"
    tell(setting, "the command, wall", wall["command"], "its floor by two processes", wall["floor"])
    tell(setting, "all steps, by their manifests", work["steps"], "its floor, CPU time", work["floor"])
    assert min(work["steps"]) > 0


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help")])
def test_help_against_bare_imports(arguments: tuple[str, ...]) -> None:
    """Against an interpreter that imports what draws the help, and does nothing."""
    taken: dict[str, list[float]] = {"help": [], "imports": [], "python": []}
    commands = {
        "help": [*COMMAND, *arguments], "imports": [sys.executable, "-c", "import typer, rich.table, rich.panel"],
        "python": [sys.executable, "-c", "pass"],
    }  # fmt: skip
    for turn in range(2 * TURNS + 1):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if turn:
                taken[name].append(time.perf_counter() - started)
    what = " ".join(("stamina-bench", *arguments))
    print(f"\nan interpreter alone: {median(taken['python']):.3f} s")
    tell("start", what, taken["help"], "importing typer and rich", taken["imports"])
