"""MMD, its intervals and the scores made of it, held against double loops, full enumeration and torchmetrics."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import t as student_t

from harness.metrics.mmd import Estimate, jackknife, kid, mean_of, mmd, noise_floor, polynomial_kernel
from harness.metrics.scores import Figure, accuracy_figures, floor_figures, forgetting_figures

Rows = NDArray[np.float64]
Estimator = Literal["v", "u", "u-paired"]
ESTIMATORS: tuple[Estimator, ...] = ("v", "u", "u-paired")


def kernel(a: Sequence[float], b: Sequence[float]) -> float:
    """(a.b / d + 1)^3, one product at a time."""
    dot = sum(float(p) * float(q) for p, q in zip(a, b, strict=True))
    return (dot / len(a) + 1.0) ** 3


def mean_kernel(x: Rows, y: Rows, *, diagonal: bool) -> float:
    """Mean of k(x_i, y_j) over all i, j, or over i != j."""
    values = [kernel(a, b) for i, a in enumerate(x) for j, b in enumerate(y) if diagonal or i != j]
    return sum(values) / len(values)


def by_loops(x: Rows, y: Rows, estimator: Estimator) -> float:
    """The three estimators, term by term."""
    within = estimator == "v"
    across = estimator != "u-paired"
    own = mean_kernel(x, x, diagonal=within) + mean_kernel(y, y, diagonal=within)
    return own - 2 * mean_kernel(x, y, diagonal=across)


def features(seed: int, n: int, d: int, shift: float = 0.0) -> Rows:
    """(n, d) normal features."""
    return np.random.default_rng(seed).normal(shift, 1.0, (n, d))


def summed(figures: list[Figure], metric: str) -> Figure:
    """The figure of a metric over all tasks."""
    (found,) = [f for f in figures if f.metric == metric and f.task is None]
    return found


def by_task(figures: list[Figure], metric: str) -> dict[int, float]:
    """Task -> value, of a metric."""
    return {f.task: f.value for f in figures if f.metric == metric and f.task is not None}


# ---------------------------------------------------------------------------------------------------------- estimators


def test_kernel_entry_by_entry() -> None:
    x, y = features(0, 4, 5), features(1, 3, 5)
    expected = [[kernel(a, b) for b in y] for a in x]
    np.testing.assert_allclose(polynomial_kernel(x, y), expected, rtol=1e-13)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(2, 7),
    m=st.integers(2, 7),
    d=st.integers(1, 6),
    shift=st.floats(-2, 2),
    estimator=st.sampled_from(ESTIMATORS),
)
def test_mmd_equals_double_loops(seed: int, n: int, m: int, d: int, shift: float, estimator: Estimator) -> None:
    x = features(seed, n, d)
    y = features(seed + 1, n if estimator == "u-paired" else m, d, shift)
    assert mmd(x, y, estimator) == pytest.approx(by_loops(x, y, estimator), rel=1e-10, abs=1e-10)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(2, 9), m=st.integers(2, 9), d=st.integers(1, 5))
def test_v_is_never_negative_and_symmetric(seed: int, n: int, m: int, d: int) -> None:
    x, y = features(seed, n, d), features(seed + 1, m, d)
    assert mmd(x, y, "v") >= -1e-12
    for estimator in ("v", "u"):
        assert mmd(x, y, estimator) == pytest.approx(mmd(y, x, estimator), rel=1e-10, abs=1e-10)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), order=st.permutations(range(6)))
def test_order_of_rows_matters_only_where_rows_are_paired(seed: int, order: list[int]) -> None:
    x, y = features(seed, 6, 3), features(seed + 1, 6, 3)
    for estimator in ("v", "u"):
        assert mmd(x, y[order], estimator) == pytest.approx(mmd(x, y, estimator), rel=1e-10, abs=1e-10)
    assert mmd(x[order], y[order], "u-paired") == pytest.approx(mmd(x, y, "u-paired"), rel=1e-10, abs=1e-10)


def test_pairing_is_by_row() -> None:
    x, y = features(0, 6, 3), features(1, 6, 3)
    assert abs(mmd(x, np.roll(y, 1, axis=0), "u-paired") - mmd(x, y, "u-paired")) > 1e-3


@pytest.mark.parametrize("seed", range(5))
def test_u_equals_torchmetrics_on_equal_sizes(seed: int) -> None:
    kid_module = pytest.importorskip("torchmetrics.image.kid")
    x, y = features(seed, 12, 7), features(seed + 100, 12, 7, 0.5)
    theirs = kid_module.poly_mmd(torch.from_numpy(x), torch.from_numpy(y), degree=3, gamma=None, coef=1.0)
    assert mmd(x, y, "u") == pytest.approx(float(theirs), rel=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("estimator", ["v", "u-paired"])
def test_identical_sets_give_exactly_zero(dtype: Any, estimator: Estimator) -> None:
    random = np.random.default_rng(3)
    for _ in range(60):
        n, d = int(random.integers(3, 40)), int(random.integers(1, 600))
        x = random.normal(size=(n, d)).astype(dtype)
        assert mmd(x, x.copy(), estimator) == 0.0
        assert mmd(x, x, estimator) == 0.0


@pytest.mark.parametrize("n", [4, 16, 64])
def test_plain_u_on_identical_sets_is_negative(n: int) -> None:
    x = features(5, n, 8)
    assert mmd(x, x.copy(), "u") < -1e-3


def test_u_is_unbiased_over_all_samples_of_a_finite_world() -> None:
    """Every sample of two from three points, with replacement, on each side: mean U is the truth, V's is not."""
    p = np.array([[0.0, 1.0], [1.0, -1.0], [2.0, 0.5]])
    q = np.array([[0.5, 0.5], [-1.0, 2.0], [1.0, 1.0]])
    truth = mean_kernel(p, p, diagonal=True) + mean_kernel(q, q, diagonal=True) - 2 * mean_kernel(p, q, diagonal=True)
    picks = [list(pick) for pick in itertools.product(range(3), repeat=2)]
    pairs = [(p[a], q[b]) for a in picks for b in picks]
    assert np.mean([mmd(x, y, "u") for x, y in pairs]) == pytest.approx(truth, rel=1e-12)
    assert np.mean([mmd(x, y, "v") for x, y in pairs]) > truth + 0.1


