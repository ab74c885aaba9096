"""Which step starts next, and how long a run takes then; where workers are, and with how many threads."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_support import raises_sentence

from benchmarks.mini.concepts import MiniConcepts
from harness import api, registry
from harness.engine import simulate as simulation
from harness.engine.devices import Slot, cores, default_jobs, make_slots, threads_per_worker
from harness.engine.plan import CellRequest, Plan, RunContext, Step
from harness.engine.schedule import Schedule, longest_chain, tails
from harness.engine.simulate import simulate
from harness.spec import Benchmark, Tier

BENCHMARK = Benchmark(name="b", title="t", summary="s", sources={"mini": MiniConcepts(people=2, waterfalls=1)})
TIER = Tier(name="mini", summary="", backbone="x", extractor="y", resolution=64)
SETTING = RunContext(TIER, TIER.sampling, "x", "x", "hash-b", "y", "hash-e", "cpu", "float32")
METHODS = ("stamina", "ti++", "cd", "cd-merge")

whatever: Callable[[Callable[..., None]], Callable[..., None]] = given(
    cells=st.lists(st.tuples(st.sampled_from(METHODS), st.integers(0, 1)), min_size=1, max_size=3, unique=True),
    tasks=st.integers(1, 3),
    slots=st.integers(1, 5),
    start_s=st.floats(0, 20),
    dice=st.randoms(use_true_random=True),
)


def make_plan(cells: Collection[tuple[str, int]], tasks: int) -> Plan:
    """Cells of these methods and seeds."""
    made = Plan(SETTING)
    for name, seed in cells:
        plugin = registry.methods().get(name)
        learner = registry.methods().get(plugin.base_method) if plugin.base_method else None
        options, first = plugin.options_class.for_tier("paper"), BENCHMARK.tasks("mini")[:tasks]
        made.add_cell(CellRequest(BENCHMARK, first, 3, name, plugin, options, seed, learner))
    return made


def a_graph(cells: Collection[tuple[str, int]], tasks: int, dice: Random) -> tuple[list[Step], dict[str, float]]:
    """Some of a plan's steps, as after a run that was interrupted, and what they take."""
    share = dice.choice((0.0, 0.0, 0.4))
    steps = [step for step in make_plan(cells, tasks).steps.values() if dice.random() >= share]
    return steps, {step.key: 10 ** dice.uniform(-1, 2) for step in steps}


def chain(key: str, parents: Mapping[str, Sequence[str]], seconds: Mapping[str, float]) -> float:
    """The costliest chain that ends with a step, from the definition."""
    before = [chain(parent, parents, seconds) for parent in parents[key] if parent in parents]
    return seconds[key] + max(before, default=0.0)


def step(name: str, *parents: str, kind: str = "train", place: int = 0) -> Step:
    return Step(name, kind, {}, parents, {}, name, (place,), anywhere=kind == "score")


@whatever
@settings(max_examples=50)
def test_a_schedule_is_no_shorter_than_it_can_be_and_never_idle_altogether(
    cells: list[tuple[str, int]], tasks: int, slots: int, start_s: float, dice: Random
) -> None:
    steps, seconds = a_graph(cells, tasks, dice)
    parents, busy = {s.key: s.parents for s in steps}, sum(seconds.values())
    critical = max((chain(key, parents, seconds) for key in parents), default=0.0)
    assert longest_chain(steps, seconds) == pytest.approx(critical)

    made = simulate(steps, seconds, make_slots(["cpu"], slots), device_type="cpu")
    assert (made.slots, made.busy, made.critical_path) == (slots, pytest.approx(busy), pytest.approx(critical))
    assert made.makespan >= max(critical, busy / slots) * (1 - 1e-9)
    assert made.makespan <= busy * (1 + 1e-9)
    assert -1e-9 <= made.idle_share <= 1 - 1 / slots + 1e-9

    alone = simulate(steps, seconds, make_slots(["cpu"], 1), device_type="cpu", start_s=start_s)
    assert alone.makespan == pytest.approx(busy + (start_s if steps else 0.0))  # its worker starts once
    enough = [
        simulate(steps, seconds, make_slots(["cpu"], max(1, count)), device_type="cpu").makespan
        for count in (len(steps), len(steps) + 3)
    ]
    assert enough == [pytest.approx(critical)] * 2


