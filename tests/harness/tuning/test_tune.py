"""Tuning: the search's promises, the record, resuming, and one sentence for each mistake."""

from __future__ import annotations

import json
import math
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console
from warm import Command, bench

from harness import api, registry
from harness.engine.devices import Slot
from harness.engine.display import QuietDisplay
from harness.engine.plan import RunContext, Step
from harness.errors import BenchError, StoreError, UsageError
from harness.spec import MethodSpec, RunSpec, Tier
from harness.store.store import Store
from harness.tuning import searches, tune
from harness.tuning.pattern_search import PatternSearch, Point
from harness.tuning.ranges import FURTHEST, allowed, widened
from harness.tuning.tune import TuningRecord
from methods.parts import records, tuned
from methods.stamina import Stamina
from methods.textual_inversion import TextualInversionPlusPlus

SETTING = registry.setting("customization")

STAMINA_SPACE = {"learning_rate": [0.001, 0.003, 0.01], "lambda_forget": [3.0, 30.0, 300.0], "token": ["free", "mlp"]}
TOKEN_SPACE = {"token_learning_rate": [1e-5, 0.001, 0.01, 0.1]}

# ---------------------------------------------------------------------------------------------------------- the search


def search(sizes: list[int], budget: int, score: Mapping[Point, float]) -> PatternSearch:
    """A search run to its end."""
    made = PatternSearch(sizes, budget)
    while asked := made.ask():
        assert made.ask() == asked  # asking twice changes nothing
        made.tell({point: score[point] for point in asked})
    return made


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[int], int, dict[Point, float]]:
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    budget = draw(st.integers(1, 40))
    numbers = st.floats(0, 10) | st.sampled_from([1.0, 2.0, math.inf, math.nan])
    points = list(np.ndindex(*sizes))
    values = draw(st.lists(numbers, min_size=len(points), max_size=len(points)))
    return sizes, budget, dict(zip(points, values, strict=True))


@given(problems())
def test_the_search_keeps_its_budget_and_its_grid_and_ends_at_the_best_it_tried(
    problem: tuple[list[int], int, dict[Point, float]],
) -> None:
    sizes, budget, score = problem
    made = search(sizes, budget, score)
    assert len(made.scores) == min(budget, math.prod(sizes))  # the whole budget, and no point twice
    assert set(made.scores) <= set(score)
    assert next(iter(made.scores)) == made.middle
    again = search(sizes, budget, score)
    assert list(again.scores) == list(made.scores)
    finite = {point: value for point, value in made.scores.items() if math.isfinite(value)}
    assert made.best == (min(finite, key=lambda p: finite[p]) if finite else None)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), min_size=1, max_size=4))
def test_a_separable_convex_score_is_minimised(axes: list[tuple[int, int]]) -> None:
    sizes = [size for size, _ in axes]
    lowest = tuple(min(at, size - 1) for size, at in axes)
    score = {p: float(sum((a - b) ** 2 for a, b in zip(p, lowest, strict=True))) for p in np.ndindex(*sizes)}
    assert search(sizes, math.prod(sizes), score).best == lowest


def test_a_quarter_of_the_built_in_space_finds_a_separable_optimum_near_the_middle() -> None:
    sizes = [3, 3, 4]
    for lowest in [(0, 1, 1), (2, 2, 1), (1, 0, 2), (0, 2, 2)]:
        score = {p: float(sum(abs(a - b) for a, b in zip(p, lowest, strict=True))) for p in np.ndindex(*sizes)}
        assert search(sizes, SETTING.trial_budget, score).best == lowest


def test_a_failed_middle_does_not_end_the_search() -> None:
    assert search([3], 3, {(0,): math.inf, (1,): math.nan, (2,): 5.0}).best == (2,)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(-2, 6)), min_size=1, max_size=3))
