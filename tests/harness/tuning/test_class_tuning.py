"""Tuning in the classification setting: all settings of equal spaces are tried, and the highest A_N is chosen."""

from __future__ import annotations

import json
import math
from concurrent.futures import Future
from pathlib import Path

import pytest
from rich.console import Console

from harness import api, registry
from harness.engine.devices import Slot
from harness.engine.display import QuietDisplay
from harness.engine.plan import RunContext, Step
from harness.errors import UsageError
from harness.spec import MethodSpec, RunSpec
from harness.store.store import Store
from harness.tuning import tune
from harness.tuning.tune import Trial, TuningRecord
from methods.parts import records

SETTING = registry.setting("classification")

NAMES = registry.methods("classification").names()
SHIPPED = sorted((records.RECORDS / "classification").glob("*/*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_every_space_has_the_same_size_and_every_trial_the_same_cost(name: str) -> None:
    space = registry.methods("classification").get(name).space_for("classification")
    assert math.prod(map(len, space.values())) == SETTING.space_size
    assert not {"epochs", "batch_size", "rank", "pool", "length"} & set(space)


def test_every_method_has_a_shipped_record() -> None:
    assert {path.stem for path in SHIPPED} == set(NAMES)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_record_is_whole_and_still_fits_its_method(path: Path) -> None:
    record = TuningRecord.model_validate_json(path.read_text())
    plugin = registry.methods("classification").get(record.method)
    space = plugin.space_for("classification")
    assert (record.tier, record.method, record.complete) == (path.parent.name, path.stem, True)
    assert record.criterion == SETTING.criterion
    if json.loads(path.read_text())["version"] >= 3:
        assert (record.budget, len(record.trials)) == (SETTING.trial_budget, SETTING.trial_budget)
    else:  # of before ranges were widened: the whole space
        assert record.budget == len(record.trials) == SETTING.space_size
    assert {k: list(v) for k, v in record.space.items()} == {k: list(v) for k, v in space.items()}
    assert record.fixed == tune.fixed_options(plugin, record.tier, {}, space, "classification")
    best = max(record.trials, key=lambda trial: trial.figures["a_n"] or -1)
    assert record.chosen == best.setting
    options = plugin.options_for("classification").for_tier(record.tier).model_dump()
    assert {k: options[k] for k in record.chosen} == record.chosen


def test_a_higher_accuracy_is_a_better_trial() -> None:
    better, worse, failed = (Trial(setting={}, figures={"a_n": value}) for value in (80.0, 70.0, None))
    assert better.score(SETTING) < worse.score(SETTING) < failed.score(SETTING) == math.inf


class Scorer:
    """An executor that trains nothing: A_N falls with the distance of the learning rate from 0.03."""

    slots = (Slot("cpu", "cpu"),)

    def __init__(self, setting: RunContext, root: Path) -> None:
        self.store = Store(root)

    def submit(self, step: Step, slot: Slot) -> Future[float]:
        with self.store.commit(step.key, step.recipe) as folder:
            if step.kind == "score":
                options = self.store.open(step.parents[-1]).manifest["recipe"]["options"]
                a_n = 90.0 - abs(math.log(options["learning_rate"] / 0.03))
                told = {"figures": [{"metric": "a_n", "value": a_n, "task": None, "layer": None}]}
                (folder / "figures.json").write_text(json.dumps(told))
        future: Future[float] = Future()
        future.set_result(0.1)
        return future

    def restart(self, slot: Slot) -> None:
        raise AssertionError("no worker died")

    def close(self, *, kill: bool = False) -> None:
        pass


def test_the_search_goes_by_a_n(tmp_path: Path) -> None:
    spec = RunSpec(benchmark="objects-tuning5", methods=(MethodSpec(name="l2p"),), output=tmp_path)

    def executor(prepared: api.Prepared) -> Scorer:
        return Scorer(prepared.plan.context, prepared.store.root)

    (record,) = tune.tune(
        spec, SETTING.trial_budget, display=lambda: QuietDisplay(Console(quiet=True)), executor=executor
    )
    assert (record.chosen, record.criterion) == ({"learning_rate": 0.03}, SETTING.criterion)
    assert len(record.trials) == 9
    assert (record.finals_budget, record.at_edge) == (0, ())
    kept = json.loads((tmp_path / "tuning" / "mini" / "l2p.json").read_text())
    assert {name for trial in kept["trials"] for name in trial} == {"setting", "a_n", "error"}
    assert TuningRecord.model_validate(kept) == record


def test_the_benchmark_that_methods_are_compared_on_is_refused(tmp_path: Path) -> None:
    spec = RunSpec(benchmark="imagenet-r20", methods=(MethodSpec(name="l2p"),), output=tmp_path)
    with pytest.raises(UsageError, match="--benchmark objects-tuning5"):
        tune.outline(spec, 6)