@whatever
@settings(max_examples=50)
def test_every_step_starts_once_after_its_parents_and_in_a_slot_of_its_own(
    cells: list[tuple[str, int]], tasks: int, slots: int, start_s: float, dice: Random
) -> None:
    steps, seconds = a_graph(cells, tasks, dice)
    made = simulate(steps, seconds, make_slots(["cpu"], slots), device_type="cpu", start_s=start_s)
    assert set(made.starts) == {s.key for s in steps}
    ends = {key: start + seconds[key] for key, start in made.starts.items()}
    assert made.makespan == max(ends.values(), default=0.0)
    for s in steps:
        assert made.starts[s.key] >= max((ends[parent] for parent in s.parents if parent in ends), default=0.0)
    for start in made.starts.values():
        assert sum(begun <= start < ends[key] for key, begun in made.starts.items()) <= slots
    early = [start for start in made.starts.values() if start < start_s]
    assert not early  # no worker is there before it has started


def test_the_longest_chain_first_beats_the_plans_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two slots, two short steps that nothing waits for, and a chain of two long ones that the plan names last."""
    steps = [step("a", place=1), step("b", place=2), step("c", place=3), step("d", "c", place=4)]
    seconds = {"a": 2.0, "b": 2.0, "c": 4.0, "d": 4.0}
    assert tails(steps, seconds) == {"a": 2.0, "b": 2.0, "c": 8.0, "d": 4.0}
    two = make_slots(["cpu"], 2)
    made = simulate(steps, seconds, two, device_type="cpu")
    assert made.starts == {"c": 0.0, "a": 0.0, "b": 2.0, "d": 4.0}
    assert (made.makespan, made.critical_path, made.busy, made.idle_share) == (8.0, 8.0, 12.0, 0.25)
    late = simulate(steps, seconds, two, device_type="cpu", start_s=1.0)
    assert (late.starts, late.makespan) == ({"c": 1.0, "a": 1.0, "b": 3.0, "d": 5.0}, 9.0)
    # were all of them equally urgent, their place in the plan would decide
    monkeypatch.setattr(simulation, "Schedule", lambda steps, _: Schedule(steps, dict.fromkeys(seconds, 0.0)))
    assert simulate(steps, seconds, two, device_type="cpu").makespan == 10.0


def test_a_step_of_unknown_length_counts_as_at_the_mini_tier() -> None:
    known = make_plan([("stamina", 0)], 2).steps.values()
    nominal = {s.key: s.nominal_seconds for s in known}
    assert longest_chain(known, {}) == longest_chain(known, nominal) > 0


def test_no_steps_take_no_time() -> None:
    made = simulate([], {}, make_slots(["cpu"], 2), device_type="cpu", start_s=5.0)
    assert (made.makespan, made.critical_path, made.busy, made.idle_share, made.starts) == (0.0, 0.0, 0.0, 0.0, {})


@pytest.mark.parametrize("step", make_plan([("cd", 0)], 2).steps.values(), ids=lambda step: step.label)
def test_beside_gpus_a_cpu_makes_scores_alone(step: Step) -> None:
    cpu, gpu = Slot("cpu", "cpu"), Slot("cuda:0#1", "cuda:0")
    assert cpu.serves(step.anywhere, "cuda") == gpu.serves(step.anywhere, "cpu") == (step.kind == "score")
    assert cpu.serves(step.anywhere, "cpu")
    assert gpu.serves(step.anywhere, "cuda")


def test_a_simulated_cpu_beside_a_gpu_takes_the_scores_off_it() -> None:
    steps = [step("a"), step("s", "a", kind="score"), step("b", "a"), step("t", "b", kind="score")]
    seconds = {"a": 1.0, "s": 2.0, "b": 3.0, "t": 1.0}
    beside = simulate(steps, seconds, make_slots(["cuda:0", "cpu"]), device_type="cuda")
    assert (beside.starts, beside.makespan) == ({"a": 0.0, "b": 1.0, "s": 1.0, "t": 4.0}, 5.0)
    assert simulate(steps, seconds, make_slots(["cuda:0"]), device_type="cuda").makespan == 7.0
    without = simulate(steps, seconds, make_slots(["cpu"], 2), device_type="cuda")
    assert (without.starts, without.makespan) == ({}, 0.0)


@pytest.mark.parametrize(
    ("devices", "jobs", "names"),
    [
        (["cpu"], 1, "cpu"),
        (["cpu"], 2, "cpu#0 cpu#1"),
        (["cpu", "cpu"], None, "cpu#0 cpu#1"),
        (["cuda:0", "cuda:1"], None, "cuda:0 cuda:1"),
        (["cuda:0", "cuda:1"], 1, "cuda:0"),
        (["cuda:0", "cuda:1"], 3, "cuda:0#0 cuda:1 cuda:0#1"),
        (["cuda:0", "cuda:1"], 4, "cuda:0#0 cuda:1#0 cuda:0#1 cuda:1#1"),
        (["cuda:0", "cuda:0", "cpu"], None, "cuda:0#0 cuda:0#1 cpu"),
    ],
)
def test_slots_share_devices_in_turn(devices: list[str], jobs: int | None, names: str) -> None:
    slots = make_slots(devices, jobs)
    assert [slot.name for slot in slots] == names.split()
    assert [slot.device for slot in slots] == [name.partition("#")[0] for name in names.split()]


def test_workers_and_threads_follow_the_cores_of_a_slurm_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "6")
    assert cores() == 6
    assert default_jobs(["cpu"]) == 6
    assert [slot.name for slot in make_slots(["cpu"])] == [f"cpu#{n}" for n in range(6)]
    assert default_jobs(["cpu", "cpu"]) == 2
    assert default_jobs(["cuda:0", "cuda:1", "cpu"]) == 3
    assert threads_per_worker(make_slots(["cuda:0", "cuda:1"])) == 3
    assert threads_per_worker(make_slots(["cuda:0"], 8)) == 1
    assert threads_per_worker(make_slots(["cuda:0", "cpu"])) == 1  # sums on a CPU have one order
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "48")
    assert default_jobs(["cpu"]) == 8  # each holds the model
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "0")
    assert cores() == 1
    monkeypatch.delenv("SLURM_CPUS_PER_TASK")
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "2")  # of the job, where it asked for no number a task
    assert cores() == 2


@pytest.mark.parametrize("given", [None, "", "many"])
def test_without_slurm_the_machines_cores_count(monkeypatch: pytest.MonkeyPatch, given: str | None) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 2, 5}, raising=False)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    monkeypatch.delenv("SLURM_CPUS_ON_NODE", raising=False)
    if given is not None:
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", given)
    assert (cores(), default_jobs(["cpu"])) == (3, 3)


def gpus(monkeypatch: pytest.MonkeyPatch, count: int, file: Path = Path("nowhere")) -> None:
    """A machine with so many GPUs that torch sees, and the kernel's file for one."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(api, "GPU_FILES", (str(file),))


