"""Labels that are cut, and stay apart."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.formats.short_labels import apart, without_shared

SOLVERS = ["ub [sampling.solver=dpmpp]", "ub [sampling.solver=unipc]"]


@pytest.mark.parametrize("room", [12, 16, 20, 25])
def test_variants_lose_what_they_share(room: int) -> None:
    first, second = apart(SOLVERS, room)
    assert max(len(first), len(second)) <= room
    assert first.startswith("ub ")
    assert "dpmpp" in first
    assert "unipc" in second


def test_what_has_room_stays_whole_and_in_its_place() -> None:
    assert apart(["stamina", *SOLVERS, "cd"], 26) == ["stamina", *SOLVERS, "cd"]
    cut = apart(["stamina", *SOLVERS, "cd"], 20)
    assert (cut[0], cut[3]) == ("stamina", "cd")


def test_labels_that_differ_in_the_middle_only() -> None:
    labels = [f"{'a' * 30}{k}{'b' * 30}" for k in range(12)]
    cut = apart(labels, 12)
    assert len(set(cut)) == 12
    assert all(str(k) in text for k, text in enumerate(cut))


def test_a_label_that_comes_twice_stays_one() -> None:
    assert apart(["abcdefghij"] * 2, 7) == ["abc…hij"] * 2


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("ab=", min_size=1, max_size=30), max_size=12), st.integers(6, 20))
def test_different_labels_stay_different(labels: list[str], room: int) -> None:
    cut = apart(labels, room)
    assert all(len(text) <= room for text in cut)
    assert len(set(cut)) == len(set(labels))


def test_options_that_all_labels_have_are_told_once() -> None:
    labels = ["ub [betas=(0.9, 0.99), solver=ddim, steps=30]", "ub [solver=unipc, steps=30] (2)", "ti++ [steps=30]"]
    assert without_shared(labels) == (
        ["ub [betas=(0.9, 0.99), solver=ddim]", "ub [solver=unipc] (2)", "ti++"],
        ["steps=30"],
    )


@pytest.mark.parametrize(
    "labels",
    [
        ["ub [steps=30]"],
        ["ub [steps=30]", "ti++"],
        ["ub [steps=30]", "ti++ [steps=300]"],
        ["ub", "ub", "ti++ [steps=30]"],
        ["mine [narrow]", "ti++ [narrow]"],
        [],
    ],
)
def test_what_not_all_labels_have_stays(labels: list[str]) -> None:
    assert without_shared(labels) == (labels, [])
