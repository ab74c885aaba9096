"""Paired differences of MMD, held against double loops and a jackknife that starts anew for every image left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.metrics.mmd import jackknife, mean_of, mmd
from harness.metrics.paired import Form, difference, leave_one_out, mean_difference

Rows = NDArray[np.float64]
FORMS: tuple[Form, ...] = ("v", "u")
T2 = 4.302652729911275  # Student's t, 2 degrees of freedom, 97.5 %
T6 = 2.4469118511449786  # 6 degrees of freedom


def features(seed: int, n: int, d: int, shift: float = 0.0) -> Rows:
    """(n, d) normal features."""
    return np.random.default_rng(seed).normal(shift, 1.0, (n, d))


def by_loops(x: Rows, y: Rows, form: Form) -> float:
    """MMD^2, one product at a time."""

    def kernel(a: Rows, b: Rows) -> float:
        return (sum(float(p) * float(q) for p, q in zip(a, b, strict=True)) / len(a) + 1.0) ** 3

    def own(z: Rows) -> float:
        values = [kernel(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if form == "v" or i != j]
        return sum(values) / len(values)

    cross = [kernel(a, b) for a in x for b in y]
    return own(x) + own(y) - 2 * sum(cross) / len(cross)


def without(y: Rows, k: int) -> Rows:
    return np.delete(y, k, axis=0)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31), n=st.integers(2, 6), m=st.integers(3, 7), d=st.integers(1, 5),
    form=st.sampled_from(FORMS),
)  # fmt: skip
def test_difference_equals_a_jackknife_from_scratch(seed: int, n: int, m: int, d: int, form: Form) -> None:
    x, y1, y2 = features(seed, n, d), features(seed + 1, m, d, 0.5), features(seed + 2, m, d)
    left_out = [by_loops(x, without(y1, k), form) - by_loops(x, without(y2, k), form) for k in range(m)]
    mean = sum(left_out) / m
    error = ((m - 1) / m * sum((v - mean) ** 2 for v in left_out)) ** 0.5
    found = difference(leave_one_out(x, y1)[form], leave_one_out(x, y2)[form])
    assert found.value == pytest.approx(by_loops(x, y1, form) - by_loops(x, y2, form), rel=1e-9, abs=1e-9)
    assert found.error == pytest.approx(error, rel=1e-8, abs=1e-9)
    assert found.n == m


@pytest.mark.parametrize("form", FORMS)
def test_leave_one_out_values_are_those_of_mmd(form: Form) -> None:
    x, y = features(0, 9, 16).astype(np.float32), features(1, 12, 16, 0.3).astype(np.float32)
    found = leave_one_out(x, y)[form]
    assert found.value == pytest.approx(mmd(x, y, form), rel=1e-12)
    np.testing.assert_allclose(found.without, [mmd(x, without(y, k), form) for k in range(12)], rtol=1e-11)


@pytest.mark.parametrize("form", FORMS)
def test_one_method_alone_has_the_interval_of_the_score(form: Form) -> None:
    """Against a constant the paired jackknife is the ordinary one."""
    x, y = features(0, 5, 4), features(1, 8, 4, 0.3)
    constant = leave_one_out(x, np.repeat(features(2, 1, 4), 8, axis=0))[form]
    found = difference(leave_one_out(x, y)[form], constant)
    expected = jackknife(x, y, form)
    assert found.error == pytest.approx(expected.error, rel=1e-9)
    assert found.high - found.low == pytest.approx(expected.high - expected.low, rel=1e-9)


def test_three_images_by_hand() -> None:
    # d = 1, k(a, b) = (ab + 1)^3, x = 0, 0: k = 1 wherever x is. V: MMD = 1 + mean K_yy - 2.
    x = np.zeros((2, 1))
    y1, y2 = np.array([[0.0], [0.0], [1.0]]), np.zeros((3, 1))
    first, second = leave_one_out(x, y1)["v"], leave_one_out(x, y2)["v"]
    assert first.value == pytest.approx((8 + 8) / 9 - 1)  # K_yy: eight times 1 and once 2^3
    np.testing.assert_allclose(first.without, [(3 + 8) / 4 - 1, (3 + 8) / 4 - 1, 0.0])
    assert second.value == 0.0
    found = difference(first, second)
    # left out: 7/4, 7/4, 0; their mean 7/6; squares (7/12)^2 twice and (7/6)^2
    error = (2 / 3 * (2 * (7 / 12) ** 2 + (7 / 6) ** 2)) ** 0.5
    assert found.error == pytest.approx(error)
    assert found.high == pytest.approx(7 / 9 + T2 * error)
    # U: the diagonal stays out, all other entries of K_yy are 1, so nothing tells the two apart
    both = [leave_one_out(x, y)["u"] for y in (y1, y2)]
    assert (difference(*both).value, difference(*both).error) == (0.0, 0.0)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), order=st.permutations(range(6)), form=st.sampled_from(FORMS))
def test_properties(seed: int, order: list[int], form: Form) -> None:
    x, y1, y2 = features(seed, 5, 3), features(seed + 1, 6, 3), features(seed + 2, 6, 3, 0.4)
    first, second = leave_one_out(x, y1)[form], leave_one_out(x, y2)[form]
    forth, back = difference(first, second), difference(second, first)
    assert (forth.value, forth.low, forth.high) == (-back.value, -back.high, -back.low)
    same = difference(first, leave_one_out(x, y1.copy())[form])
    assert (same.value, same.low, same.high, same.error) == (0.0, 0.0, 0.0, 0.0)
    jointly = difference(leave_one_out(x, y1[order])[form], leave_one_out(x, y2[order])[form])
    assert jointly.value == pytest.approx(forth.value, abs=1e-9)
    assert jointly.error == pytest.approx(forth.error, rel=1e-7, abs=1e-9)


def test_pairing_narrows_the_interval_and_is_by_row() -> None:
    x, noise = features(0, 10, 8), features(1, 16, 8)
    first, second = leave_one_out(x, noise)["v"], leave_one_out(x, noise + 0.02 * features(2, 16, 8))["v"]
    paired = difference(first, second).error
    shuffled = difference(first, leave_one_out(x, np.roll(noise + 0.02 * features(2, 16, 8), 1, axis=0))["v"]).error
    assert paired < 0.2 * shuffled


def test_mean_over_tasks_and_seeds() -> None:
    x = [features(i, 5, 3) for i in range(2)]
    one = [[leave_one_out(x[t], features(10 + t, 4, 3))["v"] for t in range(2)]]
    two = [[leave_one_out(x[t], features(20 + t, 4, 3))["v"] for t in range(2)]]
    parts = [difference(a, b) for a, b in zip(one[0], two[0], strict=True)]
    found = mean_difference(one, two)
    error = (parts[0].error ** 2 + parts[1].error ** 2) ** 0.5 / 2
    assert found.value == pytest.approx((parts[0].value + parts[1].value) / 2)
    assert found.error == pytest.approx(error)
    assert found.high == pytest.approx(found.value + T6 * error)  # 3 + 3 degrees of freedom
    as_estimates = mean_of(parts)
    assert (found.low, found.high) == (pytest.approx(as_estimates.low), pytest.approx(as_estimates.high))
    again = mean_difference(one * 2, two * 2)
    assert again.value == pytest.approx(found.value)
    assert again.error == pytest.approx(found.error / 2**0.5)
    assert again.n == 4


def test_what_cannot_be_paired_is_refused() -> None:
    x = features(0, 4, 3)
    with pytest.raises(ValueError, match="three generated"):
        leave_one_out(x, features(1, 2, 3))
    with pytest.raises(ValueError, match="width: 3 and 2"):
        leave_one_out(x, features(1, 4, 2))
    four, five = (leave_one_out(x, features(1, m, 3))["v"] for m in (4, 5))
    with pytest.raises(ValueError, match="equal size"):
        difference(four, five)
    with pytest.raises(ValueError, match="equal size"):
        mean_difference([[four]], [[five]])
    with pytest.raises(ValueError, match="zip"):
        mean_difference([[four]], [[four, four]])
    with pytest.raises(ValueError, match="at least one task"):
        mean_difference([], [])
