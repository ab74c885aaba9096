"""The regression check: tolerances against scipy and by hand, directions, refusals, and the real command."""

from __future__ import annotations

import json
import math
import os
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from warm import bench

from harness import registry
from harness.errors import BenchError, ExitCode, UsageError
from harness.regression import check
from harness.regression.baseline import (
    Baseline,
    Conditions,
    Figure,
    Origin,
    Subset,
    figures_of,
    first_seeds,
    make_baseline,
    read_baseline,
    tolerance,
)
from harness.results import CellResult, Row
from reports.junit import Case, to_junit

SETTING = registry.setting("customization")
SEEDS = (0, 1, 2)
TOY: Mapping[str, tuple[float, ...]] = {
    "a_mmd": (390.0, 400.0, 410.0), "f_mmd": (0.0, 0.0, 0.0), "kid": (0.02, 0.03, 0.025),
    "plasticity_distance": (1.0, 1.1, 1.2), "n_param": (1.18, 1.18, 1.18),
}  # fmt: skip
UNITS = {"a_mmd": "1e-3", "f_mmd": "1e-3", "n_param": "%"}


def cell(seed: int, figures: Mapping[str, float], method: str = "toy") -> CellResult:
    common: dict[str, Any] = {
        "benchmark": "mixed50", "tier": "mini", "backbone": "small", "seed": seed, "partial": True,
    }  # fmt: skip
    rows = [
        Row(**common, method=method, metric=metric, value=value, n=4, unit=UNITS.get(metric, "1"))
        for metric, value in figures.items()
    ]
    # what no check may look at: one task's figure, one layer's, and another metric
    others = {"task": 1}, {"layer": "mid.to_k"}
    rows += [Row(**common, method=method, metric="a_mmd", value=1e6, n=1, unit="1e-3", **other) for other in others]
    rows.append(Row(**common, method=method, metric="train_seconds", value=float(seed), n=4, unit="s"))
    return CellResult(
        **common, title="", method=method, label=f"{method} [rank=2]", options={}, tasks_total=50, tasks=(),
        protocol={"kernel": "cubic"}, rows=tuple(rows),
    )  # fmt: skip


def cells(values: Mapping[str, tuple[float, ...]] = TOY) -> list[CellResult]:
    return [cell(seed, {metric: value[k] for metric, value in values.items()}) for k, seed in enumerate(SEEDS)]


CONDITIONS = Conditions(
    backbone="small", backbone_hash="b" * 64, extractor_hash="e" * 64, tasks="t" * 64, resolution=16, device="cpu",
    dtype="float32", sampling={"steps": 8, "images": 4}, options={"toy": {"rank": 2}},
)  # fmt: skip
ORIGIN = Origin(sources={"toy": "1", "metrics": "2"}, versions={"torch": "2.0"}, platform="Linux x86_64")


def baseline(values: Mapping[str, tuple[float, ...]] = TOY) -> Baseline:
    return make_baseline(Subset(methods={"toy": {}}, seeds=SEEDS), CONDITIONS, ORIGIN, cells(values), SETTING)


def judged(now: Mapping[str, tuple[float, ...]]) -> check.Verification:
    found = cells(now)
    return check.verify(baseline(), figures_of(found, SETTING), check.finished_cells(found))


def verdicts(found: check.Verification) -> dict[str, str]:
    return {j.figure.metric: j.verdict for j in found.judged}


def shifted(metric: str, by: float) -> dict[str, tuple[float, ...]]:
    """The toy figures with one metric moved by so many tolerances."""
    reach, _ = tolerance(TOY[metric], exact=metric == "n_param")
    return {**TOY, metric: tuple(value + by * reach for value in TOY[metric])}


# tolerances