def test_an_optimum_beyond_the_range_is_found_where_there_is_room(axes: list[tuple[int, int]]) -> None:
    sizes = [size for size, _ in axes]
    lowest = tuple(min(at, size + 1) for size, at in axes)  # up to two values before a range and two after it

    def score(point: Point) -> float:
        return float(sum((a - b) ** 2 for a, b in zip(point, lowest, strict=True)))

    made = PatternSearch(sizes, 400, room=[(3, 3)] * len(sizes), edges_first=True)
    while made.best != lowest or made.open_sides(lowest):
        asked = made.ask()
        assert asked
        made.tell({point: score(point) for point in asked})
    assert len(made.scores) <= 15 * len(sizes)  # long before the whole grid


def test_edges_are_looked_beyond_first_and_within_the_budget() -> None:
    def run(budget: int, edges_first: bool) -> PatternSearch:
        made = PatternSearch([3, 2], budget, {(0, 0): 1.0}, room=[(2, 2), (1, 1)], edges_first=edges_first)
        while asked := made.ask():
            made.tell({point: float(point != (0, 0)) + 1 for point in asked})
        return made

    made = run(4, edges_first=True)
    assert list(made.scores) == [(0, 0), (-1, 0), (0, -1), (1, 0)]
    assert made.open_sides((0, 0)) == []
    assert run(1, edges_first=True).open_sides((0, 0)) == [(0, -1), (1, -1)]  # the budget is spent: it is said
    assert list(run(4, edges_first=False).scores) == [(0, 0), (-1, 0), (1, 0), (0, -1)]
    for budget in (1, 2, 5, 28):
        assert len(run(budget, edges_first=True).scores) == budget
    assert len(run(99, edges_first=True).scores) == (3 + 2 + 2) * (2 + 1 + 1)


@pytest.mark.parametrize(
    ("values", "before", "after"),
    [
        ((1.0, 10.0, 100.0), [0.1, 0.01, 0.001], [1000.0, 1e4, 1e5]),
        ((0.003, 0.01), [0.0009, 0.0003, 8e-05], [0.03, 0.1, 0.4]),
        ((0.003, 0.006, 0.012), [0.0015, 0.00075, 0.00038], [0.024, 0.048, 0.096]),
        ((4, 8, 16), [2, 1], [32, 64, 128]),
        ((1e5, 1e3), [1e7, 1e9, 1e11], [10.0, 0.1, 0.001]),
        ((0.1,), [], []),
        ((0.0, 1.0), [], []),
        ((1.0, 3.0, 2.0), [], []),
        ((False, True), [], []),
        (("category", "random"), [], []),
    ],
)
def test_a_range_is_widened_by_its_own_steps(values: tuple[Any, ...], before: list[Any], after: list[Any]) -> None:
    assert widened(values, 3, -1) == pytest.approx(before)
    assert widened(values, 3, 1) == pytest.approx(after)
    assert all(type(value) is type(values[0]) for value in widened(values, 3, 1))


def test_a_range_ends_where_an_option_does() -> None:
    assert allowed([1, 2, 5, 3], lambda value: value < 4) == [1, 2]


# ---------------------------------------------------------------------------------------------------------- the tuning


class Scorer:
    """An executor that trains nothing: a cell's A_mmd is `score` of the options it would have trained with."""

    slots = (Slot("cpu", "cpu"),)

    def __init__(self, setting: RunContext, root: Path, fail_at: int | None = None) -> None:
        self.store, self.fail_at, self.scored = Store(root), fail_at, list[Mapping[str, Any]]()

    def score(self, options: Mapping[str, Any]) -> float:
        if options["learning_rate"] == 0.001:
            raise FloatingPointError("the loss is not finite")
        return 100 + abs(math.log(options["lambda_forget"] / 300)) if "lambda_forget" in options else 90.0

    def submit(self, step: Step, slot: Slot) -> Future[float]:
        future: Future[float] = Future()
        try:
            with self.store.commit(step.key, step.recipe) as folder:
                (folder / "figures.json").write_text(json.dumps(self.figures(step)))
            future.set_result(0.1)
        except BaseException as error:
            future.set_exception(error)
        return future

    def figures(self, step: Step) -> dict[str, Any]:
        if step.kind != "score":
            return {}
        if self.fail_at == len(self.scored):
            raise StoreError("The disk is full.")
        trained = self.store.open(step.parents[-1]).manifest["recipe"]
        a_mmd = self.score(trained["options"]) + trained["seed"]
        if step.recipe["tasks"] > tune.SHORT:  # in the long run a weak penalty costs more
            a_mmd += 10 * abs(math.log10(trained["options"].get("lambda_forget", 1.0) / 3000))
        self.scored.append(trained["options"])
        whole = {"task": None, "layer": None}
        return {"figures": [{"metric": "a_mmd", "value": a_mmd, **whole}, {"metric": "f_mmd", "value": 1.0, **whole}]}

    def close(self, *, kill: bool = False) -> None:
        pass


