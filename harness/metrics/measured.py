"""A measure's values of each task as figures with intervals: after the last task, just after each, and what was lost.

Every interval is made of leave-one-out values, value_(k) being the measure without generated image k: the delete-one
jackknife with t(n - 1), as of the scores in `harness.metrics.mmd`. What was forgotten is a difference, and its
leave-one-out values are the differences of both sides', as image k of both was made from the same noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from harness.metrics.mmd import Estimate, mean_of
from harness.metrics.scores import Figure

LEAST = 3  # images that an interval takes
LEARNED, FORGOTTEN = ".learned", ".forgotten"


@dataclass(frozen=True)
class Value:
    """A task's value, of n generated images, and the n values without one of them; None where there are none."""

    value: float
    n: int
    without: NDArray[np.float64] | None = None

    @classmethod
    def of_images(cls, values: NDArray[np.float64]) -> Value:
        """Of one number for each image, (n,)."""
        n = len(values)
        return cls(float(values.mean()), n, (values.sum() - values) / (n - 1) if n > 1 else None)

    @classmethod
    def left_out(cls, value: float, n: int, one_out: Callable[[int], float]) -> Value:
        """Of a number of all n images, made again without each of them."""
        return cls(value, n, np.array([one_out(k) for k in range(n)]) if n >= LEAST else None)

    def less(self, other: Value) -> Value:
        """The difference, image by image where both have as many."""
        both = self.without is not None and other.without is not None and self.n == other.n
        without = self.without - other.without if both else None  # type: ignore[operator]
        return Value(self.value - other.value, self.n, without)

    def times(self, factor: float) -> Value:
        """The same in another unit or direction."""
        return Value(factor * self.value, self.n, None if self.without is None else factor * self.without)

    @property
    def estimate(self) -> Estimate:
        """With its 95 % interval."""
        if self.without is None or self.n < LEAST:
            return Estimate(self.value, float("-inf"), float("inf"), float("inf"), self.n)
        spread = self.without - self.without.mean()
        error = float(np.sqrt((self.n - 1) / self.n * np.sum(spread**2)))
        half = float(stdtrit(self.n - 1, 0.975)) * error
        return Estimate(self.value, self.value - half, self.value + half, error, self.n)


Values = Sequence[Value] | Value


def measured_figures(name: str, unit: str, *, higher: bool, learned: Values, final: Values) -> list[Figure]:
    """All figures of one measure.

    Args:
        higher: Whether higher is better, so that what was lost is what fell.
        learned: Of X_{j,j}, task by task, or of all tasks together. final: of X_{N,j}.
    """
    if isinstance(learned, Value) or isinstance(final, Value):
        assert isinstance(learned, Value)
        assert isinstance(final, Value)
        lost_in_all = learned.less(final) if higher else final.less(learned)
        return [
            _figure(name + what, unit, value.estimate, None)
            for what, value in (("", final), (LEARNED, learned), (FORGOTTEN, lost_in_all))
        ]
    return _thrice(name, unit, higher=higher, learned=_numbered(learned), final=_numbered(final), last=len(final))


Parts = Sequence[Mapping[str, Value]]


def part_figures(name: str, unit: str, *, higher: bool, learned: Parts, final: Parts) -> list[Figure]:
    """The same of what tasks' figures are made of: of each task that has a part, and the mean over these.

    Args:
        learned: Of X_{j,j}, part -> value, task by task. final: of X_{N,j}, of the same parts.
    """
    found: list[Figure] = []
    for part in dict.fromkeys(part for task in final for part in task):
        before, after = (
            {task: parts[part] for task, parts in enumerate(each, 1) if part in parts} for each in (learned, final)
        )
        figures = _thrice(name, unit, higher=higher, learned=before, final=after, last=len(final))
        found += [replace(figure, layer=part) for figure in figures]
    return found


def _numbered(values: Sequence[Value]) -> dict[int, Value]:
    return dict(enumerate(values, 1))


def _thrice(
    name: str, unit: str, *, higher: bool, learned: Mapping[int, Value], final: Mapping[int, Value], last: int
) -> list[Figure]:
    """After the last task, just after each, and what was lost of all but the last; by the tasks' numbers."""
    lost = {
        task: learned[task].less(value) if higher else value.less(learned[task])
        for task, value in final.items()
        if task < last
    }
    return [
        *_figures(name, unit, final),
        *_figures(name + LEARNED, unit, learned),
        *_figures(name + FORGOTTEN, unit, lost),
    ]


def edit_figures(name: str, unit: str, values: Sequence[Sequence[Value]]) -> list[Figure]:
    """Of each task the mean over its edited prompts, and the mean over tasks."""
    return _figures(name, unit, _numbered([_mean(each) for each in values]))


def _mean(values: Sequence[Value]) -> Value:
    """Of several sets of images, which are independent: left out is one image of one set."""
    value = float(np.mean([each.value for each in values]))
    if any(each.without is None for each in values):
        return Value(value, sum(each.n for each in values))
    moved = [(each.without - each.value) / len(values) for each in values if each.without is not None]
    return Value(value, sum(each.n for each in values), value + np.concatenate(moved))


def base_figure(name: str, unit: str, values: Sequence[Value]) -> Figure:
    """The mean over prompts without a token."""
    return _figure(name, unit, mean_of([value.estimate for value in values]), None)


def _figures(name: str, unit: str, values: Mapping[int, Value]) -> list[Figure]:
    estimates = {task: value.estimate for task, value in values.items()}
    if not estimates:  # with one task there is nothing to forget
        return [Figure(name, 0.0, 0, unit)]
    return [
        *(_figure(name, unit, estimate, task) for task, estimate in estimates.items()),
        _figure(name, unit, mean_of(list(estimates.values())), None),
    ]


def _figure(name: str, unit: str, estimate: Estimate, task: int | None) -> Figure:
    bounds = (estimate.low, estimate.high) if np.isfinite(estimate.error) else (None, None)
    return Figure(name, estimate.value, estimate.n, unit, task, *bounds)