@pytest.mark.parametrize(
    ("values", "quantile"),  # of Student's t at 0.99, as tables print it
    [((390.0, 410.0), 31.821), ((390.0, 400.0, 410.0), 6.965), ((380.0, 390.0, 400.0, 410.0, 420.0), 3.747)],
)
def test_the_tolerance_is_a_bound_on_the_difference_of_two_means(values: tuple[float, ...], quantile: float) -> None:
    n = len(values)
    sd = math.sqrt(sum((v - 400.0) ** 2 for v in values) / (n - 1))
    reach, rule = tolerance(values)
    assert rule == "spread"
    assert reach == pytest.approx(quantile * sd * math.sqrt(2 / n), rel=1e-4)
    assert reach == pytest.approx(stats.t.ppf(0.99, n - 1) * np.std(values, ddof=1) * math.sqrt(2 / n), rel=1e-5)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_one_redrawn_figure_in_a_hundred_is_a_false_alarm(n: int) -> None:
    draw = np.random.default_rng(n)
    before, after = draw.normal(400.0, 7.0, (2, 200_000, n))
    unit, _ = tolerance(tuple(map(float, range(n))))
    reaches = unit / np.std(np.arange(n), ddof=1) * before.std(axis=1, ddof=1)  # the rule is linear in the spread
    difference = after.mean(axis=1) - before.mean(axis=1)
    assert np.mean(difference > reaches) == pytest.approx(0.01, abs=0.001)
    assert np.mean(difference < -reaches) == pytest.approx(0.01, abs=0.001)


def test_with_the_first_seeds_a_redrawn_figure_is_a_false_alarm_no_more_often() -> None:
    n, m = 5, 2
    before, after = np.random.default_rng(0).normal(400.0, 7.0, (2, 200_000, n))
    whole = make_baseline(
        Subset(methods={"toy": {}}, seeds=range(n)), CONDITIONS, ORIGIN,
        [cell(seed, {"a_mmd": 400.0 + seed, "n_param": 1.18}) for seed in range(n)], SETTING,
    )  # fmt: skip
    scored, counted = first_seeds(whole, (0, 1)).figures
    assert (scored.values, scored.mean, scored.sd) == ((400.0, 401.0), 400.5, whole.figures[0].sd)
    assert scored.tolerance == pytest.approx(stats.t.ppf(0.99, n - 1) * scored.sd * math.sqrt(2 / m), rel=1e-5)
    assert counted.tolerance == whole.figures[1].tolerance
    reaches = scored.tolerance / scored.sd * before.std(axis=1, ddof=1)  # the rule is linear in the spread
    difference = after[:, :m].mean(axis=1) - before[:, :m].mean(axis=1)
    assert 0.005 < np.mean(difference > reaches) <= 0.0101
    assert first_seeds(whole, range(n)) == whole


def test_a_check_runs_the_first_of_the_baselines_seeds() -> None:
    part = first_seeds(baseline(), (0, 1))
    same = cells()[:2]
    found = check.verify(part, figures_of(same, SETTING), check.finished_cells(same))
    assert set(verdicts(found).values()) == {"equal"}
    assert check.self_test(part) == len(TOY)
    for seeds in ((1, 2), (0,), (0, 2), (0, 1, 2, 3)):
        with pytest.raises(
            UsageError, match=r"^--seeds [0-9,]+: a check runs the baseline's seeds, 0,1,2, or the first"
        ):
            first_seeds(baseline(), seeds)


def test_without_spread_only_equal_figures_pass() -> None:
    assert tolerance((0.0, 0.0, 0.0)) == (1e-6, "floor")
    reach, rule = tolerance((400.0, 400.0))
    assert (reach, rule) == (4e-4, "floor")
    reach, rule = tolerance((1.0, 1.5), exact=True)  # a count: no spread excuses it
    assert (reach, rule) == (1.25e-6, "exact")


def test_the_baseline_holds_mean_spread_and_values() -> None:
    figures = {figure.metric: figure for figure in baseline().figures}
    assert list(figures) == ["a_mmd", "f_mmd", "kid", "plasticity_distance", "n_param"]
    accuracy = figures["a_mmd"]
    assert (accuracy.mean, accuracy.sd, accuracy.values, accuracy.unit) == (400.0, 10.0, TOY["a_mmd"], "1e-3")
    assert figures["kid"].sd == pytest.approx(0.005)


