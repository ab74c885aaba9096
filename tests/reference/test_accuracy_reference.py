"""Accuracies, both readings of A_n and of forgetting, and their intervals, by hand and by root finding."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.metrics.accuracy import (
    accuracy_matrix,
    average_accuracy,
    class_figures,
    forgetting_max,
    forgetting_step,
    interval,
    joint_figures,
    wilson,
)
from harness.metrics.scores import Figure

Hits = list[list[NDArray[np.bool_]]]
Z95 = 1.959963984540054


def hits(matrix: Sequence[Sequence[int]], sizes: Sequence[int]) -> Hits:
    """Of counts: how many of each task's test images were recognised after each task."""
    return [[np.arange(n) < k for k, n in zip(row, sizes, strict=False)] for row in matrix]


# after task 1: 8 of 10; after task 2: 5 of 10, 9 of 12; after task 3: 6 of 10, 3 of 12, 4 of 5
COUNTS, SIZES = [[8], [5, 9], [6, 3, 4]], [10, 12, 5]
MATRIX = [[80, None, None], [50, 75, None], [60, 25, 80]]


def value(figures: Sequence[Figure], metric: str, task: int | None = None, after: int | None = None) -> Figure:
    (found,) = [f for f in figures if (f.metric, f.task, f.after) == (metric, task, after)]
    return found


def test_the_matrix_by_hand() -> None:
    matrix = accuracy_matrix(hits(COUNTS, SIZES))
    wanted = np.array([[math.nan if a is None else a for a in row] for row in MATRIX], dtype=float)
    np.testing.assert_allclose(matrix, wanted)
    assert average_accuracy(matrix, 1) == pytest.approx(80)
    assert average_accuracy(matrix, 2) == pytest.approx((50 + 75) / 2)
    assert average_accuracy(matrix, 3) == pytest.approx((60 + 25 + 80) / 3)
    # max minus final: of task 1 the highest is its first, and the last entry is no candidate
    assert forgetting_max(matrix, 1) == pytest.approx(80 - 60)
    assert forgetting_max(matrix, 2) == pytest.approx(75 - 25)
    # what task 2 cost task 1, and what task 3 cost tasks 1 (it gained) and 2
    assert forgetting_step(matrix, 2) == pytest.approx(80 - 50)
    assert forgetting_step(matrix, 3) == pytest.approx(((50 - 60) + (75 - 25)) / 2)


def test_a_task_that_rises_at_last_has_a_negative_forgetting() -> None:
    matrix = accuracy_matrix(hits([[2], [1, 4], [9, 4, 1]], [10, 10, 10]))
    assert forgetting_max(matrix, 1) == pytest.approx(20 - 90)
    assert forgetting_max(matrix, 2) == 0


def test_every_figure_by_hand() -> None:
    figures = class_figures(hits(COUNTS, SIZES))
    assert {f.unit for f in figures} == {"%"}
    for i, row in enumerate(MATRIX, 1):
        for j, wanted in enumerate(row, 1):
            if wanted is None:
                continue
            found = value(figures, "accuracy", j, i)
            assert (found.value, found.n) == (pytest.approx(wanted), SIZES[j - 1])
            assert (found.low, found.high) == wilson(hits(COUNTS, SIZES)[i - 1][j - 1])
    for j, wanted in enumerate((80, 75, 80), 1):
        found = value(figures, "learned_accuracy", j)
        assert (found.value, found.n) == (pytest.approx(wanted), SIZES[j - 1])
    assert value(figures, "learned_accuracy").value == pytest.approx((80 + 75 + 80) / 3)
    assert value(figures, "learned_accuracy").n == 3
    averages = [80, 62.5, 55]
    for n, average in enumerate(averages, 1):
        assert value(figures, "a_n", n).value == pytest.approx(average)
        assert value(figures, "a_n", n).n == n
    assert value(figures, "a_n").value == pytest.approx(55)  # A_N, the last
    assert value(figures, "a_n_mean").value == pytest.approx(sum(averages) / 3)  # the other reading
    assert value(figures, "forgetting_max", 1).value == pytest.approx(20)
    assert value(figures, "forgetting_max", 2).value == pytest.approx(50)
    assert value(figures, "forgetting_max").value == pytest.approx(35)  # of tasks 1 to N - 1
    assert value(figures, "forgetting_step", 2).value == pytest.approx(30)
    assert value(figures, "forgetting_step", 3).value == pytest.approx(20)
    assert value(figures, "forgetting_step").value == pytest.approx(25)  # mean over t of means over j
    assert value(figures, "forgetting_max").n == value(figures, "forgetting_step").n == 2
    assert len(figures) == 6 + 4 + 4 + 1 + 3 + 3  # no other, and none twice
    assert not [f for f in figures if f.metric.startswith("forgetting") and f.task == (3 if "max" in f.metric else 1)]