def test_u_is_unbiased_by_simulation_with_unequal_sizes() -> None:
    random = np.random.default_rng(11)
    p, q = features(12, 6, 4), features(13, 5, 4, 0.4)
    truth = mean_kernel(p, p, diagonal=True) + mean_kernel(q, q, diagonal=True) - 2 * mean_kernel(p, q, diagonal=True)
    draws = [mmd(p[random.integers(0, 6, 8)], q[random.integers(0, 5, 11)], "u") for _ in range(1500)]
    error = np.std(draws, ddof=1) / len(draws) ** 0.5
    assert abs(np.mean(draws) - truth) < 4 * error
    assert 4 * error < 0.25 * abs(truth)  # or the line above would let anything pass


def test_paired_u_is_unbiased_where_rows_are_paired_and_plain_u_is_not() -> None:
    """Pairs (x, y) from a finite world of dependent pairs: the truth is that of the two margins."""
    p = np.array([[0.0, 1.0], [1.0, -1.0], [2.0, 0.5]])
    q = p + np.array([[0.1, 0.0], [0.0, 0.3], [-0.2, 0.1]])
    truth = mean_kernel(p, p, diagonal=True) + mean_kernel(q, q, diagonal=True) - 2 * mean_kernel(p, q, diagonal=True)
    picks = [list(pick) for pick in itertools.product(range(3), repeat=3)]
    assert np.mean([mmd(p[a], q[a], "u-paired") for a in picks]) == pytest.approx(truth, abs=1e-12)
    assert np.mean([mmd(p[a], q[a], "u") for a in picks]) < truth - 1.0