@pytest.mark.parametrize("values", [(1.0, math.nan, 2.0), (1.0, math.inf, 2.0)])
def test_no_baseline_is_made_of_what_is_no_number(values: tuple[float, ...]) -> None:
    with pytest.raises(BenchError, match=r"toy a_mmd came out as (nan|inf) at seed 1"):
        baseline({**TOY, "a_mmd": values})


def test_no_baseline_is_made_of_a_figure_that_one_seed_lacks() -> None:
    with pytest.raises(BenchError, match="toy kid is missing at seed 2"):
        make_baseline(
            Subset(methods={"toy": {}}, seeds=SEEDS), CONDITIONS, ORIGIN,
            [*cells()[:2], cell(2, {m: v[2] for m, v in TOY.items() if m != "kid"})], SETTING,
        )  # fmt: skip


# verdicts


def test_the_same_figures_are_equal() -> None:
    found = judged(TOY)
    assert set(verdicts(found).values()) == {"equal"}
    assert found.exit_code(strict=True) == ExitCode.DONE
    assert found.summary() == "5 figures: 5 equal."


@pytest.mark.parametrize(
    ("metric", "by", "verdict", "code", "strict"),
    [
        ("a_mmd", 1.02, "regression", 3, 3),
        ("a_mmd", 0.98, "within", 0, 0),
        ("a_mmd", -0.98, "within", 0, 0),
        ("a_mmd", -1.02, "improved", 0, 3),
        ("f_mmd", 1.02, "regression", 3, 3),  # no spread: the least forgetting counts
        ("kid", 1.02, "regression", 3, 3),
        ("kid", -1.02, "improved", 0, 3),
        ("plasticity_distance", 1.02, "changed", 3, 3),
        ("plasticity_distance", -1.02, "changed", 3, 3),
        ("n_param", 1.02, "changed", 3, 3),
        ("n_param", -1.02, "changed", 3, 3),
    ],
)
def test_direction_and_exit_code(metric: str, by: float, verdict: str, code: int, strict: int) -> None:
    found = judged(shifted(metric, by))
    assert verdicts(found).pop(metric) == verdict
    assert {v for m, v in verdicts(found).items() if m != metric} == {"equal"}
    assert (found.exit_code(), found.exit_code(strict=True)) == (code, strict)
    assert found.judged[0].figure.metric == metric  # worst first
    assert found.judged[0].ratio == pytest.approx(abs(by), rel=1e-3)
    assert f"toy {metric}" in found.judged[0].sentence


def test_figures_stand_worst_first() -> None:
    now = {**shifted("a_mmd", 2.0), "kid": shifted("kid", 5.0)["kid"], "n_param": (2.0, 2.0, 2.0)}
    now["plasticity_distance"] = shifted("plasticity_distance", 0.5)["plasticity_distance"]
    found = judged(now)
    assert [j.figure.metric for j in found.judged] == ["kid", "a_mmd", "n_param", "plasticity_distance", "f_mmd"]
    assert found.summary() == "5 figures: 2 regression, 1 changed, 1 within tolerance, 1 equal."


def test_seeds_that_move_apart_are_within_tolerance_but_not_equal() -> None:
    assert verdicts(judged({**TOY, "a_mmd": (391.0, 400.0, 409.0)}))["a_mmd"] == "within"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_a_regression(value: float) -> None:
    found = judged({**TOY, "a_mmd": (390.0, value, -value)})
    assert verdicts(found)["a_mmd"] == "regression"
    assert found.exit_code() == ExitCode.REGRESSION
    assert "not a number" in found.judged[0].sentence
    record = found.judged[0].record()
    assert json.loads(json.dumps(record, allow_nan=False))["now"] is None


def test_a_figure_that_is_not_measured_any_more_fails() -> None:
    found = judged({metric: values for metric, values in TOY.items() if metric != "kid"})
    assert verdicts(found)["kid"] == "changed"
    assert found.exit_code() == ExitCode.REGRESSION
    assert "not measured any more" in found.judged[0].sentence