def test_devices_without_a_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gpus(monkeypatch, 0)
    for device, listed in {"cpu": ["cpu"], "auto": ["cpu"], "cpu,cpu": ["cpu", "cpu"]}.items():
        assert api.detect_device(device) == "cpu"
        assert api.device_list(device, "cpu") == listed
    gpus(monkeypatch, 0, tmp_path)  # a driver, but none that torch can use
    assert api.detect_device("auto") == "cpu"
    for device, named in {"cuda": "cuda", "cuda:1": "cuda:1", "cuda:0,cpu": "cuda:0", "cpu,cuda:3": "cuda:3"}.items():
        said = raises_sentence(lambda device=device: api.detect_device(device))
        assert said == f"--device {named} needs a CUDA GPU that torch can see, and there is none; use --device cpu."


def test_devices_with_two_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gpus(monkeypatch, 2, tmp_path)
    both, one = ["cuda:0", "cuda:1"], ["cuda:1"]
    for device, listed in {"auto": both, "cuda": both, "cuda:1": one, "cuda:1,cpu": ["cuda:1", "cpu"]}.items():
        assert api.detect_device(device) == "cuda"
        assert api.device_list(device, "cuda") == listed
    said = raises_sentence(lambda: api.detect_device("cuda:0,cuda:2"))
    assert said == (
        "--device cuda:2 needs a CUDA GPU that torch can see, and it sees cuda:0 to cuda:1; use --device cpu."
    )


@pytest.mark.parametrize(
    ("device", "part"),
    [
        ("gpu", "gpu"), ("cuda,cpu", "cuda"), ("auto,cpu", "auto"), ("cpu,gpu", "gpu"), ("cpu,", ""), ("", ""),
        ("cuda:", "cuda:"), ("cuda:x", "cuda:x"), ("cpu:0", "cpu:0"), ("cpu, cpu", " cpu"), ("CPU", "CPU"),
    ],
)  # fmt: skip
def test_what_is_no_device(device: str, part: str) -> None:
    said: Any = raises_sentence(lambda: api.detect_device(device), f"Unknown device '{part}'")
    assert said.endswith("; use auto, cpu, cuda, cuda:N, or several such as cuda:0,cuda:1,cpu.")