@pytest.mark.parametrize(
    ("x", "y", "estimator", "message"),
    [
        (np.ones((1, 3)), np.ones((4, 3)), "v", "two rows"),
        (np.ones((4, 3)), np.ones((1, 3)), "u", "two rows"),
        (np.ones((4, 3)), np.ones((4, 2)), "v", "3 and 2"),
        (np.ones((4, 3)), np.ones((5, 3)), "u-paired", "equal size"),
    ],
)
def test_refusals(x: Rows, y: Rows, estimator: Estimator, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mmd(x, y, estimator)
    with pytest.raises(ValueError, match=message):
        jackknife(x, y, estimator, paired=estimator == "u-paired")


# ----------------------------------------------------------------------------------------------------------- intervals


@pytest.mark.parametrize(
    ("estimator", "paired", "n", "m"),
    [("v", False, 4, 6), ("u", False, 6, 4), ("v", True, 5, 5), ("u", True, 5, 5), ("u-paired", True, 6, 6)],
)
def test_jackknife_equals_leaving_one_out(estimator: Estimator, paired: bool, n: int, m: int) -> None:
    x, y = features(1, n, 3), features(2, m, 3, 0.3)
    replicates = []
    for k in range(m):
        rest = [i for i in range(m) if i != k]
        replicates.append(by_loops(x[rest] if paired else x, y[rest], estimator))
    centre = sum(replicates) / m
    variance = (m - 1) / m * sum((r - centre) ** 2 for r in replicates)
    half = student_t.ppf(0.975, m - 1) * variance**0.5

    found = jackknife(x, y, estimator, paired=paired)

    value = by_loops(x, y, estimator)
    assert found.n == m
    assert found.value == pytest.approx(value, rel=1e-10)
    assert found.error == pytest.approx(variance**0.5, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((value - half, value + half), rel=1e-9)


def test_two_images_have_no_interval() -> None:
    found = jackknife(features(0, 5, 2), features(1, 2, 2), "v")
    assert (found.low, found.high, found.error) == (-np.inf, np.inf, np.inf)
    assert np.isfinite(found.value)


def test_identical_pairs_have_an_interval_of_no_width() -> None:
    x = features(4, 9, 6).astype(np.float32)
    for estimator in ("v", "u-paired"):
        assert jackknife(x, x.copy(), estimator, paired=True) == Estimate(0.0, 0.0, 0.0, 0.0, 9)


def test_interval_covers_the_truth_given_the_real_images() -> None:
    """Real images fixed, generated ones from a finite world, whose MMD to the real ones is known exactly."""
    random = np.random.default_rng(21)
    x, q = features(22, 8, 4), features(23, 40, 4, 0.8)
    truth = mean_kernel(x, x, diagonal=False) + mean_kernel(q, q, diagonal=True) - 2 * mean_kernel(x, q, diagonal=True)
    estimates = [jackknife(x, q[random.integers(0, 40, 16)], "u") for _ in range(250)]
    covered = np.mean([e.low <= truth <= e.high for e in estimates])
    assert 0.85 <= covered <= 0.995
    spread = np.std([e.value for e in estimates], ddof=1)
    assert np.mean([e.error for e in estimates]) == pytest.approx(spread, rel=0.3)


def test_mean_of_adds_variances() -> None:
    parts = [Estimate(1.0, 0, 0, 0.3, 5), Estimate(4.0, 0, 0, 0.4, 9)]
    found = mean_of(parts)
    half = student_t.ppf(0.975, 4 + 8) * 0.25  # sqrt(0.09 + 0.16) / 2
    assert (found.value, found.error, found.n) == (2.5, pytest.approx(0.25), 2)
    assert (found.low, found.high) == (pytest.approx(2.5 - half), pytest.approx(2.5 + half))
    assert mean_of([parts[0], Estimate(1.0, -np.inf, np.inf, np.inf, 2)]).high == np.inf


# ----------------------------------------------------------------------------------------------------------------- KID


def test_kid_of_small_sets_is_u_of_the_whole_sets() -> None:
    x, y = features(0, 9, 4), features(1, 12, 4)
    assert kid(x, y) == pytest.approx(by_loops(x, y, "u"), rel=1e-10)
    assert kid(x, y, subset_size=12) == kid(x, y, subset_size=12, seed=5)


def test_kid_is_the_mean_of_u_over_random_subsets() -> None:
    x, y = features(2, 7, 3), features(3, 10, 3, 0.5)
    random = np.random.default_rng(4)
    values = []
    for _ in range(6):
        rows_x = random.choice(7, 5, replace=False)
        rows_y = random.choice(10, 5, replace=False)
        assert len(set(rows_x)) == len(set(rows_y)) == 5
        values.append(by_loops(x[rows_x], y[rows_y], "u"))
    assert kid(x, y, subset_size=5, subsets=6, seed=4) == pytest.approx(sum(values) / 6, rel=1e-10)
    assert kid(x, y, subset_size=5, subsets=6, seed=5) != kid(x, y, subset_size=5, subsets=6, seed=4)


def test_kid_subsets_are_as_large_as_the_smaller_set() -> None:
    """Three against ten at a subset size of six: every subset holds all three, so only the ten are drawn from."""
    x, y = np.zeros((3, 1)), np.arange(10.0)[:, None]
    # against zeros k is 1 everywhere, so that a subset's U is the mean of k within its three rows of y, less one
    possible = [by_loops(x, y[list(rows)], "u") for rows in itertools.combinations(range(10), 3)]
    found = kid(x, y, subset_size=6, subsets=1, seed=0)
    assert any(found == pytest.approx(value, rel=1e-12) for value in possible)


# -------------------------------------------------------------------------------------------------------------- scores
# Sets of one repeated row c have MMD^2 = k(a, a) + k(b, b) - 2 k(a, b) by every estimator; for d = 1:
#   0 against 1: 1 + 8 - 2 = 7;   1 against 2: 8 + 125 - 54 = 79;   0 against 2: 1 + 125 - 2 = 124


def constant(value: float, n: int = 4) -> Rows:
    """n equal rows of width one."""
    return np.full((n, 1), value)


def test_forgetting_leaves_the_last_task_out() -> None:
    generated = [  # X_{i,j}: row i after task i, column j of task j; only what eq. 10 reads is given
        [constant(0), None, None],
        [None, constant(1), None],
        [constant(1), constant(2), constant(5)],
    ]
    just = [generated[j][j] for j in range(3)]
    final = list(generated[2])
    figures = forgetting_figures(just, final)  # type: ignore[arg-type]
    for metric in ("f_mmd", "f_mmd_unbiased"):
        assert by_task(figures, metric) == pytest.approx({1: 7000.0, 2: 79000.0})
        assert summed(figures, metric).value == pytest.approx(1000 * (7 + 79) / 2)
        assert summed(figures, metric).n == 2
    changed = forgetting_figures(just, [*final[:2], constant(9)])  # type: ignore[list-item,arg-type]
    assert summed(changed, "f_mmd").value == summed(figures, "f_mmd").value


def test_accuracy_covers_every_task() -> None:
    real = [constant(0, 3), constant(1, 5), constant(0, 4)]
    final = [constant(1), constant(2), constant(2)]
    figures = accuracy_figures(real, final)
    for metric in ("a_mmd", "a_mmd_unbiased"):
        assert by_task(figures, metric) == pytest.approx({1: 7000.0, 2: 79000.0, 3: 124000.0})
        assert summed(figures, metric).value == pytest.approx(1000 * (7 + 79 + 124) / 3)
        assert summed(figures, metric).n == 3
    assert by_task(figures, "kid") == pytest.approx({1: 7.0, 2: 79.0, 3: 124.0})
    assert summed(figures, "kid").value == pytest.approx(70.0)


def test_one_task_has_nothing_to_forget() -> None:
    figures = forgetting_figures([constant(0)], [constant(7)])
    assert {f.metric: f.value for f in figures} == {"f_mmd": 0.0, "f_mmd_unbiased": 0.0, "f_kid": 0.0}


def test_unchanged_images_are_not_forgotten() -> None:
    just = [features(j, 6, 20).astype(np.float32) for j in range(4)]
    figures = forgetting_figures(just, [x.copy() for x in just])
    assert {f.value for f in figures} == {0.0}
    assert {f.low for f in figures if f.metric != "f_kid"} == {0.0}  # of KID there is no interval


def test_scores_are_those_of_their_estimators() -> None:
    real = [features(j, 5, 4) for j in range(3)]
    just = [features(10 + j, 6, 4, 0.2) for j in range(3)]
    final = [features(20 + j, 6, 4, 0.4) for j in range(3)]
    accuracy, forgetting = accuracy_figures(real, final), forgetting_figures(just, final)
    expected: dict[str, tuple[list[Figure], Estimator, list[Rows], int]] = {
        "a_mmd": (accuracy, "v", real, 3), "a_mmd_unbiased": (accuracy, "u", real, 3),
        "f_mmd": (forgetting, "v", just, 2), "f_mmd_unbiased": (forgetting, "u-paired", just, 2),
    }  # fmt: skip
    for metric, (figures, estimator, reference, count) in expected.items():
        values = [1000 * by_loops(reference[j], final[j], estimator) for j in range(count)]
        assert list(by_task(figures, metric).values()) == pytest.approx(values, rel=1e-9)
        whole = summed(figures, metric)
        assert whole.value == pytest.approx(sum(values) / count, rel=1e-9)
        assert whole.low is not None
        assert whole.high is not None
        assert whole.low < whole.value < whole.high


def test_floors() -> None:
    real = [features(j, n, 3) for j, n in enumerate((6, 7))]
    codec = [x + 0.1 for x in real]
    figures = {f.metric: f.value for f in floor_figures(real, codec)}
    halves = [by_loops(x[[i for i in range(len(x)) if i % 2 == 0]], x[1::2], "v") for x in real]
    assert figures["noise_floor"] == pytest.approx(1000 * sum(halves) / 2)
    pairs = zip(real, codec, strict=True)
    assert figures["codec_floor"] == pytest.approx(1000 * sum(by_loops(x, y, "v") for x, y in pairs) / 2)
    assert np.isnan(noise_floor(features(0, 3, 2)))
    assert [f.metric for f in floor_figures([features(0, 3, 2)], [features(1, 3, 2)])] == ["codec_floor"]