def test_a_cell_that_did_not_finish_is_no_verdict() -> None:
    some = cells(shifted("a_mmd", 5.0))[:2]
    found = check.verify(baseline(), figures_of(some, SETTING), check.finished_cells(some))
    assert set(verdicts(found).values()) == {"missing"}
    assert found.exit_code() == ExitCode.CELLS_FAILED


def test_a_figure_that_the_baseline_lacks_is_named() -> None:
    found = judged({**TOY, "learned_mmd": (1.0, 2.0, 3.0)})
    assert found.new == ("toy learned_mmd",)
    assert found.exit_code() == ExitCode.DONE


def test_a_new_baseline_beside_the_old_one() -> None:
    new = baseline({k: v for k, v in shifted("a_mmd", -2.0).items() if k != "kid"})
    found = check.moved(baseline(), new)
    assert {m: v for m, v in verdicts(found).items() if v != "equal"} == {"a_mmd": "improved"}
    assert "kid" not in verdicts(found)
    assert check.moved(new, baseline()).new == ("toy kid",)


# the self-test


def test_the_self_test_perturbs_every_figure() -> None:
    assert check.self_test(baseline()) == len(TOY)


@pytest.mark.parametrize(("factor", "what"), [(1e9, "was not reported"), (1e-9, "within its tolerance")])
def test_the_self_test_fails_loudly(factor: float, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = check._judge

    def wrong(figure: Figure, *more: Any) -> check.Judged:
        return judge(figure.model_copy(update={"tolerance": figure.tolerance * factor}), *more)

    monkeypatch.setattr(check, "_judge", wrong)
    with pytest.raises(BenchError, match=what):
        check.self_test(baseline())


# the file


def test_the_file_reads_back_and_gives_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "new" / "b.json"
    baseline().write(path)
    text = path.read_text(encoding="utf-8")
    assert read_baseline(path) == baseline()
    assert read_baseline(path).to_json() == text
    content = json.loads(text)
    assert content["schema_version"] == 1
    assert "t(0.99, n - 1) * sd * sqrt(2 / n)" in content["rules"]["spread"]
    lines = [json.loads(line.strip().rstrip(",")) for line in text.splitlines() if '"metric"' in line]
    assert lines == content["figures"]  # one figure a line
    assert [path.name for path in path.parent.iterdir()] == ["b.json"]


def edited(change: Callable[[dict[str, Any]], object]) -> str:
    content = json.loads(baseline().to_json())
    change(content)
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["damaged", "version control"]),
        ("{", ["damaged"]),
        ("[1]", ["not a baseline"]),
        ('{"a": 1}', ["schema_version"]),
        (edited(lambda c: c.update(schema_version=2)), ["newer version", "update stamina-bench"]),
        (edited(lambda c: c.pop("conditions")), ["damaged", "conditions"]),
        (edited(lambda c: c.update(figures=[])), ["damaged", "figures"]),
        (edited(lambda c: c["figures"][0].update(mean=1.0)), ["damaged", "toy a_mmd", "not those of its values"]),
        (edited(lambda c: c["figures"][0].update(sd=1.0)), ["damaged", "toy a_mmd", "not those of its values"]),
        (edited(lambda c: c["figures"][0]["values"].pop()), ["toy a_mmd", "2 values for 3 seeds"]),
        (edited(lambda c: c["figures"][0].update(metric="b_mmd")), ["damaged", "b_mmd"]),
        (edited(lambda c: c["figures"][0].update(method="other")), ["damaged", "other a_mmd"]),
        (edited(lambda c: c["figures"].append(c["figures"][0])), ["damaged", "twice"]),
        (edited(lambda c: c["figures"][0].update(tolerance=0)), ["damaged", "tolerance"]),
        (edited(lambda c: c["figures"][0].update(tolerance=math.nan)), ["damaged", "tolerance"]),
        (edited(lambda c: c["subset"].update(seeds=[0])), ["damaged", "seeds"]),
        (edited(lambda c: c.update(extra=1)), ["damaged", "extra"]),
    ],
)
def test_a_bad_file_is_one_sentence(text: str, parts: list[str], tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(UsageError) as caught:
        read_baseline(tmp_path / "b.json")
    assert "\n" not in str(caught.value)
    assert all(part in str(caught.value) for part in ("b.json", *parts)), caught.value


def test_a_tolerance_may_be_set_by_hand(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(edited(lambda c: c["figures"][0].update(tolerance=1.0, rule="agreed upon")))
    found = cells({**TOY, "a_mmd": (392.0, 402.0, 412.0)})
    result = check.verify(read_baseline(tmp_path / "b.json"), figures_of(found, SETTING), check.finished_cells(found))
    assert verdicts(result)["a_mmd"] == "regression"


# what makes figures not comparable


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"backbone_hash": "x" * 64}, ["backbone", "xxxxxxxxxxxx"]),
        ({"extractor_hash": "x" * 64}, ["extractor"]),
        ({"tasks": "x" * 64}, ["tasks or their images"]),
        ({"device": "cuda"}, ["device (cpu there, cuda here)"]),
        ({"dtype": "bfloat16"}, ["dtype"]),
        ({"sampling": {"steps": 9, "images": 4}}, ["sampling.steps (8 there, 9 here)"]),
        ({"options": {"toy": {"rank": 4}}}, ["option toy.rank (2 there, 4 here)"]),
        ({"options": {"toy": {"rank": 2, "tau": 1.0}}}, ["option toy.tau (none there, 1.0 here)"]),
    ],
)
def test_other_conditions_are_named(change: dict[str, Any], parts: list[str]) -> None:
    (said,) = check.differences(CONDITIONS, CONDITIONS.model_copy(update=change))
    assert all(part in said for part in parts), said


