"""Maximum mean discrepancy with the polynomial kernel, in float64.

The kernel of this whole line of work is k(x, y) = (x.y / d + 1)^3 on features that are not normalised (torchmetrics
and clean-fid by default; the STAMINA paper says only "polynomial kernel"). All functions take (n, d) arrays and return
MMD^2; the published scores are 1000 times that. Three estimators:

- V (biased, the paper's form as printed here): mean of K_xx + mean of K_yy - 2 mean of K_xy, diagonals included. Never
  negative, defined for unequal sizes; its bias shrinks with n.
- U (unbiased): the diagonals of K_xx and K_yy left out. Below zero where the truth is near zero: left as it is.
- U, paired: for images made from the same seeds (X_{j,j} against X_{N,j}); the diagonal of K_xy is left out, too, so
  that identical images give exactly 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Array = NDArray[np.floating]
Estimator = Literal["v", "u", "u-paired"]

DEGREE, COEF = 3, 1.0


def polynomial_kernel(x: Array, y: Array) -> NDArray[np.float64]:
    """(n, m) matrix of (x.y / d + 1)^3 for x (n, d) and y (m, d)."""
    # copies: equal sets must not take the symmetric product's other path, or "exactly 0" fails in the last bit
    x64, y64 = np.array(x, np.float64, order="C"), np.array(y, np.float64, order="C")
    kernel: NDArray[np.float64] = (x64 @ y64.T / x64.shape[1] + COEF) ** DEGREE
    return kernel


def _combine(kxx: Array, kyy: Array, kxy: Array, estimator: Estimator) -> float:
    n, m = len(kxx), len(kyy)
    if estimator == "v":
        return float(kxx.mean() + kyy.mean() - 2 * kxy.mean())
    xx = (kxx.sum() - np.trace(kxx)) / (n * (n - 1))
    yy = (kyy.sum() - np.trace(kyy)) / (m * (m - 1))
    xy = (kxy.sum() - np.trace(kxy)) / (n * (n - 1)) if estimator == "u-paired" else kxy.mean()
    return float(xx + yy - 2 * xy)


def mmd(x: Array, y: Array, estimator: Estimator = "v") -> float:
    """MMD^2 between two sets of features.

    Args:
        x, y: (n, d) and (m, d); n = m, row by row from the same seeds, for 'u-paired'.
        estimator: see the module's text.

    Raises:
        ValueError: fewer than two rows, unequal widths, or unequal sizes for the paired estimator.
    """
    _check(x, y, estimator)
    return _combine(polynomial_kernel(x, x), polynomial_kernel(y, y), polynomial_kernel(x, y), estimator)


def _check(x: Array, y: Array, estimator: Estimator) -> None:
    if len(x) < 2 or len(y) < 2:
        raise ValueError("MMD needs at least two rows on each side")
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"features differ in width: {x.shape[1]} and {y.shape[1]}")
    if estimator == "u-paired" and len(x) != len(y):
        raise ValueError("the paired estimator needs sets of equal size")


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval and the standard error the interval is made of."""

    value: float
    low: float
    high: float
    error: float
    n: int


def jackknife(x: Array, y: Array, estimator: Estimator, *, paired: bool = False) -> Estimate:
    """MMD^2 with a 95 % interval by the delete-one jackknife, t(n - 1).

    With `paired` False the real images x are held fixed and only the generated ones, y, are left out one by one: the
    interval for comparing methods on the same real images. With `paired` True row k leaves both sets at once.
    A percentile bootstrap would be wrong here: duplicated rows leak k(x, x) into the estimate.
    """
    _check(x, y, estimator)
    if estimator == "u-paired" and not paired:
        raise ValueError("the paired estimator needs paired=True")
    if paired and len(x) != len(y):
        raise ValueError("pairs need sets of equal size")
    kxx, kyy, kxy = polynomial_kernel(x, x), polynomial_kernel(y, y), polynomial_kernel(x, y)
    value = _combine(kxx, kyy, kxy, estimator)
    n = len(y)
    if n < 3:
        return Estimate(value, float("-inf"), float("inf"), float("inf"), n)
    left_out: list[float] = []
    for k in range(n):
        keep = np.arange(n) != k
        side = keep if paired else slice(None)
        left_out.append(_combine(kxx[side][:, side], kyy[keep][:, keep], kxy[side][:, keep], estimator))
    spread = np.asarray(left_out) - np.mean(left_out)
    error = float(np.sqrt((n - 1) / n * np.sum(spread**2)))
    half = float(stdtrit(n - 1, 0.975)) * error
    return Estimate(value, value - half, value + half, error, n)


def mean_of(estimates: list[Estimate]) -> Estimate:
    """The mean over tasks of independent estimates, with the interval that follows from their errors."""
    value = float(np.mean([e.value for e in estimates]))
    error = float(np.sqrt(np.sum([e.error**2 for e in estimates])) / len(estimates))
    freedom = sum(e.n - 1 for e in estimates)
    half = float(stdtrit(max(1, freedom), 0.975)) * error if np.isfinite(error) else float("inf")
    return Estimate(value, value - half, value + half, error, len(estimates))


def kid(
    x: Array, y: Array, subset_size: int = 1000, subsets: int = 100, seed: int = 0, *, paired: bool = False
) -> float:
    """Kernel inception distance (Binkowski et al., 2018): the U estimate averaged over random subsets of equal size.

    Where neither set is larger than `subset_size` both are used whole, once. With `paired`, for sets of equal size made
    from the same seeds, both sides draw the same rows, and pairs are left out: identical sets then give exactly 0.
    The feature extractor is the caller's; figures with CLIP features are not comparable to those with Inception's.
    """
    estimator: Estimator = "u-paired" if paired else "u"
    if max(len(x), len(y)) <= subset_size:
        return mmd(x, y, estimator)
    size = min(len(x), len(y), subset_size)
    generator = np.random.default_rng(seed)
    draws: list[float] = []
    for _ in range(subsets):
        rows = generator.choice(len(x), size, replace=False)
        others = rows if paired else generator.choice(len(y), size, replace=False)
        draws.append(mmd(x[rows], y[others], estimator))
    return float(np.mean(draws))


def noise_floor(x: Array) -> float:
    """V estimate between the two halves (even and odd rows) of the real images: what sampling noise alone gives."""
    return mmd(x[0::2], x[1::2], "v") if len(x) >= 4 else float("nan")
