from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from benchmarks.mini.concepts import MiniConcepts
from harness import registry
from harness.engine.plan import CellRequest, Plan, RunContext
from harness.settings.customization.plan import pairs
from harness.spec import Benchmark, MethodOptions, Sampling, Tier

BENCHMARK = Benchmark(name="b", title="t", summary="s", sources={"mini": MiniConcepts(people=3, waterfalls=2)})
TIER = Tier(name="mini", summary="", backbone="x", extractor="y", resolution=64)
SETTING = RunContext(TIER, TIER.sampling, "x", "x", "hash-b", "y", "hash-e", "cpu", "float32")


def plan(method: str = "stamina", n: int = 5, seed: int = 0, setting: RunContext = SETTING, **changes: object) -> Plan:
    made = Plan(setting)
    plugin = registry.methods().get(method)
    options: MethodOptions = plugin.options_class.for_tier("mini", changes)
    made.add_cell(CellRequest(BENCHMARK, BENCHMARK.tasks("mini")[:n], 5, method, plugin, options, seed))
    return made


def keys(made: Plan, kind: str) -> list[str]:
    return [step.key for step in made.steps.values() if step.kind == kind]


def count(made: Plan, kind: str) -> int:
    return len(keys(made, kind))


def test_a_sequential_method_needs_2n_minus_1_image_sets() -> None:
    made = plan("stamina")
    assert (count(made, "real"), count(made, "train"), count(made, "generate"), count(made, "score")) == (10, 5, 9, 1)
    assert count(made, "features") == 5 + 9


def test_the_full_matrix_has_every_image_set_from_the_diagonal_down() -> None:
    for method, sets in (("stamina", 15), ("ti++", 5)):
        made = Plan(SETTING)
        plugin = registry.methods().get(method)
        options = plugin.options_class.for_tier("mini")
        made.add_cell(CellRequest(BENCHMARK, BENCHMARK.tasks("mini"), 5, method, plugin, options, 0, full_matrix=True))
        assert count(made, "generate") == sets
        assert sorted(made.cells[0].images) == [(i, j) for i in range(1, 6) for j in range(1, i + 1)]
        assert set(keys(plan(method), "generate")) <= set(keys(made, "generate"))
        assert keys(plan(method), "score") != keys(made, "score")


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [(1, []), (2, [(1, 2)]), (3, [(1, 2), (2, 3)]), (4, [(1, 2), (2, 3), (3, 4)]), (50, [(1, 2), (25, 26), (49, 50)])],
)
def test_neighbours_are_drawn_together(tasks: int, expected: list[tuple[int, int]]) -> None:
    assert pairs(tasks) == expected


def test_a_shuffled_order_has_the_same_concepts_under_new_numbers() -> None:
    tasks = BENCHMARK.tasks("mini")
    shuffled = BENCHMARK.shuffled(1)
    others = shuffled.tasks("mini")
    assert (shuffled.name, shuffled.base, shuffled.order) == ("b-order1", "b", 1)
    assert [t.index for t in others] == [1, 2, 3, 4, 5]
    assert sorted(t.name for t in others) == sorted(t.name for t in tasks)
    assert [t.name for t in others] != [t.name for t in tasks]
    assert [t.name for t in others] == [t.name for t in BENCHMARK.shuffled(1).tasks("mini")]
    assert BENCHMARK.shuffled(0) is BENCHMARK


def test_an_independent_method_samples_each_task_once() -> None:
    made = plan("ti++")
    assert count(made, "generate") == 5
    trains = [step for step in made.steps.values() if step.kind == "train"]
    assert all(len(step.parents) == 1 for step in trains)  # its images, no earlier task