def test_the_same_conditions_differ_in_nothing_and_a_backbones_name_is_no_condition() -> None:
    assert check.differences(CONDITIONS, CONDITIONS.model_copy(update={"backbone": "elsewhere"})) == []
    assert check.protocol_differences({"kernel": "cubic"}, {"kernel": "linear"}) == [
        "the metrics' protocol, kernel (cubic there, linear here)"
    ]


def test_other_sources_and_versions_are_said() -> None:
    new = ORIGIN.model_copy(update={"sources": {"toy": "3", "metrics": "2"}, "versions": {"torch": "2.1"}})
    assert check.origin_changes(ORIGIN, new) == ["the source of toy", "torch (2.0 there, 2.1 here)"]


# JUnit XML


def test_junit_is_well_formed_whatever_the_text() -> None:
    nasty = 'a <b> & "c" \x00\x1b]]> ü'
    cases = [
        Case("m50.toy", nasty, "failure", "regression", nasty),
        Case("m50.toy", "kid", "error", "missing", "gone"),
        Case("m50.toy", "f_mmd", "passed", "equal", "equal & well"),
    ]
    root = ElementTree.fromstring(to_junit(nasty, cases, {"baseline": nasty}))
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    first, second, third = suite.findall("testcase")
    failure = first.find("failure")
    assert failure is not None
    assert failure.get("type") == "regression"
    assert failure.get("message") == failure.text == nasty.replace("\x00", "\ufffd").replace("\x1b", "\ufffd")
    assert second.find("error") is not None
    assert [child.tag for child in third] == ["system-out"]


# the command

FAST = ("--set", "steps=2", "--set", "batch_size=2", "--set", "sampling.steps=2", "--set", "sampling.images=3")


