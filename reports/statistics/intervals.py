"""Statistics over a few seeds: t intervals, paired differences, and the agreement of two orders."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scipy import stats


@dataclass(frozen=True)
class Interval:
    """A mean over `n` seeds or tasks, its sample standard deviation and its 95 % t interval; both None with one."""

    mean: float
    n: int
    spread: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def holds_zero(self) -> bool | None:
        """Whether zero lies in the interval; None where there is no interval."""
        return None if self.low is None or self.high is None else self.low <= 0 <= self.high

    def below(self, other: Interval) -> bool | None:
        """Whether the whole interval lies below the other one; None where either is missing."""
        return None if self.high is None or other.low is None else self.high < other.low


def over_seeds(values: Iterable[float]) -> Interval | None:
    """Mean and 95 % interval by Student's t with n - 1 degrees of freedom; None if there are no values."""
    found = list(values)
    if not found:
        return None
    mean, n = statistics.fmean(found), len(found)
    if n == 1:
        return Interval(mean, n)
    spread = statistics.stdev(found)
    reach = float(stats.t.ppf(0.975, n - 1)) * spread / math.sqrt(n)
    return Interval(mean, n, spread, mean - reach, mean + reach)


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> Interval | None:
    """The difference first - second over the seeds that both have; None if they share no seed."""
    return over_seeds(first[seed] - second[seed] for seed in sorted(first.keys() & second.keys()))


def paired_over_tasks(first: Mapping[int, Sequence[float]], second: Mapping[int, Sequence[float]]) -> Interval | None:
    """The difference first - second over tasks: each task's is the mean over the seeds that both have.

    Tasks are concepts drawn at random, seen by both under the same seeds: the interval says how far the difference
    would hold for other concepts. None if they share no seed, or differ in their tasks.
    """
    seeds = sorted(first.keys() & second.keys())
    if not seeds or len({len(curves[seed]) for curves in (first, second) for seed in seeds}) > 1:
        return None
    tasks = zip(*([a - b for a, b in zip(first[s], second[s], strict=True)] for s in seeds), strict=True)
    return over_seeds(statistics.fmean(task) for task in tasks)


@dataclass(frozen=True)
class Agreement:
    """How far two figures put the same methods in the same order.

    `tau` is Kendall's tau-b, None where one side ties all methods. `p` is its exact two-sided p-value, None where
    there are ties. `reversed` holds the pairs (x, y) with x above y in the first and below it in the second, `tied`
    the pairs that exactly one of the two ties.
    """

    methods: tuple[str, ...]
    tau: float | None
    p: float | None
    reversed: tuple[tuple[str, str], ...]
    tied: tuple[tuple[str, str], ...]

    @property
    def pairs(self) -> int:
        """The number of pairs of methods."""
        return math.comb(len(self.methods), 2)


def agreement(first: Mapping[str, float], second: Mapping[str, float]) -> Agreement | None:
    """Compare the orders of the methods that both have; None if there are fewer than two."""
    methods = tuple(name for name in first if name in second)
    if len(methods) < 2:
        return None
    x, y = [first[name] for name in methods], [second[name] for name in methods]
    ties = len(set(x)) < len(x) or len(set(y)) < len(y)
    result = stats.kendalltau(x, y, variant="b", method="asymptotic" if ties else "exact")
    tau = float(result.statistic)
    swapped: list[tuple[str, str]] = []
    tied: list[tuple[str, str]] = []
    for a, b in itertools.combinations(methods, 2):
        ours, theirs = first[a] - first[b], second[a] - second[b]
        if ours * theirs < 0:
            swapped.append((a, b) if ours > 0 else (b, a))
        elif (ours == 0) != (theirs == 0):
            tied.append((a, b))
    return Agreement(
        methods,
        tau if math.isfinite(tau) else None,
        None if ties else float(result.pvalue),
        tuple(swapped),
        tuple(tied),
    )
