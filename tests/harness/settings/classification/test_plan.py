"""Keys and steps of the classification setting: what changes which, what is shared; and planning needs no torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from harness import registry
from harness.data.class_tasks import ClassTask, Split, class_order, split_into
from harness.engine.plan import CellRequest, Plan, RunContext
from harness.spec import Benchmark, Recognition, Task, Tier

TIER = Tier(name="mini", summary="", backbone="x", extractor="y", resolution=64, classifier="c")
SETTING = RunContext(TIER, Recognition(), "x", "x", "hash-b", "", "", "cpu", "float32", setting="classification")
METHODS = tuple(registry.methods("classification").names())


@dataclass(frozen=True)
class NamedImages:
    """No images at all: planning opens none."""

    classes: tuple[int, ...]

    def fingerprint(self) -> str:
        return f"images of {self.classes}"

    def load(self, size: int) -> NDArray[np.uint8]:
        raise AssertionError("an image was opened")

    def labels(self, split: Split) -> NDArray[np.int64]:
        raise AssertionError("an image was opened")

    def image(self, split: Split, index: int) -> NDArray[np.uint8]:
        raise AssertionError("an image was opened")

    def __len__(self) -> int:
        return 7


@dataclass(frozen=True)
class NamedClasses:
    """Eight classes in four tasks."""

    note: str = ""

    def tasks(self) -> Sequence[Task]:
        return self.in_order(0)

    def in_order(self, seed: int) -> Sequence[ClassTask]:
        return [
            ClassTask(
                index=j, name=f"task {j}", category=", ".join(map(str, part)), images=NamedImages(part),
                classes=tuple(map(str, part)), numbers=part,
            )
            for j, part in enumerate(split_into(class_order(8, seed), 4), 1)
        ]  # fmt: skip


BENCHMARK = Benchmark(name="b", setting="classification", title="t", summary="s", sources={"mini": NamedClasses()})


def plan(
    name: str = "stamina", n: int = 4, seed: int = 0, order: int = 0, setting: RunContext = SETTING, note: str = "",
    into: Plan | None = None, **changes: object,
) -> Plan:  # fmt: skip
    made = Plan(setting) if into is None else into
    plugin = registry.methods("classification").get(name)
    options = plugin.options_for("classification").for_tier("mini", changes)
    tasks = NamedClasses().in_order(order)
    benchmark = BENCHMARK.model_copy(update={"sources": {"mini": NamedClasses(note)}})
    made.add_cell(CellRequest(benchmark, tasks[:n], len(tasks), name, plugin, options, seed))
    return made


def seen(**changes: object) -> RunContext:
    return replace(SETTING, protocol=Recognition.model_validate(changes))


def keys(made: Plan, kind: str) -> list[str]:
    return [step.key for step in made.steps.values() if step.kind == kind]


@pytest.mark.parametrize("name", METHODS)
def test_steps_of_every_method(name: str) -> None:
    made = plan(name)
    joint = registry.methods("classification").get(name).joint
    counts = {kind: len(keys(made, kind)) for kind in ("train", "evaluate", "score")}
    assert counts == ({"train": 1, "evaluate": 1, "score": 1} if joint else {"train": 4, "evaluate": 4, "score": 1})
    assert len(made.steps) == sum(counts.values())
    (cell,) = made.cells
    assert cell.setting == "classification"
    assert set(cell.steps) == set(made.steps)
    assert (cell.trains, cell.score) == (tuple(keys(made, "train")), keys(made, "score")[0])
    assert (cell.partial, cell.shown, cell.images, cell.features) == (False, (), {}, {})
    trains = [made.steps[key] for key in cell.trains]
    if joint:
        assert len(trains[0].recipe["concepts"]) == 4
        assert trains[0].recipe["place"] == [4, 4]
        assert trains[0].recipe["images"] == 28
        assert trains[0].parents == ()
    else:
        for number, step in enumerate(trains, 1):
            assert step.recipe["place"] == [number, 4]
            assert step.recipe["concepts"] == [f"images of {NamedClasses().in_order(0)[number - 1].numbers}"]
            assert step.parents == (() if number == 1 else (cell.trains[number - 2],))
            assert step.work["weights"] == (None if number == 1 else cell.trains[number - 2])
    known: set[str] = set()
    for step in made.steps.values():  # parents first
        assert set(step.parents) <= known
        known.add(step.key)


def test_a_model_is_tested_on_all_tasks_so_far() -> None:
    made = plan()
    for number, key in enumerate(keys(made, "evaluate"), 1):
        step = made.steps[key]
        assert step.parents == (made.cells[0].trains[number - 1],)
        assert len(step.recipe["tests"]) == len(step.work["tasks"]) == number
    (joint,) = keys(plan("joint"), "evaluate")
    assert len(plan("joint").steps[joint].recipe["tests"]) == 4


@pytest.mark.parametrize(
    "other",
    [
        lambda: plan(seed=1),
        lambda: plan(order=1),
        lambda: plan(rank=3),
        lambda: plan(lambda_forget=7.0),
        lambda: plan(epochs=3),
        lambda: plan("clora"),
        lambda: plan(setting=replace(SETTING, backbone_hash="another")),
        lambda: plan(setting=replace(SETTING, dtype="bfloat16")),
        lambda: plan(setting=replace(SETTING, device_type="cuda")),
        lambda: plan(setting=seen(resolution=32)),
        lambda: plan(setting=seen(min_crop=0.5)),
        lambda: plan(setting=seen(flip=False)),
        lambda: plan(setting=seen(normalise=True)),
    ],
    ids=[
        "seed", "order", "rank", "lambda", "epochs", "method", "backbone", "dtype", "device", "resolution", "crop",
        "flip", "normalise",
    ],
)  # fmt: skip
def test_whatever_changes_the_result_changes_every_key(other: Callable[[], Plan]) -> None:
    assert not set(plan().steps) & set(other().steps)


@pytest.mark.parametrize("changes", [{"resize": 300}, {"batch_size": 7}])
def test_how_test_images_are_seen_changes_tests_and_scores_but_no_training(changes: Mapping[str, object]) -> None:
    made, other = plan(), plan(setting=seen(**changes))
    assert keys(other, "train") == keys(made, "train")
    for kind in ("evaluate", "score"):
        assert not set(keys(other, kind)) & set(keys(made, kind))


def test_what_cannot_change_a_result_changes_no_key() -> None:
    other = plan(setting=replace(SETTING, offline=False, backbone_name="z", backbone="elsewhere"))
    assert plan().steps.keys() == other.steps.keys() == plan(note="not the published split").steps.keys()


def test_the_first_tasks_of_a_whole_run_are_those_of_a_shorter_one() -> None:
    part, whole = plan(n=2), plan()
    assert part.cells[0].partial
    assert keys(part, "train") == keys(whole, "train")[:2]
    assert keys(part, "evaluate") == keys(whole, "evaluate")[:2]
    assert keys(part, "score") != keys(whole, "score")
    assert not set(plan("joint", n=2).steps) & set(plan("joint").steps)  # other images altogether


def test_each_seed_of_a_run_has_its_own_class_order() -> None:
    """A run plans all its seeds at once: the classes of a task are those of its own seed."""
    both = plan(seed=1, order=1, into=plan())
    assert set(both.steps) == set(plan().steps) | set(plan(seed=1, order=1).steps)
    assert {key for cell in both.cells for key in cell.steps} == set(both.steps)
    for order, cell in enumerate(both.cells):
        tasks = NamedClasses().in_order(order)
        assert [both.steps[key].recipe["concepts"] for key in cell.trains] == [
            [task.images.fingerprint()] for task in tasks
        ]
        assert cell.tasks == tuple(tasks)


def test_a_fingerprint_is_taken_once_for_all_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[int, ...]] = []
    fingerprint = NamedImages.fingerprint
    monkeypatch.setattr(NamedImages, "fingerprint", lambda self: taken.append(self.classes) or fingerprint(self))
    made, tasks = Plan(SETTING), NamedClasses().in_order(0)
    for name in ("stamina", "clora", "joint"):
        plugin = registry.methods("classification").get(name)
        options = plugin.options_for("classification").for_tier("mini")
        made.add_cell(CellRequest(BENCHMARK, tasks, 4, name, plugin, options, 0))
    assert taken == [task.numbers for task in tasks]


def test_labels_tell_method_seed_and_changes() -> None:
    made = plan("l2p", seed=3, top=2)
    assert made.cells[0].label == "l2p [top=2]"
    said = [step.label for step in made.steps.values()]
    assert "l2p seed 3: train task 1 (task 1)" in said
    assert "l2p seed 3: test after task 4" in said
    assert next(step.label for step in plan("joint").steps.values()) == "joint seed 0: train all tasks"


def test_planning_imports_no_torch() -> None:
    code = (
        "import sys; import harness.settings.classification.plan, harness.settings.classification.prepare\n"
        "from harness import registry\n"
        "names = registry.methods('classification').names()\n"
        "[registry.methods('classification').get(n).options_for('classification').for_tier('mini') for n in names]\n"
        "assert names\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
        "assert 'timm' not in sys.modules, 'timm was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