@pytest.fixture(scope="module")
def made(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `b.json`, made by the real command on the tiny models, and the store behind it."""
    folder = tmp_path_factory.mktemp("verify")
    arguments = [
        "verify", "--update", "--against", "b.json", "--benchmark", "mixed50", "--methods", "stamina,ti++", "--limit",
        "2", "--seeds", "0,1", "--backbone", str(tiny_models / "sd"), "--extractor", str(tiny_models / "clip"), *FAST,
        "--self-test",
    ]  # fmt: skip
    result = bench(*arguments, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "Self-test: each of 13 figures" in result.stderr
    assert "three seeds" in result.stderr
    return folder


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`stamina-bench verify` in this process, beside the store: exit code, stdout, stderr."""
    monkeypatch.chdir(made)
    for name in [name for name in os.environ if name.startswith("STAMINA_BENCH")]:
        monkeypatch.delenv(name)

    def call(*arguments: str) -> tuple[int, str, str]:
        from harness.cli import main

        monkeypatch.setattr(sys, "argv", ["stamina-bench", "verify", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        return int(caught.value.code or 0), captured.out, captured.err

    return call


def altered(made: Path, name: str, change: Callable[[dict[str, Any]], object]) -> str:
    """A copy of the baseline with a change; its name."""
    content = json.loads((made / "b.json").read_text(encoding="utf-8"))
    change(content)
    (made / name).write_text(json.dumps(content), encoding="utf-8")
    return name


def perturbed(content: dict[str, Any], method: str, metric: str, tolerances: float) -> None:
    """Move a figure of the baseline, all seeds alike."""
    (figure,) = [f for f in content["figures"] if (f["method"], f["metric"]) == (method, metric)]
    by = tolerances * figure["tolerance"]
    figure["values"] = [value + by for value in figure["values"]]
    figure["mean"] += by


def test_the_baseline_that_the_command_makes(made: Path) -> None:
    found = read_baseline(made / "b.json")
    assert found.subset.methods == {m: {"steps": 2, "batch_size": 2} for m in ("stamina", "ti++")}
    assert (found.subset.seeds, found.subset.limit) == ((0, 1), 2)
    figures = {(f.method, f.metric): f for f in found.figures}
    scored = {"a_mmd", "f_mmd", "learned_mmd", "kid", "plasticity_distance", "n_param"}
    assert {m for name, m in figures if name == "ti++"} == scored
    assert {m for name, m in figures if name == "stamina"} == scored | {"mask_density"}
    assert len(figures) == 13
    assert figures["stamina", "a_mmd"].sd > 0
    assert figures["ti++", "f_mmd"].values == (0.0, 0.0)
    assert figures["ti++", "f_mmd"].rule == "floor"
    assert figures["stamina", "n_param"].rule == "exact"
    assert set(found.origin.sources) == {"metrics", "stamina", "ti++"}
    assert found.protocol["sampler"].startswith("DDIM, 2 steps")


def test_unchanged_code_passes_with_every_figure_equal(command: Command) -> None:
    code, out, err = command("--against", "b.json", "--junit", "out/v.xml", "--self-test", "--strict")
    assert code == 0, err
    assert out.splitlines()[-1] == "13 figures: 13 equal."
    assert "Self-test" in err
    assert "Passed." in err
    (suite,) = ElementTree.parse("out/v.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("13", "0", "0")
    names = {(case.get("classname"), case.get("name")) for case in suite.findall("testcase")}
    assert ("mixed50.ti++", "f_mmd") in names


def test_fewer_seeds_are_checked_where_that_is_asked_for(command: Command) -> None:
    code, out, err = command("--against", "b.json", "--seeds", "0,1")
    assert (code, out.splitlines()[-1]) == (0, "13 figures: 13 equal."), err
    code, out, err = command("--against", "b.json", "--seeds", "1,0")
    assert (code, out) == (2, "")
    assert "--seeds 1,0: a check runs the baseline's seeds, 0,1, or the first" in err


def test_a_perturbed_figure_fails_the_real_command_with_exit_code_3(made: Path) -> None:
    name = altered(made, "better.json", lambda c: perturbed(c, "stamina", "a_mmd", -1.02))
    arguments = ["verify", "--against", name, "--junit", "v.xml"]
    result = bench(*arguments, cwd=made)
    assert result.returncode == 3, result.stderr
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith(("stamina ", "ti++ "))]
    assert len(rows) == 13
    assert (rows[0][:2], rows[0][-1]) == (["stamina", "a_mmd"], "regression")
    assert {row[-1] for row in rows[1:]} == {"equal"}
    assert result.stdout.splitlines()[-1] == "13 figures: 1 regression, 12 equal."
    (failure,) = ElementTree.parse(made / "v.xml").getroot().iter("failure")
    assert failure.get("type") == "regression"
    assert "stamina a_mmd" in str(failure.text)
    assert "lower is better" in str(failure.text)


def test_an_improvement_passes_and_with_strict_fails(command: Command, made: Path) -> None:
    name = altered(made, "worse.json", lambda c: perturbed(c, "stamina", "a_mmd", 1.02))
    code, out, err = command("--against", name)
    assert code == 0
    assert "1 improved" in out
    assert "verify --update --against worse.json" in err
    code, _, err = command("--against", name, "--strict", "--junit", "s.xml")
    assert code == 3
    assert "FAILED (exit code 3)" in err
    assert len(list(ElementTree.parse("s.xml").getroot().iter("failure"))) == 1


def test_json_is_one_strict_document(command: Command, made: Path) -> None:
    name = altered(made, "n.json", lambda c: perturbed(c, "ti++", "n_param", -2))
    code, out, _ = command("--against", name, "--json", "--quiet")
    found = json.loads(out, parse_constant=lambda text: pytest.fail(text))
    assert code == found["exit_code"] == 3
    first = found["figures"][0]
    assert (first["method"], first["metric"], first["verdict"]) == ("ti++", "n_param", "changed")
    assert first["difference"] == pytest.approx(2 * first["tolerance"], rel=1e-3)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda c: c["conditions"]["options"]["stamina"].update(rank=77), ["option stamina.rank (77 there"]),
        (lambda c: c["conditions"].update(backbone_hash="0" * 64), ["backbone", "000000000000"]),
        (lambda c: c["conditions"].update(extractor_hash="0" * 64), ["extractor", "000000000000"]),
        (lambda c: c["protocol"].update(kernel="linear"), ["protocol, kernel (linear there"]),
    ],
)
def test_another_protocol_is_refused_with_the_remedy(
    change: Callable[[dict[str, Any]], object], parts: list[str], command: Command, made: Path
) -> None:
    code, out, err = command("--against", altered(made, "other.json", change))
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert all(part in err for part in (*parts, "verify --update --against other.json")), err


