"""Trackers: what they are told, that one that fails is left out, and what each of the three programs is given."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from in_process import bench, refused
from tests_support import raises_sentence

import stamina_bench as sb
from harness import registry
from harness.front.tracker_names import wanted_trackers
from harness.results import CellResult
from harness.spec import Tier
from harness.tracker import CellScored, RunBegan, RunEnded, TaskTrained, Tracker
from harness.trackers import mlflow, tensorboard, wandb

FEW = {"steps": 2, "sampling.images": 3, "sampling.steps": 1}
BEGAN = RunBegan("a-run", Path("tracking"), {"benchmark": "tuning6"}, (("ti", 0), ("ti", 1)))
TRAINED = TaskTrained("ti", 1, 2, ({"step": 0, "sd": 0.5}, {"step": 3, "sd": 0.25}), {"final_loss": 0.25}, 1.5)
SCORED = CellScored("ti", 1, {"a_mmd": 0.4})


class Kept(Tracker):
    def __init__(self) -> None:
        self.events: list[Any] = []

    began = trained = scored = ended = lambda self, event: self.events.append(event)


class Broken(Tracker):
    def trained(self, event: TaskTrained) -> None:
        raise ValueError("the server is gone")


@pytest.fixture
def run(tiny_tier: Tier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    tiers = SimpleNamespace(get=lambda name: tiny_tier, names=lambda: ["mini"])
    monkeypatch.setattr("harness.registry.tiers", lambda: tiers)
    monkeypatch.chdir(tmp_path)
    return lambda **more: sb.run("tuning6", "ti", limit=2, options=FEW, quiet=True, seeds=[0, 1], **more)


def test_a_tracker_is_told_of_every_training_and_figure_and_a_broken_one_stops_nothing(
    run: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    kept = Kept()
    results = run(track=[kept, Broken()])
    began, *rest, ended = kept.events
    labels = {cell.label for cell in results.cells}
    assert (began.cells, ended) == (tuple((label, seed) for label in labels for seed in (0, 1)), RunEnded())
    assert began.spec["benchmark"] == "tuning6"
    assert began.folder == Path("runs/tracking/Kept")
    trained = [event for event in rest if isinstance(event, TaskTrained)]
    assert {(event.seed, event.task) for event in trained} == {(0, 1), (0, 2), (1, 1), (1, 2)}
    assert all([row["step"] for row in event.losses] == [0, 1] for event in trained)
    assert all(event.measures["final_loss"] == event.losses[-1]["sd"] for event in trained)
    scored = {event.seed: event.figures for event in rest if isinstance(event, CellScored)}
    assert scored == {cell.seed: whole(cell) for cell in results.cells}
    said = capsys.readouterr().err
    assert said.count("The tracker Broken failed and is left out from here on: the server is gone") == 1
    kept.events.clear()
    run(track=[kept])
    assert kept.events == []  # there was nothing to do


def whole(cell: CellResult) -> dict[str, float]:
    rows = (row for row in cell.rows if row.task is None and row.layer is None and row.unit != "s")
    return {row.metric: row.value for row in rows}


def test_names_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    raises_sentence(lambda: wanted_trackers("tensorbord"), "Unknown tracker 'tensorbord'", "tensorboard")
    raises_sentence(lambda: wanted_trackers([3]), "3 cannot be used as a tracker")  # type: ignore[list-item]
    monkeypatch.setattr(wandb.WeightsAndBiases, "packages", {"no_such_package": "no-such"})
    raises_sentence(
        lambda: wanted_trackers("wandb"), "The tracker 'wandb' needs no_such_package", "pip install 'no-such'"
    )
    refused(bench("run", "tuning6", "--track", "nothing"), "Unknown tracker 'nothing'")
    assert registry.trackers().names() == ["mlflow", "tensorboard", "wandb"]
    assert wanted_trackers(None) == wanted_trackers("") == {}


def events_of(tracker: Tracker) -> None:
    for hook, event in (("began", BEGAN), ("trained", TRAINED), ("scored", SCORED), ("ended", RunEnded())):
        getattr(tracker, hook)(event)


class Calls:
    """An object of any such program: remembers how it was made and called."""

    def __init__(self, log: list[Any], name: str) -> None:
        self._log, self._name = log, name
        self.summary = SimpleNamespace(update=lambda figures: log.append((name, "summary", figures)))

    def __getattr__(self, hook: str) -> Callable[..., Any]:
        return lambda *given, **more: self._log.append((self._name, hook, *given, *([more] if more else [])))


def test_tensorboard_has_a_writer_for_each_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[Any] = []
    fake = ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = lambda folder: Calls(log, Path(folder).as_posix())  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    events_of(tensorboard.TensorBoard())
    home = "tracking/a-run/ti-seed1"
    assert log == [
        (home, "add_scalar", "loss/sd", 0.5, 0), (home, "add_scalar", "loss/sd", 0.25, 3),
        (home, "add_scalar", "task/final_loss", 0.25, 2), (home, "add_scalar", "figure/a_mmd", 0.4),
        ("tracking/a-run/ti-seed0", "close"), (home, "close"),
    ]  # fmt: skip


def test_wandb_has_a_run_for_each_cell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log: list[Any] = []
    monkeypatch.chdir(tmp_path)
    fake = ModuleType("wandb")
    fake.init = lambda **given: (log.append(given), Calls(log, given["name"]))[1]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", fake)
    events_of(wandb.WeightsAndBiases())
    assert [(made["name"], made["group"], made["config"]) for made in log[:2]] == [
        ("ti seed 0", "a-run", {"benchmark": "tuning6"}), ("ti seed 1", "a-run", {"benchmark": "tuning6"})
    ]  # fmt: skip
    assert log[2:] == [
        ("ti seed 1", "log", {"task": 2, "loss/sd": 0.25, "task/final_loss": 0.25}),
        ("ti seed 1", "summary", {"a_mmd": 0.4}), ("ti seed 0", "finish"), ("ti seed 1", "finish"),
    ]  # fmt: skip


def test_mlflow_has_a_run_for_each_cell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log: list[Any] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    class Client(Calls):
        def __init__(self, place: str) -> None:
            super().__init__(log, place)

        def get_experiment_by_name(self, name: str) -> None:
            return None

        def create_experiment(self, name: str) -> str:
            return f"of {name}"

        def create_run(self, experiment: str, run_name: str) -> Any:
            return SimpleNamespace(info=SimpleNamespace(run_id=f"{experiment}: {run_name}"))

    fake = ModuleType("mlflow.tracking")
    fake.MlflowClient = Client  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", ModuleType("mlflow"))
    monkeypatch.setitem(sys.modules, "mlflow.tracking", fake)
    events_of(mlflow.MLflow())
    place, run = f"sqlite:///{tmp_path / 'tracking' / 'mlflow.db'}", "of a-run: ti seed 1"
    assert log == [
        (place, "log_metric", run, "loss/sd", 0.25, {"step": 2}),
        (place, "log_metric", run, "task/final_loss", 0.25, {"step": 2}), (place, "log_metric", run, "a_mmd", 0.4),
        (place, "set_terminated", run),
    ]  # fmt: skip