@pytest.fixture
def spec(tiny_tier: Tier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunSpec:
    """Stamina and TI++ with small spaces, on tuning6 with the tiny models."""
    monkeypatch.setitem(registry.tiers().__dict__, "get", lambda name: tiny_tier)
    # the classes are given other spaces here, which a run refuses
    monkeypatch.setattr("harness.sources.method_source.changed_since", lambda *_: "")
    monkeypatch.setattr(Stamina, "search_space", STAMINA_SPACE)
    monkeypatch.setattr(TextualInversionPlusPlus, "search_space", TOKEN_SPACE)
    methods = (MethodSpec(name="stamina", changes={"steps": 7, "rank": 3}), MethodSpec(name="ti++"))
    return RunSpec(benchmark="tuning6", methods=methods, output=tmp_path / "runs")


def go(spec: RunSpec, budget: int = 6, fail_at: int | None = None, record: Path | None = None) -> Any:
    """Runs a tuning with a `Scorer`; gives its records and the options that were scored."""
    made: list[Scorer] = []

    def executor(prepared: api.Prepared) -> Scorer:
        made.append(Scorer(prepared.plan.context, prepared.store.root, fail_at))
        return made[-1]

    def display() -> QuietDisplay:
        return QuietDisplay(Console(quiet=True))

    found = tune.tune(spec, budget, display=display, record=record, executor=executor)
    return found, [options for scorer in made for options in scorer.scored]


def test_the_record_holds_what_was_tried_and_chosen(spec: RunSpec, tmp_path: Path) -> None:
    found, scored = go(spec)
    assert [r.method for r in found] == ["stamina", "ti++"]
    stamina, tokens = found
    path = tmp_path / "runs" / "tuning" / "mini" / "stamina.json"
    assert TuningRecord.model_validate_json(path.read_text()) == stamina
    assert path.read_text() == stamina.json_text()
    assert str(tmp_path) not in path.read_text()
    assert stamina.complete
    assert stamina.space == STAMINA_SPACE
    assert (stamina.space_size, stamina.budget, len(stamina.trials)) == (18, 6, 6)
    assert stamina.fixed.items() >= {"steps": 7, "rank": 3}.items()
    assert not set(stamina.fixed) & set(STAMINA_SPACE)
    assert stamina.trials[0].setting == {"learning_rate": 0.003, "lambda_forget": 30.0, "token": "free"}
    assert stamina.chosen is not None
    assert stamina.chosen["lambda_forget"] == 300.0
    assert stamina.trials[-1].setting["lambda_forget"] == 3000.0  # beyond the edge, at which the best lies
    assert (stamina.widened, stamina.at_edge) == ({"lambda_forget": [3000.0]}, ())
    assert "stamina-bench tune stamina --tier mini --benchmark tuning6" in stamina.note
    assert "--set stamina.steps=7" in stamina.note
    assert [t.figures["a_mmd"] for t in tokens.trials] == [90.0] * 6  # as many as of the other method, of a space of 4
    assert tokens.chosen == tokens.trials[0].setting  # of equals the first
    assert all(options["steps"] == 7 for options in scored if "lambda_forget" in options)


def test_a_record_says_of_which_images_it_is_and_takes_no_others_place(spec: RunSpec, tmp_path: Path) -> None:
    (stamina, _), _ = go(spec, budget=1)
    assert stamina.content == api.prepare(spec).plan.cells[0].content
    path = tmp_path / "runs" / "tuning" / "mini" / "stamina.json"
    kept = json.loads(path.read_text())
    before = {key: value for key, value in kept.items() if key != "content"} | {"version": 1}
    assert TuningRecord.model_validate(before) == stamina.model_copy(update={"content": "", "finals_budget": 6})
    path.write_text(json.dumps(before))
    assert go(spec, budget=1)[0][0] == stamina
    path.write_text(json.dumps(kept | {"content": "0" * 64}))
    with pytest.raises(UsageError, match=r"stamina\.json holds the record of a tuning on other images, or other categ"):
        go(spec, budget=2)
    assert json.loads(path.read_text())["content"] == "0" * 64
    path.write_text(json.dumps(kept | {"version": 4}))
    with pytest.raises(UsageError, match="newer version"):
        go(spec, budget=2)


def test_a_trial_that_fails_is_the_worst_and_recorded(spec: RunSpec) -> None:
    failed = [t for t in go(spec)[0][0].trials if t.setting["learning_rate"] == 0.001]
    assert [(t.figures["a_mmd"], t.figures["f_mmd"], t.error) for t in failed] == [
        (None, None, "the loss is not finite")
    ] * len(failed)
    assert failed


def test_where_all_trials_fail_nothing_is_chosen(spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scorer, "score", lambda self, options: math.nan)
    found, _ = go(spec, budget=3)
    assert [(r.chosen, r.at_edge, r.complete) for r in found] == [(None, (), True)] * 2


def test_the_mean_over_seeds_counts(spec: RunSpec) -> None:
    found, _ = go(spec.model_copy(update={"seeds": (0, 4)}), budget=1)
    assert found[1].trials[0].figures["a_mmd"] == 92.0
    assert found[1].trials[0].spread == {"a_mmd": pytest.approx(math.sqrt(8)), "f_mmd": 0.0}
    kept = json.loads((spec.output / "tuning" / "mini" / "ti++.json").read_text())
    assert set(kept["trials"][0]) == {"setting", "a_mmd", "f_mmd", "spread", "error"}
    assert TuningRecord.model_validate(kept) == found[1]
    assert found[1].seeds == (0, 4)


def test_a_tuning_stopped_anywhere_and_started_again_equals_one_never_stopped(spec: RunSpec, tmp_path: Path) -> None:
    whole, scored = go(spec)
    for fail_at in range(0, len(scored), 3):
        stopped = spec.model_copy(update={"output": tmp_path / f"stopped-{fail_at}"})
        with pytest.raises(BenchError, match="disk is full"):
            go(stopped, fail_at=fail_at)
        resumed, more = go(stopped)
        assert resumed == whole
        assert len(more) < len(scored) or fail_at == 0
    again, nothing = go(spec)
    assert again == whole
    assert nothing == []  # a trial that failed is tried again, and fails again


def test_trials_of_two_versions_of_a_method_are_not_compared(spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    def score(self: Scorer, options: Mapping[str, Any]) -> float:  # meanwhile someone edits the method
        monkeypatch.setattr(Stamina, "source_hash", classmethod(lambda cls: "0" * 64))
        return 90.0 + options["learning_rate"]

    monkeypatch.setattr(Scorer, "score", score)
    with pytest.raises(BenchError, match="source, a model or an image changed while tuning; run the same command"):
        go(spec)


def test_the_best_trials_run_all_tasks_and_the_best_of_those_is_chosen(
    spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score(self: Scorer, options: Mapping[str, Any]) -> float:
        far = 0.1 * abs(math.log(options.get("lambda_forget", 30) / 30)) + 1e3 * options["learning_rate"]
        return far + 5 * (options["token"] == "mlp")

    monkeypatch.setattr(Scorer, "score", score)
    monkeypatch.setattr(searches, "FINALS", 9)  # room for three steps beyond the range
    found, scored = go(spec.model_copy(update={"benchmark": "tuning18"}))
    stamina = found[0]
    assert (stamina.short_tasks, stamina.tasks, stamina.complete) == (6, 18, True)
    assert len(stamina.trials) == 6
    assert len(stamina.finals) == 9
    trials = sorted(stamina.trials, key=lambda t: t.score(SETTING))
    first = stamina.finals[: tune.FINALISTS]
    assert [t.setting for t in first] == [t.setting for t in trials[: tune.FINALISTS]]
    settings = [json.dumps(t.setting) for t in stamina.finals]
    assert len(set(settings)) == len(settings)
    best = min(stamina.finals, key=lambda t: t.score(SETTING))
    assert stamina.chosen == best.setting
    assert stamina.trials[0].setting["lambda_forget"] == 30.0  # the best of the short run ...
    assert stamina.chosen["lambda_forget"] == 3000.0  # ... is not that of the long one, which lies beyond the range
    assert 30000.0 in stamina.widened["lambda_forget"]
    assert "lambda_forget" not in stamina.at_edge
    assert len(scored) == sum(len(r.trials) + len(r.finals) for r in found)
    again, nothing = go(spec.model_copy(update={"benchmark": "tuning18"}))
    assert (again, nothing) == (found, [])


def test_forgetting_is_reported_and_not_counted_a_second_time() -> None:
    def trial(a_mmd: float | None, f_mmd: float | None) -> float:
        return tune.Trial(setting={}, figures={"a_mmd": a_mmd, "f_mmd": f_mmd}).score(SETTING)

    assert trial(100.0, 20.0) == 100.0
    assert trial(None, None) == math.inf
    assert trial(367.8, 25.5) < trial(376.1, 6.5)  # by A + F the other would be chosen, worse in A


def test_a_larger_budget_goes_on_where_the_smaller_one_ended(spec: RunSpec) -> None:
    small, _ = go(spec, budget=4)
    large, _ = go(spec, budget=6)
    assert large[0].trials[:3] == small[0].trials[:3]


def test_an_adopted_record_is_the_tiers_default(spec: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "RECORDS", tmp_path / "tuned")
    assert tuned("stamina", steps=60) == {"mini": {"steps": 60}}
    found, _ = go(spec, record=tmp_path / "tuned" / "mini")
    assert tuned("stamina", steps=60) == {"mini": {"steps": 60, **found[0].chosen}}
    assert tuned("ti++") == {"mini": found[1].chosen}
    (tmp_path / "tuned" / "mini").rename(tmp_path / "tuned" / "paper")
    assert tuned("stamina", steps=60)["paper"] == {**found[0].fixed, **found[0].chosen}
    (tmp_path / "tuned" / "paper" / "ti++.json").write_text("{")
    with pytest.raises(UsageError, match="damaged"):
        tuned("ti++")


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"benchmark": "mixed50"}, ["compared on", "--benchmark tuning6"]),
        ({"methods": (MethodSpec(name="probe"),)}, ["'probe'", "search_space"]),
        ({"methods": (MethodSpec(name="stamina", changes={"token": "mlp"}),)}, ["token", "leave it out"]),
    ],
)
def test_a_mistake_is_one_sentence(
    changes: dict[str, Any], parts: list[str], spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Probe(Stamina):
        search_space = {}  # noqa: RUF012

    get = registry.methods().get
    monkeypatch.setitem(registry.methods().__dict__, "get", lambda name: Probe if name == "probe" else get(name))
    with pytest.raises(UsageError) as error:
        go(spec.model_copy(update=changes))
    assert all(part in str(error.value) for part in parts), error.value
    assert not (spec.output / "tuning").exists()


@pytest.mark.parametrize("space", [{"learning_rate": []}, {"rank": [4, 4.0]}, {"rnk": [1]}, {"rank": [0, 1]}])
def test_a_space_that_cannot_be_searched_is_said(
    space: dict[str, Any], spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TextualInversionPlusPlus, "search_space", space)
    with pytest.raises(UsageError, match=r"ti\+\+.*(rank|learning_rate)"):
        go(spec)


def test_one_file_for_two_methods_and_an_unwritable_place_are_refused(spec: RunSpec, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name a folder"):
        go(spec, record=tmp_path / "a.json")
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UsageError, match="cannot be written"):
        go(spec, record=tmp_path / "taken")
    single = spec.model_copy(update={"methods": spec.methods[1:]})
    go(single, record=tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())["method"] == "ti++"
    other = spec.model_copy(update={"methods": spec.methods[:1]})
    with pytest.raises(UsageError, match=rf"holds the record of a tuning of ti\+\+ on {spec.benchmark}; choose "):
        go(other, record=tmp_path / "a.json")


# ------------------------------------------------------------------------------------------------- the built-in methods


def test_only_the_ablations_have_nothing_to_tune_and_take_staminas_options() -> None:
    rest = sorted(set(registry.methods().names()) - set(tune.searchable()))
    assert rest == sorted(name for name in registry.methods().names() if name.startswith("stamina-no-"))
    full = registry.methods().get("stamina").options_class.for_tier("mini").model_dump()
    for name in rest:
        ablated = registry.methods().get(name).options_class.for_tier("mini").model_dump()
        assert sum(ablated[option] != value for option, value in full.items()) == 1


@pytest.mark.parametrize("name", tune.searchable())
def test_every_method_has_a_space_of_the_same_size_and_every_setting_is_valid(name: str) -> None:
    plugin = registry.methods().get(name)
    assert math.prod(len(values) for values in plugin.search_space.values()) == SETTING.space_size
    outline = tune.outline(RunSpec(benchmark="tuning6", methods=(MethodSpec(name=name),)))
    assert outline[0].space_size == SETTING.space_size
    assert not {"steps", "batch_size"} & set(plugin.search_space)  # a trial of one method costs what another's does


def test_c_lora_and_stamina_search_the_same_grid_of_lambda_forget() -> None:
    for setting in ("customization", "classification"):
        spaces = [registry.methods(setting).get(name).space_for(setting) for name in ("clora", "stamina")]
        assert spaces[0]["lambda_forget"] == spaces[1]["lambda_forget"]


def test_every_method_gets_the_same_trials_wherever_its_ranges_begin(
    tiny_tier: Tier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.tiers().__dict__, "get", lambda name: tiny_tier)

    def score(self: Scorer, options: Mapping[str, Any]) -> float:  # always better further out
        return 200.0 - math.log10(options["token_learning_rate"]) + 0.1 * options.get("learning_rate", 0)

    monkeypatch.setattr(Scorer, "score", score)
    monkeypatch.setattr(searches, "FINALS", 9)
    names = ["clora", "ti++"]
    spec = RunSpec(
        benchmark="tuning18", methods=tuple(MethodSpec(name=name) for name in names), output=tmp_path / "runs"
    )
    found, _ = go(spec, budget=SETTING.trial_budget)
    assert {r.method: (len(r.trials), len(r.finals)) for r in found} == dict.fromkeys(names, (9, 9))
    assert {(r.budget, r.finals_budget) for r in found} == {(9, 9)}
    for record in found:
        rates = record.space["token_learning_rate"]
        assert record.chosen is not None
        assert record.chosen["token_learning_rate"] >= max(rates)
        beyond = record.widened.get("token_learning_rate", ())
        assert beyond
        assert len([value for value in beyond if value > max(rates)]) <= FURTHEST
        assert ("token_learning_rate" in record.at_edge) == (record.chosen["token_learning_rate"] == max(beyond))


@pytest.mark.parametrize("path", sorted(records.RECORDS.glob("*/*.json")), ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_shipped_record_is_whole_and_still_fits_its_method(path: Path) -> None:
    record = TuningRecord.model_validate_json(path.read_text())
    plugin = registry.methods().get(record.method)
    assert (record.tier, record.method) == (path.parent.name, path.stem)
    assert record.complete
    assert record.budget == SETTING.trial_budget
    assert record.chosen is not None
    if json.loads(path.read_text())["version"] >= 3:  # records of before keep the space they were made with
        assert {k: list(v) for k, v in record.space.items()} == {k: list(v) for k, v in plugin.search_space.items()}
        assert (record.finals_budget, len(record.seeds), record.criterion) == (tune.FINALS, 2, SETTING.criterion)
    assert record.fixed == tune.fixed_options(plugin, record.tier, {}, record.space)
    options = plugin.options_class.for_tier(record.tier).model_dump()
    assert {k: options[k] for k in record.chosen} == record.chosen


# ---------------------------------------------------------------------------------------------------- the command line

PROBE = """
from methods.textual_inversion import TextualInversionPlusPlus
class Probe(TextualInversionPlusPlus):
    search_space = {"token_learning_rate": [0.001, 0.01], "token_init": ["random", "category"]}
"""
FAST = ["--set", "steps=2", "--set", "batch_size=2", "--set", "sampling.steps=2", "--set", "sampling.images=3"]


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder with a method `probe:Probe` and two concepts of two photographs."""
    (tmp_path / "probe.py").write_text(PROBE)
    draw = np.random.default_rng(0)
    for concept in ("cat", "vase"):
        (tmp_path / "photos" / concept).mkdir(parents=True)
        for index in range(2):
            pixels = draw.integers(0, 256, (40, 60, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / concept / f"{index}.png")
    return tmp_path


def test_tune_end_to_end_and_again_for_nothing(workplace: Path, tiny_models: Path) -> None:
    arguments = [
        "tune",
        "probe:Probe",
        "-b",
        "photos",
        "--backbone",
        tiny_models / "sd",
        "--budget",
        3,
        "--seeds",
        0,
        *FAST,
    ]
    plan = bench(*arguments, "--dry-run", cwd=workplace)
    assert plan.returncode == 0, plan.stderr
    assert "3 trials, from 4 settings" in plan.stdout
    assert re.search(r"at most about \d+ s here: 3 trials of \d tasks for each method, 1 seed; what two", plan.stdout)
    assert not (workplace / "runs").exists()
    first = bench(*arguments, cwd=workplace)
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("*") >= 1
    assert "--set probe:Probe.token_learning_rate=" in first.stdout
    assert "4 settings in its search space" in first.stderr
    record = workplace / "runs" / "tuning" / "mini" / "probe-Probe.json"
    kept = record.read_text()
    assert str(workplace) not in kept
    steps = set((workplace / "runs" / "store" / "steps").glob("*/*"))
    again = bench(*arguments, "--json", cwd=workplace)
    assert again.returncode == 0, again.stderr
    assert [json.loads(kept)] == json.loads(again.stdout)
    assert set((workplace / "runs" / "store" / "steps").glob("*/*")) == steps


def test_ctrl_c_says_how_to_go_on(workplace: Path, tiny_models: Path) -> None:
    arguments = ["tune", "probe:Probe", "-b", "photos", "--backbone", str(tiny_models / "sd"), "--set", "steps=100000"]
    command = Command(*arguments, cwd=workplace)
    while command.poll() is None and not list(workplace.glob("runs/store/steps/*/*/manifest.json")):
        time.sleep(0.05)
    time.sleep(0.5)
    command.send_signal(signal.SIGINT)
    ended = command.wait()
    assert ended.returncode == 130, ended.stderr
    assert "To go on: stamina-bench tune probe:Probe" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["stamna"], ["stamna", "stamina"]),
        (["probe:Probe", "-b", "mixed50"], ["--benchmark tuning6"]),
        (["probe:Probe", "--tier", "paper"], ["tuning18", "--tier mini"]),
        (["probe:Probe", "--budget", "0"], ["--budget"]),
        (["probe:Probe", "--set", "token_init=random"], ["token_init", "leave it out"]),
    ],
)
def test_a_mistake_at_the_command_line(arguments: list[str], parts: list[str], workplace: Path) -> None:
    result = bench("tune", *arguments, cwd=workplace)
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    lines = result.stderr.strip().splitlines()
    assert all(part in lines[-1] for part in parts), lines


def test_neither_tuning_nor_its_records_import_torch() -> None:
    code = "import sys, harness.tuning.tune; from methods import parts\n"
    code += "parts.tuned('x'); assert 'torch' not in sys.modules"
    code += "\nparts.tuned('x')"
    subprocess.run([sys.executable, "-c", code], check=True)
