"""Whole runs on tiny random checkpoints, in this process: what is made, kept, reused and resumed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tests_support import InlineExecutor

from benchmarks.mini.concepts import MiniConcepts
from harness import api, registry
from harness.engine.display import QuietDisplay
from harness.engine.plan import Plan
from harness.engine.runner import Outcome, check, run
from harness.metrics.mmd import mmd
from harness.records.run_file import read_cells, read_unfinished, record, record_failures
from harness.results import CellResult
from harness.spec import MethodSpec, RunSpec, Tier
from harness.store.store import Store

Runner = Callable[..., tuple[api.Prepared, Outcome, InlineExecutor]]
SMALL = {"steps": 3, "batch_size": 2}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store for the tests that only look at results: a step that one of them has made, no other makes again."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture
def go(tiny_tier: Tier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: Path) -> Runner:
    """Runs `methods` on the first n tasks of mixed50 with the tiny models; in a store of its own if `alone`."""
    monkeypatch.setitem(registry.tiers().__dict__, "get", lambda name: tiny_tier)

    def runner(
        methods: str = "stamina", n: int = 2, output: Path | None = None, seeds: tuple[int, ...] = (0,),
        fail_at: int | None = None, keep_going: bool = False, order: int = 0, full_matrix: bool = False,
        alone: bool = True, **changes: object,
    ) -> tuple[api.Prepared, Outcome, InlineExecutor]:  # fmt: skip
        if not alone:
            (tmp_path / "runs").mkdir(exist_ok=True)
            (tmp_path / "runs" / "store").symlink_to(shared)
        specs = tuple(MethodSpec(name=m, changes={**SMALL, **changes}) for m in methods.split(","))
        spec = RunSpec(
            benchmark="mixed50",
            methods=specs,
            seeds=seeds,
            tasks=tuple(range(1, n + 1)),
            output=output or tmp_path / "runs",
            order=order,
            full_matrix=full_matrix,
        )
        prepared = api.prepare(spec)
        executor = InlineExecutor(prepared.plan.context, prepared.store.root, fail_at)
        from rich.console import Console

        display = QuietDisplay(Console(quiet=True))
        outcome = run(prepared.plan, prepared.store, executor, prepared.progress, display, keep_going=keep_going)
        record_failures(record(prepared.spec, prepared.plan), outcome.errors)
        return prepared, outcome, executor

    return runner


def figures(prepared: api.Prepared, cell: int = 0) -> dict[str, float]:
    scored = prepared.store.open(prepared.plan.cells[cell].score).json("figures.json")["figures"]
    return {f"{f['metric']}/{f['task']}/{f['layer']}": f["value"] for f in scored if f["metric"] != "train_seconds"}


def test_a_run_gives_every_metric_and_the_same_command_again_does_nothing(go: Runner) -> None:
    first, outcome, _ = go("stamina,clora,ti++", alone=False)
    assert not outcome.failed
    assert len(outcome.done) == 3
    cells = read_cells(first.spec.output)
    assert [c.method for c in cells] == ["stamina", "clora", "ti++"]
    for cell in cells:
        found = {row.metric for row in cell.rows}
        expected = {
            "a_mmd", "a_mmd_unbiased", "f_mmd", "f_mmd_unbiased", "kid", "n_param", "plasticity_distance",
            "residual_norm", "train_seconds", "noise_floor", "codec_floor", "learned_mmd", "f_kid",
            "a_mmd.unit", "a_mmd.offset0", "a_mmd.scale1", "f_mmd.unit", "f_mmd.offset0", "f_mmd.scale1",
        }  # fmt: skip
        expected |= {"memory", "memory_growth"}
        if cell.method != "ti++":
            expected |= {"interference", "overlap", "change_density"}
        assert found == (expected | {"mask_density"} if cell.method == "stamina" else expected)
        assert cell.partial
        assert all(row.partial for row in cell.rows)
        assert all((task.generated / "00.png").exists() and (task.real / "00.png").exists() for task in cell.tasks)
    again, outcome, executor = go("stamina,clora,ti++")
    assert executor.ran == []
    assert not again.progress.pending
    assert len(outcome.done) == 3


def test_ti_plus_plus_forgets_exactly_nothing_and_leaves_the_weights_alone(go: Runner) -> None:
    prepared, _, executor = go("ti++", n=3)
    values = figures(prepared)
    assert values["f_mmd/None/None"] == 0.0
    assert values["f_mmd_unbiased/None/None"] == 0.0
    assert values["plasticity_distance/None/None"] == 0.0
    assert executor.ran.count("generate") == 3
    for step in prepared.plan.steps.values():
        if step.kind == "train":
            assert "weights.safetensors" not in prepared.store.open(step.key).manifest["files"]


@pytest.mark.parametrize("method", ["stamina", "clora"])
def test_weights_stack_from_task_to_task(go: Runner, method: str) -> None:
    prepared, _, _ = go(method, n=3, alone=False)
    values = figures(prepared)
    distances = [values[f"plasticity_distance/{j}/None"] for j in (1, 2, 3)]
    residuals = [values[f"residual_norm/{j}/None"] for j in (1, 2, 3)]
    assert distances[0] == pytest.approx(residuals[0])
    assert all(r > 0 for r in residuals)
    assert distances[2] <= sum(residuals) + 1e-6  # triangle inequality: W_3 - W_init is the sum of three residuals


@pytest.mark.parametrize("stride", [6, pytest.param(1, marks=pytest.mark.thorough)])
def test_a_run_broken_off_anywhere_and_resumed_equals_the_run_never_broken(
    go: Runner, tmp_path: Path, stride: int
) -> None:
    whole, _, executor = go("stamina", output=tmp_path / "whole")
    for fail_at in range(1, len(executor.ran), stride):
        output = tmp_path / f"broken-{fail_at}"
        _, outcome, _ = go("stamina", output=output, fail_at=fail_at)
        assert outcome.failed
        resumed, outcome, _ = go("stamina", output=output)
        assert not outcome.failed
        assert figures(resumed) == figures(whole)  # bit for bit


def test_the_order_of_steps_does_not_matter(go: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forward, _, _ = go("stamina,ti++", alone=False)
    add = Plan.add

    def reversed_priority(self: Plan, *arguments: object) -> str:
        *rest, priority = arguments
        return add(self, *rest, tuple(-p for p in priority))  # type: ignore[arg-type]

    monkeypatch.setattr(Plan, "add", reversed_priority)
    backward, _, _ = go("stamina,ti++", output=tmp_path / "b")
    assert [figures(forward, c) for c in (0, 1)] == [figures(backward, c) for c in (0, 1)]


def test_a_damaged_file_is_made_again(go: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    prepared, _, _ = go("ti++")
    before = figures(prepared)
    image = prepared.store.folder(prepared.plan.cells[0].images[2, 1]) / "images" / "00.png"
    image.write_bytes(image.read_bytes()[:-5])
    again, _, executor = go("ti++")
    assert "damaged file images/00.png" in capsys.readouterr().err
    assert executor.ran == ["generate"]  # the features made of it are still whole
    assert figures(again) == before


def test_without_keep_going_a_failure_stops_the_run_and_with_it_only_the_cell(go: Runner, tmp_path: Path) -> None:
    _, outcome, executor = go("stamina,ti++", output=tmp_path / "stop", fail_at=2)
    assert executor.ran[-1] == "failure"
    assert set(outcome.failed) == {"stamina seed 0", "ti++ seed 0"}
    _, outcome, _ = go("stamina,ti++", output=tmp_path / "go", fail_at=2, keep_going=True)
    assert len(outcome.failed) + len(outcome.done) == 2
    assert "made to fail" in next(iter(outcome.failed.values()))


def test_seeds_differ_and_a_seed_repeats(go: Runner, tmp_path: Path) -> None:
    prepared, _, _ = go("ti++", seeds=(0, 1), alone=False)
    assert figures(prepared, 0)["a_mmd/None/None"] != figures(prepared, 1)["a_mmd/None/None"]
    again, _, _ = go("ti++", seeds=(1,), output=tmp_path / "again")
    assert figures(again, 0) == figures(prepared, 1)


def test_task_images_start_from_the_same_noise_whatever_the_task_learnt_last(go: Runner) -> None:
    """With frozen weights X_{N,j} must equal X_{j,j}: sampled twice, on purpose, for a method that changes nothing."""
    from methods.textual_inversion import TextualInversionPlusPlus

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.sources.method_source.changed_since", lambda *_: "")  # it refuses what follows
        patch.setattr(TextualInversionPlusPlus, "independent", False)
        prepared, _, executor = go("ti++", n=2)
    assert executor.ran.count("generate") == 3
    assert figures(prepared)["f_mmd/None/None"] == 0.0


def test_only_projections_and_the_new_token_change(go: Runner) -> None:
    prepared, _, _ = go("stamina", n=2, steps=5, weight_decay=0.1)
    trains = [prepared.store.open(s.key) for s in prepared.plan.steps.values() if s.kind == "train"]
    assert set(load_file(str(trains[1].file("token.safetensors")))) == {"embedding"}
    from harness.backbones.text_to_image import TextToImage

    fresh = TextToImage.load(prepared.plan.context.backbone, torch.device("cpu"))
    assert set(load_file(str(trains[1].file("weights.safetensors")))) == set(fresh.projections)


def test_the_report_reads_rows_of_the_schema(go: Runner) -> None:
    from reports.frame import tidy, to_json

    prepared, _, _ = go("stamina,ti++", alone=False)
    rows = json.loads(to_json(tidy(read_cells(prepared.spec.output))))
    wanted = [
        "benchmark",
        "tier",
        "backbone",
        "method",
        "seed",
        "task",
        "metric",
        "value",
        "low",
        "high",
        "n",
        "unit",
        "partial",
    ]
    assert list(rows[0]) == wanted
    for row in rows:
        assert row["low"] is None or row["low"] <= row["value"] <= row["high"]


def test_pending_counts_only_what_the_scores_need(go: Runner) -> None:
    prepared, _, _ = go("ti++", alone=False)
    assert not check(prepared.plan, Store(prepared.store.root)).pending


def test_mini_concepts_of_different_splits_never_meet() -> None:
    tuning = MiniConcepts(people=3, waterfalls=3, split="tuning").tasks()
    bench = MiniConcepts(people=3, waterfalls=3).tasks()
    images = [task.images.load(64) for task in (*tuning, *bench)]
    assert len({image.tobytes() for image in images}) == 12
    assert all(np.array_equal(i, t.images.load(64)) for i, t in zip(images, (*tuning, *bench), strict=True))


def rows(cell: CellResult, metric: str) -> dict[tuple[int | None, int | None], float]:
    return {(r.after, r.task): r.value for r in cell.rows if r.metric == metric and r.layer is None}


def test_the_full_matrix_agrees_with_the_scores(go: Runner) -> None:
    usual, _, _ = go("stamina,ti++", n=3)
    _, _, executor = go("stamina,ti++", n=3, full_matrix=True)
    assert sorted(executor.ran) == ["features", "generate", "score", "score"]  # X_{2,1} of stamina was missing
    small, other, full, tokens = read_cells(usual.spec.output)
    assert (small.method, full.method, tokens.method) == ("stamina", "stamina", "ti++")
    assert not rows(small, "mmd")
    matrix, last = rows(full, "mmd"), rows(full, "a_mmd")
    assert sorted(matrix) == [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3)]
    assert [matrix[3, j] for j in (1, 2, 3)] == [last[None, j] for j in (1, 2, 3)]
    assert [matrix[j, j] for j in (1, 2, 3)] == [rows(full, "learned_mmd")[None, j] for j in (1, 2, 3)]
    means = rows(full, "a_n")
    assert means[None, 2] == pytest.approx((matrix[2, 1] + matrix[2, 2]) / 2)
    assert means[None, 3] == pytest.approx(last[None, None])
    assert [list(t.after) for t in full.tasks] == [[1, 2, 3], [2, 3], [3]]
    kept = rows(tokens, "mmd")  # tokens alone: what was drawn of a concept stays
    assert kept[1, 1] == kept[2, 1] == kept[3, 1]
    assert other.method == "ti++"


def test_figures_can_be_recomputed_from_the_features_that_a_cell_names(go: Runner) -> None:
    prepared, _, _ = go("clora", n=3, alone=False)
    (cell,) = read_cells(prepared.spec.output)
    for task in cell.tasks:
        real, made = load_file(task.real_features)["images"], load_file(task.features[3])["images"]
        assert rows(cell, "a_mmd")[None, task.index] == pytest.approx(1000 * mmd(real, made, "v"), rel=1e-12)
        assert task.generated == task.after[3]
        losses = json.loads(task.training.read_text())["losses"]
        assert [entry["step"] for entry in losses] == [0, 1, 2]
        assert losses[0].keys() == {"step", "sd", "forget"}


def test_changes_are_measured_between_the_kept_weights(go: Runner) -> None:
    prepared, _, _ = go("stamina,cd", n=2, alone=False)
    masked, dense = read_cells(prepared.spec.output)
    assert rows(dense, "interference")[None, 2] == pytest.approx(1.0, abs=0.02)  # a dense change falls everywhere
    assert list(rows(masked, "interference")) == [(None, 2), (None, None)]
    assert 0 <= rows(masked, "overlap")[None, 2] <= 1
    density, mask = rows(masked, "change_density"), rows(masked, "mask_density")
    assert density[None, 1] == pytest.approx(mask[None, 1], abs=0.05)
    layers = {r.layer for r in masked.rows if r.metric == "change_density" and r.layer is not None}
    assert layers == {r.layer for r in masked.rows if r.metric == "plasticity_distance" and r.layer is not None}


def test_two_concepts_in_one_prompt(go: Runner) -> None:
    prepared, _, _ = go("stamina,ti++,ub", n=2, alone=False)
    stamina, tokens, bound = read_cells(prepared.spec.output)
    (composition,) = stamina.compositions
    assert composition.prompt == "a photo of V1 posing next to V2"  # STAMINA is taught without the category word
    assert composition.tasks == (1, 2)
    assert len(list(composition.images.glob("*.png"))) == 4
    assert tokens.compositions[0].prompt == "a photo of V1 person posing next to V2 waterfall"
    assert not bound.compositions  # each concept has weights of its own
    assert prepared.store.open(prepared.plan.cells[2].compositions[0].key).json("none.json")["reason"]


def test_another_order_shares_what_does_not_depend_on_it(go: Runner) -> None:
    prepared, _, _ = go("ti++", n=3, alone=False)
    shuffled, _, _ = go("ti++", n=3, order=2)
    assert shuffled.plan.cells[0].benchmark == "mixed50-order2"
    cells = [cell for cell in read_cells(prepared.spec.output) if cell.order]
    assert {(cell.base, cell.order, cell.benchmark) for cell in cells} == {("mixed50", 2, "mixed50-order2")}
    tasks = prepared.plan.cells[0].tasks
    assert [t.name for t in tasks] != [t.name for t in shuffled.plan.cells[0].tasks]


def test_what_is_unfinished_says_how_far_it_came_and_why(go: Runner, tmp_path: Path) -> None:
    output = tmp_path / "runs"
    go("stamina,ti++", n=2, output=output, fail_at=9, keep_going=True)
    left = read_unfinished(output)
    assert len(left) + len(read_cells(output)) == 2
    (cell,) = [cell for cell in left if cell.reason]
    assert "made to fail" in cell.reason
    assert (cell.benchmark, cell.seed, cell.tasks) == ("mixed50", 0, 2)
    assert 0 <= cell.trained <= 2
    go("stamina,ti++", n=2, output=output)
    assert read_unfinished(output) == []
    assert not list((output / "runs").glob("*.failures.json"))