@pytest.mark.parametrize(("method", "places"), [("stamina", [1, 2, 3]), ("ti++", [1, 1, 1]), ("cd-merge", [1, 1, 1])])
def test_a_training_knows_its_place(method: str, places: list[int]) -> None:
    """`task_index`, which is no part of a key: what a task comes after is; trainings of one concept are shared."""
    made = Plan(SETTING)
    plugin = registry.methods().get(method)
    learner = registry.methods().get(plugin.base_method) if plugin.base_method else None
    options = plugin.options_class.for_tier("mini")
    made.add_cell(CellRequest(BENCHMARK, BENCHMARK.tasks("mini")[:3], 5, method, plugin, options, 0, learner=learner))
    assert [step.work["place"] for step in made.steps.values() if step.kind == "train"] == places
    assert [step.work["place"] for step in made.steps.values() if step.kind == "merge"] == [1, 2, 3] * (
        method == "cd-merge"
    )
    assert not any("place" in step.recipe for step in made.steps.values())


def test_parents_come_before_children_and_all_exist() -> None:
    made = plan("clora")
    seen: set[str] = set()
    for step in made.steps.values():
        assert set(step.parents) <= seen
        seen.add(step.key)


def test_a_prefix_shares_its_trainings_with_the_full_run() -> None:
    full, part = plan(n=5), plan(n=3)
    assert keys(part, "train") == keys(full, "train")[:3]
    assert part.cells[0].partial
    assert not full.cells[0].partial
    assert part.cells[0].score != full.cells[0].score


@pytest.mark.parametrize(
    "other",
    [
        lambda: plan(seed=1),
        lambda: plan(rank=3),
        lambda: plan(lambda_forget=7.0),
        lambda: plan("clora"),
        lambda: plan(setting=replace(SETTING, backbone_hash="another")),
        lambda: plan(setting=replace(SETTING, dtype="bfloat16")),
        lambda: plan(setting=replace(SETTING, device_type="cuda")),
        lambda: plan(setting=replace(SETTING, tier=TIER.model_copy(update={"resolution": 32}))),
    ],
    ids=["seed", "rank", "lambda", "method", "backbone", "dtype", "device", "resolution"],
)
def test_whatever_changes_the_result_changes_every_training_key(other: object) -> None:
    assert not set(keys(plan(), "train")) & set(keys(other(), "train"))  # type: ignore[operator]


def test_sampling_and_extractor_change_images_and_features_but_no_training() -> None:
    sampled = plan(setting=replace(SETTING, protocol=Sampling(steps=7)))
    assert keys(sampled, "train") == keys(plan(), "train")
    assert not set(keys(sampled, "generate")) & set(keys(plan(), "generate"))
    extracted = plan(setting=replace(SETTING, extractor_hash="another"))
    assert keys(extracted, "generate") == keys(plan(), "generate")
    assert not set(keys(extracted, "features")) & set(keys(plan(), "features"))


def test_what_cannot_change_a_result_changes_no_key() -> None:
    assert plan().steps.keys() == plan(setting=replace(SETTING, offline=False, backbone_name="z")).steps.keys()


def test_methods_share_the_real_images_only() -> None:
    made = plan("stamina")
    plugin = registry.methods().get("clora")
    made.add_cell(
        CellRequest(BENCHMARK, BENCHMARK.tasks("mini"), 5, "clora", plugin, plugin.options_class.for_tier("mini"), 0)
    )
    shared = set(made.cells[0].steps) & set(made.cells[1].steps)
    assert {made.steps[key].label.split()[0] for key in shared} <= {"real", "features"}
    assert all("real" in made.steps[key].label for key in shared)


def test_the_label_names_changed_options() -> None:
    assert plan().cells[0].label == "stamina"
    assert plan(rank=3).cells[0].label == "stamina [rank=3]"


def test_planning_imports_no_torch() -> None:
    code = (
        "import sys; import harness.api, harness.cli, reports.write; from harness import registry\n"
        "[registry.methods().get(n) for n in registry.methods().names()]\n"
        "[registry.benchmarks().get(n).tasks('mini') for n in registry.benchmarks().names()]\n"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
