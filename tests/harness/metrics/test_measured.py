"""Values of tasks as figures: intervals by leaving out one image, and what was forgotten, in pairs."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from harness.metrics.measured import Value, edit_figures, measured_figures, part_figures
from harness.metrics.scores import Figure

numbers = st.lists(st.floats(-100, 100), min_size=3, max_size=8)


@given(numbers)
def test_of_a_mean_over_images_the_interval_is_students(values: list[float]) -> None:
    found = Value.of_images(np.array(values)).estimate
    n = len(values)
    half = student.ppf(0.975, n - 1) * statistics.stdev(values) / math.sqrt(n)
    assert (found.value, found.n) == (pytest.approx(statistics.fmean(values), abs=1e-9), n)
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), rel=1e-6, abs=1e-6)


@given(numbers)
def test_a_number_of_all_images_is_made_again_without_each(values: list[float]) -> None:
    mean = Value.left_out(
        statistics.fmean(values), len(values), lambda k: statistics.fmean(values[:k] + values[k + 1 :])
    )
    assert mean.without == pytest.approx(Value.of_images(np.array(values)).without, abs=1e-9)


def test_two_images_or_a_plain_number_have_no_interval() -> None:
    for value in (Value.of_images(np.array([1.0, 3.0])), Value(2.0, 16), Value.left_out(2.0, 2, lambda k: 1.0)):
        (figure, _) = measured_figures("m", "1", higher=True, learned=[], final=[value])[:2]
        assert (figure.value, figure.low, figure.high) == (2.0, None, None)


def figure(found: list[Figure], metric: str, task: int | None) -> Figure:
    (one,) = [each for each in found if each.metric == metric and each.task == task]
    return one


def test_what_was_forgotten_is_what_got_worse_in_pairs_of_images() -> None:
    before, after = np.array([4.0, 5.0, 9.0]), np.array([3.0, 4.0, 8.0])
    tasks = [[Value.of_images(side), Value.of_images(side)] for side in (before, after)]
    fell = measured_figures("m", "1", higher=True, learned=tasks[0], final=tasks[1])
    lost = figure(fell, "m.forgotten", 1)
    assert (lost.value, lost.low, lost.high) == pytest.approx((1.0, 1.0, 1.0))  # each pair differs by 1
    assert (
        figure(measured_figures("m", "1", higher=False, learned=tasks[0], final=tasks[1]), "m.forgotten", 1).value == -1
    )
    assert figure(fell, "m", None).value == pytest.approx(after.mean())
    assert figure(fell, "m.learned", 2).value == pytest.approx(before.mean())
    assert not [each for each in fell if each.metric == "m.forgotten" and each.task == 2]  # the last is not forgotten


def test_the_mean_over_tasks_has_the_interval_of_independent_tasks() -> None:
    values = [Value.of_images(np.array(each)) for each in ([1.0, 2.0, 4.0], [7.0, 7.5, 9.0])]
    found = figure(measured_figures("m", "1", higher=True, learned=values, final=values), "m", None)
    error = math.hypot(*(statistics.stdev(v) / math.sqrt(3) for v in ([1.0, 2.0, 4.0], [7.0, 7.5, 9.0]))) / 2
    assert found.high is not None
    assert found.high - found.value == pytest.approx(student.ppf(0.975, 4) * error)
    assert found.n == 2


def test_one_task_forgets_nothing() -> None:
    (value,) = [Value.of_images(np.array([1.0, 2.0, 3.0]))]
    lost = figure(measured_figures("m", "%", higher=True, learned=[value], final=[value]), "m.forgotten", None)
    assert (lost.value, lost.n, lost.unit) == (0.0, 0, "%")


def test_parts_are_averaged_over_the_tasks_that_have_them() -> None:
    def value(*numbers: float) -> Value:
        return Value.of_images(np.array(numbers))

    learned = [{"nose": value(1.0, 3.0)}, {"count": value(1.0, 1.0)}, {"nose": value(5.0, 5.0)}]
    final = [{"nose": value(0.0, 1.0)}, {"count": value(0.0, 1.0)}, {"nose": value(7.0, 7.0)}]
    found = part_figures("m", "1", higher=True, learned=learned, final=final)
    whole = {(each.metric, each.layer): each.value for each in found if each.task is None}
    assert whole == {
        ("m", "nose"): 3.75, ("m.learned", "nose"): 3.5, ("m.forgotten", "nose"): 1.5,  # of task 1: 3 is the last
        ("m", "count"): 0.5, ("m.learned", "count"): 1.0, ("m.forgotten", "count"): 0.5,
    }  # fmt: skip
    assert {each.task for each in found if each.metric == "m" and each.layer == "nose"} == {1, 3, None}
    assert part_figures("m", "1", higher=True, learned=[], final=[]) == []


def test_edits_are_independent_sets_of_images() -> None:
    one, two = np.array([1.0, 2.0, 6.0]), np.array([0.0, 1.0, 2.0, 9.0])
    found = edit_figures("m", "1", [[Value.of_images(one), Value.of_images(two)], [Value(2.0, 3), Value(4.0, 3)]])
    task = figure(found, "m", 1)
    assert (task.value, task.n) == (pytest.approx((3.0 + 3.0) / 2), 7)
    # the variance of a mean of two independent means is a quarter of the sum of theirs; n - 1 counts all images
    left_out = [(one.sum() - x) / 2 for x in one], [(two.sum() - x) / 3 for x in two]
    moved = [(x - 3.0) / 2 for side in left_out for x in side]
    error = math.sqrt(6 / 7 * sum((m - statistics.fmean(moved)) ** 2 for m in moved))
    assert task.high is not None
    assert (task.high - task.value) / student.ppf(0.975, 6) == pytest.approx(error)
    assert (figure(found, "m", 2).value, figure(found, "m", 2).low) == (3.0, None)
    assert figure(found, "m", None).value == pytest.approx(3.0)
    assert {each.metric for each in found} == {"m"}
