"""Whole runs on tiny random checkpoints, in this process: what is made, kept, reused and resumed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests_support import InlineExecutor

from benchmarks.mini.concepts import MiniConcepts
from harness import api, registry
from harness.display import QuietDisplay
from harness.plan import Plan
from harness.recorded import read_cells, record
from harness.runner import Outcome, check, run
from harness.spec import MethodSpec, RunSpec, Tier
from harness.store import Store

Runner = Callable[..., tuple[api.Prepared, Outcome, InlineExecutor]]
SMALL = {"steps": 3, "batch_size": 2}


@pytest.fixture
def go(tiny_tier: Tier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Runs `methods` on the first n tasks of mixed50 with the tiny models."""
    monkeypatch.setitem(registry.tiers().__dict__, "get", lambda name: tiny_tier)

    def runner(
        methods: str = "stamina", n: int = 2, output: Path | None = None, seeds: tuple[int, ...] = (0,),
        fail_at: int | None = None, keep_going: bool = False, **changes: object,
    ) -> tuple[api.Prepared, Outcome, InlineExecutor]:  # fmt: skip
        specs = tuple(MethodSpec(name=m, changes={**SMALL, **changes}) for m in methods.split(","))
        spec = RunSpec(
            benchmark="mixed50",
            methods=specs,
            seeds=seeds,
            tasks=tuple(range(1, n + 1)),
            output=output or tmp_path / "runs",
        )
        prepared = api.prepare(spec)
        executor = InlineExecutor(prepared.plan.setting, prepared.store.root, fail_at)
        from rich.console import Console

        display = QuietDisplay(Console(quiet=True))
        outcome = run(prepared.plan, prepared.store, executor, prepared.progress, display, keep_going=keep_going)
        record(prepared.spec, prepared.plan)
        return prepared, outcome, executor

    return runner


def figures(prepared: api.Prepared, cell: int = 0) -> dict[str, float]:
    scored = prepared.store.open(prepared.plan.cells[cell].score).json("figures.json")["figures"]
    return {f"{f['metric']}/{f['task']}/{f['layer']}": f["value"] for f in scored if f["metric"] != "train_seconds"}


def test_a_run_gives_every_metric_and_the_same_command_again_does_nothing(go: Runner) -> None:
    first, outcome, _ = go("stamina,clora,ti++")
    assert not outcome.failed
    assert len(outcome.done) == 3
    cells = read_cells(first.spec.output)
    assert [c.method for c in cells] == ["stamina", "clora", "ti++"]
    for cell in cells:
        found = {row.metric for row in cell.rows}
        expected = {
            "a_mmd", "a_mmd_unbiased", "f_mmd", "f_mmd_unbiased", "kid", "n_param", "plasticity_distance",
            "residual_norm", "train_seconds", "noise_floor", "codec_floor",
        }  # fmt: skip
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
    prepared, _, _ = go(method, n=3, steps=6)
    values = figures(prepared)
    distances = [values[f"plasticity_distance/{j}/None"] for j in (1, 2, 3)]
    residuals = [values[f"residual_norm/{j}/None"] for j in (1, 2, 3)]
    assert distances[0] == pytest.approx(residuals[0])
    assert all(r > 0 for r in residuals)
    assert distances[2] <= sum(residuals) + 1e-6  # triangle inequality: W_3 - W_init is the sum of three residuals


def test_a_run_broken_off_anywhere_and_resumed_equals_the_run_never_broken(go: Runner, tmp_path: Path) -> None:
    whole, _, executor = go("stamina", output=tmp_path / "whole")
    for fail_at in range(0, len(executor.ran), 4):
        output = tmp_path / f"broken-{fail_at}"
        _, outcome, _ = go("stamina", output=output, fail_at=fail_at)
        assert outcome.failed
        resumed, outcome, _ = go("stamina", output=output)
        assert not outcome.failed
        assert figures(resumed) == figures(whole)  # bit for bit


def test_the_order_of_steps_does_not_matter(go: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forward, _, _ = go("stamina,ti++", output=tmp_path / "a")
    add = Plan._add

    def reversed_priority(self: Plan, *arguments: object) -> str:
        *rest, priority = arguments
        return add(self, *rest, tuple(-p for p in priority))  # type: ignore[arg-type]

    monkeypatch.setattr(Plan, "_add", reversed_priority)
    backward, _, _ = go("stamina,ti++", output=tmp_path / "b")
    assert [figures(forward, c) for c in (0, 1)] == [figures(backward, c) for c in (0, 1)]


def test_a_damaged_file_is_made_again(go: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    prepared, _, _ = go("ti++")
    before = figures(prepared)
    image = prepared.store.folder(prepared.plan.cells[0].final[0]) / "images" / "00.png"
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
    prepared, _, _ = go("ti++", seeds=(0, 1))
    assert figures(prepared, 0)["a_mmd/None/None"] != figures(prepared, 1)["a_mmd/None/None"]
    again, _, _ = go("ti++", seeds=(1,), output=tmp_path / "again")
    assert figures(again, 0) == figures(prepared, 1)


def test_task_images_start_from_the_same_noise_whatever_the_task_learnt_last(go: Runner) -> None:
    """With frozen weights X_{N,j} must equal X_{j,j}: sampled twice, on purpose, for a method that changes nothing."""
    from methods.textual_inversion import TextualInversionPlusPlus

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextualInversionPlusPlus, "independent", False)
        prepared, _, executor = go("ti++", n=2)
    assert executor.ran.count("generate") == 3
    assert figures(prepared)["f_mmd/None/None"] == 0.0


def test_only_projections_and_the_new_token_change(go: Runner) -> None:
    prepared, _, _ = go("stamina", n=2, steps=5, weight_decay=0.1)
    trains = [prepared.store.open(s.key) for s in prepared.plan.steps.values() if s.kind == "train"]
    assert set(load_file(str(trains[1].file("token.safetensors")))) == {"embedding"}
    from harness.backbones.text_to_image import TextToImage

    fresh = TextToImage.load(prepared.plan.setting.backbone, torch.device("cpu"))
    assert set(load_file(str(trains[1].file("weights.safetensors")))) == set(fresh.projections)


def test_the_report_reads_rows_of_the_schema(go: Runner) -> None:
    from reports.frame import tidy, to_json

    prepared, _, _ = go("stamina,ti++")
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
    prepared, _, _ = go("ti++")
    assert not check(prepared.plan, Store(prepared.store.root)).pending


def test_mini_concepts_of_different_splits_never_meet() -> None:
    tuning = MiniConcepts(people=3, waterfalls=3, split="tuning").tasks()
    bench = MiniConcepts(people=3, waterfalls=3).tasks()
    images = [task.images.load(64) for task in (*tuning, *bench)]
    assert len({image.tobytes() for image in images}) == 12
    assert all(np.array_equal(i, t.images.load(64)) for i, t in zip(images, (*tuning, *bench), strict=True))