def test_one_task_has_nothing_to_forget() -> None:
    figures = class_figures(hits([[3]], [4]))
    assert [value(figures, name).value for name in ("a_n", "a_n_mean", "learned_accuracy")] == [75.0] * 3
    assert [value(figures, f"forgetting_{kind}").value for kind in ("max", "step")] == [0.0, 0.0]


def test_a_joint_model_has_its_last_row_alone() -> None:
    last = hits(COUNTS, SIZES)[-1]
    figures = joint_figures(last)
    assert {f.metric for f in figures} == {"accuracy", "a_n"}
    assert [value(figures, "accuracy", j, 3).value for j in (1, 2, 3)] == pytest.approx([60, 25, 80])
    assert value(figures, "a_n").value == value(figures, "a_n", 3).value == pytest.approx(55)
    assert len(figures) == 5
    assert (value(figures, "a_n").low, value(figures, "a_n").high) == interval(last)


# ------------------------------------------------------------------------------------------------------------ intervals


def root(function: object, low: float, high: float) -> float:
    """By bisection, of a function with one change of sign between."""
    assert callable(function)
    for _ in range(200):
        middle = (low + high) / 2
        if (function(low) <= 0) == (function(middle) <= 0):
            low = middle
        else:
            high = middle
    return (low + high) / 2


@pytest.mark.parametrize(("k", "n"), [(0, 5), (1, 5), (5, 5), (13, 40), (39, 40), (250, 300)])
def test_wilsons_interval_is_where_the_score_test_just_rejects(k: int, n: int) -> None:
    """The two p with |k/n - p| = z sqrt(p (1 - p) / n)."""
    share = k / n

    def score(p: float) -> float:
        return abs(share - p) - Z95 * math.sqrt(p * (1 - p) / n)

    low, high = wilson(np.arange(n) < k)
    assert low == pytest.approx(0.0 if k == 0 else 100 * root(score, 1e-12, share - 1e-12), abs=1e-5)
    assert high == pytest.approx(100.0 if k == n else 100 * root(score, share + 1e-12, 1 - 1e-12), abs=1e-5)


def test_the_interval_of_a_mean_over_tasks_by_hand() -> None:
    last = hits(COUNTS, SIZES)[-1]
    error = math.sqrt(sum(p * (1 - p) / (n - 1) for p, n in ((0.6, 10), (0.25, 12), (0.8, 5)))) / 3
    low, high = interval(last)
    assert low == pytest.approx(55 - 100 * Z95 * error)
    assert high == pytest.approx(55 + 100 * Z95 * error)


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says() -> None:
    draw = np.random.default_rng(0)
    shares = (0.3, 0.6, 0.8)
    covered = 0
    for _ in range(1000):
        low, high = interval([draw.random(60) < p for p in shares])
        covered += low <= 100 * sum(shares) / 3 <= high
    assert 920 <= covered <= 975


# ----------------------------------------------------------------------------------------------------------- properties

tasks = st.integers(1, 5)


@st.composite
def results(draw: st.DrawFn) -> Hits:
    count = draw(tasks)
    sizes = [draw(st.integers(1, 6)) for _ in range(count)]
    return [
        [np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n))) for n in sizes[: i + 1]] for i in range(count)
    ]


@given(results())
def test_figures_are_in_bounds_and_inside_their_intervals(found: Hits) -> None:
    for figure in class_figures(found):
        least = -100 if figure.metric.startswith("forgetting") else 0
        assert least <= figure.value <= 100
        if figure.low is not None and figure.high is not None:
            assert 0 <= figure.low <= figure.value + 1e-9
            assert figure.value - 1e-9 <= figure.high <= 100


@given(results())
def test_the_mean_of_a_tasks_forgetting_telescopes(found: Hits) -> None:
    """What all later tasks cost task 1, added up, is what it lost in all; the most it lost is no less."""
    figures, matrix = class_figures(found), accuracy_matrix(found)
    count = len(found)
    for j in range(1, count):
        lost = sum(matrix[t - 1, j - 1] - matrix[t, j - 1] for t in range(j, count))
        assert value(figures, "forgetting_max", j).value >= lost - 1e-9
    if count == 2:
        assert value(figures, "forgetting_step").value == pytest.approx(value(figures, "forgetting_max").value)


@given(tasks, st.integers(1, 6), st.data())
def test_a_constant_accuracy_is_not_forgotten(count: int, n: int, data: st.DataObject) -> None:
    kept = [np.arange(n) < data.draw(st.integers(0, n)) for _ in range(count)]
    figures = class_figures([kept[: i + 1] for i in range(count)])
    assert all(f.value == pytest.approx(0) for f in figures if f.metric.startswith("forgetting"))
    assert value(figures, "a_n").value == pytest.approx(value(figures, "learned_accuracy").value)
    joint = joint_figures(kept)
    assert value(joint, "a_n") == value(figures, "a_n")
