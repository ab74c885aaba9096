"""Paired differences of MMD between two methods: what the images of both, made from the same noise, say about them.

Real features x (n, d) and generated ones y1, y2 (m, d) of one task, row k of y1 and y2 from the same prompt and noise
seed: D = MMD^2(x, y1) - MMD^2(x, y2). Its 95 % interval is the delete-one jackknife that leaves row k out of both, by
t(m - 1), as in `harness.metrics.mmd.jackknife`: real images, concepts and trained models are held fixed, and the
interval says what other noise in sampling would change. What both methods owe to the same prompt and noise cancels.

The jackknife of a difference needs each side's leave-one-out values only, so they are made once for each (cell, task)
in O(m (m + n)) after the kernel, and all pairs of methods follow by subtraction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from harness.metrics.mmd import Array, Estimate, polynomial_kernel

Form = Literal["v", "u"]


@dataclass(frozen=True)
class LeaveOneOut:
    """MMD^2 of one task's images, and what it is without image k: `without` has shape (m,)."""

    value: float
    without: NDArray[np.float64]


def leave_one_out(x: Array, y: Array, forms: Sequence[Form] = ("v", "u")) -> dict[Form, LeaveOneOut]:
    """MMD^2 between x and y, and without each row of y in turn; x is held fixed.

    Args:
        x: (n, d) features of the real images. y: (m, d), of the generated ones.
        forms: V (biased) and U (unbiased), see `harness.metrics.mmd`; both come from one kernel.

    Raises:
        ValueError: fewer than two rows in x or three in y, or unequal widths.
    """
    if len(x) < 2 or len(y) < 3:
        raise ValueError("leaving one out needs at least two real and three generated images")
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"features differ in width: {x.shape[1]} and {y.shape[1]}")
    n, m = len(x), len(y)
    kxx, kyy, kxy = polynomial_kernel(x, x), polynomial_kernel(y, y), polynomial_kernel(x, y)
    own, rows, columns = np.diagonal(kyy), kyy.sum(axis=1), kxy.sum(axis=0)  # each (m,)
    cross, cross_without = columns.sum() / (n * m), (columns.sum() - columns) / (n * (m - 1))
    found: dict[Form, LeaveOneOut] = {}
    for form in forms:
        if form == "v":
            xx = kxx.mean()
            yy, yy_without = rows.sum() / m**2, (rows.sum() - 2 * rows + own) / (m - 1) ** 2
        else:
            xx = (kxx.sum() - np.trace(kxx)) / (n * (n - 1))
            pairs = rows - own  # each row's sum without its diagonal
            yy, yy_without = pairs.sum() / (m * (m - 1)), (pairs.sum() - 2 * pairs) / ((m - 1) * (m - 2))
        found[form] = LeaveOneOut(float(xx + yy - 2 * cross), xx + yy_without - 2 * cross_without)
    return found


def difference(first: LeaveOneOut, second: LeaveOneOut) -> Estimate:
    """D = first - second with its 95 % jackknife interval over the m pairs of images.

    Both must come from the same real features and estimator, row k from the same prompt and noise seed.

    Raises:
        ValueError: the two have different numbers of images.
    """
    if len(first.without) != len(second.without):
        raise ValueError("pairs need sets of equal size")
    value, error, freedom = first.value - second.value, _error(first, second), len(first.without) - 1
    half = float(stdtrit(freedom, 0.975)) * error
    return Estimate(value, value - half, value + half, error, freedom + 1)


def _error(first: LeaveOneOut, second: LeaveOneOut) -> float:
    """The jackknife's standard error of the difference."""
    left_out = first.without - second.without
    m = len(left_out)
    return float(np.sqrt((m - 1) / m * np.sum((left_out - left_out.mean()) ** 2)))


def mean_difference(first: Sequence[Sequence[LeaveOneOut]], second: Sequence[Sequence[LeaveOneOut]]) -> Estimate:
    """The mean difference over run seeds and tasks, with the interval that follows from the tasks' errors.

    The errors combine as those of independent estimates (`mmd.mean_of`): given the trained models, each task of each
    run seed draws its images from noise of its own. `n` counts the (run seed, task) pairs.

    Args:
        first, second: [run seed][task], the same run seeds and tasks in both.

    Raises:
        ValueError: the two have different seeds, tasks or numbers of images, or none at all.
    """
    pairs = [(a, b) for one, two in zip(first, second, strict=True) for a, b in zip(one, two, strict=True)]
    if not pairs:
        raise ValueError("a mean needs at least one task")
    if any(len(a.without) != len(b.without) for a, b in pairs):
        raise ValueError("pairs need sets of equal size")
    # as mmd.mean_of, without a quantile for each pair: a matrix of all methods has thousands
    value = float(np.mean([a.value - b.value for a, b in pairs]))
    error = float(np.sqrt(np.sum(np.square([_error(a, b) for a, b in pairs])))) / len(pairs)
    freedom = sum(len(a.without) - 1 for a, _ in pairs)
    half = float(stdtrit(freedom, 0.975)) * error
    return Estimate(value, value - half, value + half, error, len(pairs))