def test_a_changed_method_is_checked_and_said(command: Command, made: Path) -> None:
    name = altered(made, "source.json", lambda c: c["origin"]["sources"].update(stamina="0"))
    code, _, err = command("--against", name)
    assert code == 0
    assert "Changed since the baseline: the source of stamina" in err


def test_cells_that_fail_are_exit_code_1(command: Command, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.cli.verify.make_pending", lambda *_: ExitCode.CELLS_FAILED)
    code, out, _ = command("--against", "b.json", "-o", "empty", "--junit", "f.xml")
    assert code == 1
    assert out.splitlines()[-1] == "13 figures: 13 missing."
    assert len(list(ElementTree.parse("f.xml").getroot().iter("error"))) == 13
    before = (made / "b.json").read_text(encoding="utf-8")
    code, _, err = command("--update", "--against", "b.json", "-o", "empty")
    assert code == 1
    assert "left as it was" in err
    assert (made / "b.json").read_text(encoding="utf-8") == before


def test_update_runs_the_files_own_subset_again_and_says_what_moved(command: Command, made: Path) -> None:
    name = altered(made, "renew.json", lambda c: perturbed(c, "stamina", "a_mmd", -1.02))
    code, out, err = command("--update", "--against", name)
    assert code == 0, err
    assert "1 regression, 12 equal" in out
    assert (made / name).read_text(encoding="utf-8") == (made / "b.json").read_text(encoding="utf-8")
