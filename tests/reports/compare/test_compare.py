"""Two runs beside each other: differences and intervals by hand, what differs in words, and what cannot be compared."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from harness.results import CellResult
from reports.compare.runs import Change, Comparison, compare, compare_entries, from_cells, from_reference
from reports.reference import write_reference

Make = Callable[..., CellResult]
T1 = 12.706204736432095  # Student's t, 1 degree of freedom, 97.5 %


def changes(comparison: Comparison) -> Mapping[tuple[str, str], Change]:
    return {(c.label, c.metric): c for _, found in comparison.changes for c in found}


def run(
    make: Make, label: str, values: Sequence[float], tasks: Sequence[Sequence[float]] = (), **other: object
) -> list[CellResult]:
    """One cell a seed: the whole figure, and those of its tasks."""
    curves = [{"a_mmd": list(found)} for found in tasks] or [{}] * len(values)
    return [
        make(label, seed=s, whole={"a_mmd": v, "n_param": 1.0}, curves=curves[s], **other) for s, v in enumerate(values)
    ]


def test_differences_and_intervals_by_hand(make: Make) -> None:
    first = run(make, "cd", [10.0, 20.0], [[8.0, 12.0], [18.0, 22.0]])
    second = run(make, "cd", [7.0, 16.0], [[6.0, 8.0], [15.0, 17.0]])
    change = changes(compare(first, second))["cd", "a_mmd"]
    assert (change.first.mean, change.second.mean, change.difference) == (15.0, 11.5, -3.5)
    seeds, tasks = change.intervals["seeds"], change.intervals["tasks"]
    assert (seeds.low, seeds.high) == (pytest.approx(-3.5 - T1 * 0.5), pytest.approx(-3.5 + T1 * 0.5))  # -3, -4
    # task 1 differs by -2 and -3, task 2 by -4 and -5
    assert (tasks.low, tasks.high) == (pytest.approx(-3.5 - T1), pytest.approx(-3.5 + T1))
    assert change.verdict == "no clear change"
    assert changes(compare(first, second))["cd", "n_param"].verdict == "equal"


@pytest.mark.parametrize(
    ("second", "verdict"),
    [
        ([[6.0, 10.0], [16.0, 20.001]], "better"),
        ([[10.0, 14.0], [20.0, 24.001]], "worse"),
        ([[6.0, 10.0], [17.9, 21.9]], "better (tasks)"),
        ([[8.0, 12.0], [18.0, 22.0]], "equal"),
    ],
)
def test_verdicts(make: Make, second: list[list[float]], verdict: str) -> None:
    one = run(make, "cd", [10.0, 20.0], [[8.0, 12.0], [18.0, 22.0]])
    two = run(make, "cd", [sum(found) / 2 for found in second], second)
    assert changes(compare(one, two))["cd", "a_mmd"].verdict == verdict


def test_seeds_are_matched_and_one_seed_has_no_interval(make: Make) -> None:
    comparison = compare(run(make, "cd", [1.0, 2.0, 3.0]), run(make, "cd", [5.0]))
    change = changes(comparison)["cd", "a_mmd"]
    assert (change.first.mean, change.difference, change.seeds) == (1.0, 4.0, (0,))
    assert change.intervals == {}
    assert change.verdict == "open"
    assert "run seeds: 0, 1, 2 in A, 0 in B (all methods)." in comparison.differences
    other = [make("cd", seed=7, whole={"a_mmd": 9.0})]
    apart = changes(compare(run(make, "cd", [1.0, 2.0]), other))["cd", "a_mmd"]
    assert (apart.difference, apart.seeds, apart.verdict) == (7.5, (), "open")


def test_protocols_options_and_code_in_words(make: Make) -> None:
    same = {"kernel": "degree 3"}
    first = [
        make("cd", whole={"a_mmd": 1.0}, protocol=same | {"note": "x"}, options={"rank": 4, "steps": 1}),
        make("ti", whole={"a_mmd": 1.0}, protocol=same | {"note": "x"}),
        make("gone", whole={"a_mmd": 1.0}),
    ]
    second = [
        make("cd", whole={"a_mmd": 1.0}, protocol=same | {"note": "y"}, options={"rank": 8, "steps": 1, "new": True}),
        make("ti", whole={"a_mmd": 1.0}, protocol=same | {"note": "y"}).model_copy(update={"variant": "b"}),
        make("cd", whole={"a_mmd": 1.0}, tasks=2, total=3, partial=True),
    ]
    found = compare(first, second, names=("old", "new"))
    assert found.warnings == ()
    assert set(found.differences) == {
        "protocol, note: x in old, y in new (all methods).",
        "option rank: 4 in old, 8 in new (cd on toy (mini)).",
        "option new: not there in old, true in new (cd on toy (mini)).",
        "code, checkpoints or device are not the same (ti on toy (mini)).",
    }
    assert found.unmatched == (
        "Only in old: gone on toy (mini).",
        "Only in new: cd on toy (mini, tasks 1-2).",
    )
    renamed = compare(first, [make("went", whole={"a_mmd": 3.0})], rename={"gone": "went"})
    assert changes(renamed)["went", "a_mmd"].difference == 2.0


def test_other_measurements_are_not_compared(make: Make) -> None:
    first = make("cd", whole={"a_mmd": 1.0, "n_param": 1.0}, protocol={"kernel": "degree 3", "sampler": "8 steps"})
    second = make("cd", whole={"a_mmd": 2.0, "n_param": 2.0}, protocol={"kernel": "degree 3", "sampler": "50 steps"})
    found = compare([first], [second])
    assert found.warnings == ("The scores are not comparable: sampler differs (all methods).",)
    assert changes(found)["cd", "a_mmd"].verdict == "not comparable"
    assert changes(found)["cd", "n_param"].verdict == "open"
    assert "WARNING: The scores are not comparable" in found.to_text().split("a_mmd")[0]
    floors = [make("cd", whole={"a_mmd": 1.0, "noise_floor": value}) for value in (0.5, 0.6)]
    assert "real images" in compare(floors[:1], floors[1:]).warnings[0]
    assert compare(floors[:1], floors[:1]).warnings == ()


def test_another_backbone_is_matched_and_said(make: Make) -> None:
    first = make("cd", whole={"a_mmd": 1.0})
    second = first.model_copy(update={"backbone": "big"})
    found = compare([first], [second])
    assert changes(found)["cd", "a_mmd"].difference == 0.0
    assert found.warnings[0].startswith("Not the same backbone")
    both = compare([first, second], [second, first])
    assert both.warnings == ()
    assert len(both.changes[0][1]) == 2
    assert (
        compare([first, second], [first.model_copy(update={"backbone": "third"})]).unmatched[0]
        == "No method is in both."
    )


def test_images_of_the_same_noise_are_paired(make: Make, tmp_path: Path) -> None:
    def cell(name: str, shift: float, real: int = 0) -> CellResult:
        bare = make("cd", tasks=1, whole={"a_mmd": 5.0 + shift}, curves={"a_mmd": [5.0 + shift]})
        x, y = (np.random.default_rng(seed).normal(size=(6, 3)) for seed in (real, 9))
        for kind, features in (("real", x), ("made", y + shift)):
            save_file({"images": features}, str(tmp_path / f"{name}-{kind}.safetensors"))
        paths = {
            "real_features": tmp_path / f"{name}-real.safetensors",
            "features": {1: tmp_path / f"{name}-made.safetensors"},
        }
        return bare.model_copy(update={"tasks": (bare.tasks[0].model_copy(update=paths),)})

    found = changes(compare([cell("a", 0.0)], [cell("b", 0.5)]))["cd", "a_mmd"]
    back = changes(compare([cell("b", 0.5)], [cell("a", 0.0)]))["cd", "a_mmd"]
    forth = found.intervals["(prompt, seed)"]
    assert set(found.intervals) == {"(prompt, seed)"}
    assert forth.low is not None
    assert forth.low == pytest.approx(-(back.intervals["(prompt, seed)"].high or 0))
    other = compare([cell("a", 0.0)], [cell("c", 0.5, real=1)])
    assert "the real images, or what the extractor makes of them" in other.warnings[0]
    assert changes(other)["cd", "a_mmd"].intervals == {}


def test_reference_results_stand_on_either_side(make: Make, tmp_path: Path) -> None:
    cells = run(make, "cd", [10.123456789, 20.0], [[8.0, 12.0], [18.0, 22.0]], options={"rank": 4})
    write_reference(cells, tmp_path)
    same = compare_entries(from_reference(tmp_path), from_cells(cells), names=("reference", "now"))
    assert (same.warnings, same.differences, same.unmatched) == ((), (), ())
    assert {c.verdict for c in changes(same).values()} == {"equal"}
    assert "Nothing: protocols" in same.to_markdown()
    worse = run(make, "cd", [20.0, 30.0], [[18.0, 22.0], [28.0, 32.001]], options={"rank": 8})
    found = compare_entries(from_reference(tmp_path), from_cells(worse))
    assert found.differences == ("option rank: 4 in A, 8 in B (all methods).",)
    assert changes(found)["cd", "a_mmd"].verdict == "worse"


def test_every_form_holds_the_same(make: Make) -> None:
    found = compare(run(make, "c|d", [1.0, 2.0]), run(make, "c|d", [3.0, 5.0]), names=("A", "B"))
    assert r"| c\|d | 1.50 ± 0.71 | 4.00 ± 1.41 | +2.50 |" in found.to_markdown()
    lines = found.to_text().splitlines()
    assert any(line.split()[:2] == ["c|d", "1.50"] for line in lines)
    record = next(csv.DictReader(io.StringIO(found.to_csv())))
    whole = json.loads(found.to_json())
    assert record["difference"] == "0.0"  # n_param stands first, as in the tables
    assert whole["changes"][1]["metric"] == "a_mmd"
    assert whole["changes"][1]["difference"] == 2.5
    assert whole["changes"][1]["seeds_low"] == pytest.approx(2.5 - T1 * 0.5)
    assert whole["changes"][1]["tasks_low"] is None
    assert whole["names"] == ["A", "B"]
