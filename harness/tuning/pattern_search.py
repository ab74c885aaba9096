"""Which settings of a grid to try next, given how those tried so far scored: a pattern search. Pure."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Mapping, Sequence

Point = tuple[int, ...]


class PatternSearch:
    """Coordinate search on a grid, lower scores being better; it is asked for a batch, told its scores, and so on.

    The first point is the middle of the grid, unless some scores are known from the start. Then each batch is the
    incumbent's untried neighbours along the next axis, in rotation; axes with nothing new are skipped. Where every
    neighbour is tried, the untried points nearest to the incumbent (L1 distance, then order) come next, two at a time.
    The incumbent is always the best point so far. Nothing is random, and no point comes twice.

    Attributes:
        scores: point -> score, in the order tried; a failure is infinite.
    """

    def __init__(self, sizes: Sequence[int], budget: int, known: Mapping[Point, float] | None = None) -> None:
        """`sizes`: values along each axis, each at least 1. `budget`: points to try at most, those `known` included."""
        self.sizes, self.budget = tuple(sizes), budget
        self.scores: dict[Point, float] = dict(known or {})
        self._waiting: list[Point] = []
        self._axis = 0

    @property
    def middle(self) -> Point:
        """Where the search starts: of an even number of values the lower of the two in the middle."""
        return tuple((size - 1) // 2 for size in self.sizes)

    @property
    def best(self) -> Point | None:
        """The lowest score's point; of equals the one tried first; None where all failed."""
        found = min(self.scores, key=lambda point: self.scores[point], default=None)
        return None if found is None or math.isinf(self.scores[found]) else found

    def ask(self) -> list[Point]:
        """The points to score next; empty when the budget is spent or the grid is exhausted."""
        if not self._waiting:
            self._waiting = self._next()[: max(0, self.budget - len(self.scores))]
        return list(self._waiting)

    def tell(self, scores: Mapping[Point, float]) -> None:
        """The scores of all points asked for; NaN counts as a failure."""
        for point in self._waiting:
            self.scores[point] = math.inf if math.isnan(scores[point]) else scores[point]
        self._waiting = []

    def _next(self) -> list[Point]:
        if not self.scores:
            return [self.middle]
        incumbent = self.best or next(iter(self.scores))
        for _ in self.sizes:
            axis, self._axis = self._axis, (self._axis + 1) % len(self.sizes)
            beside = [(*incumbent[:axis], incumbent[axis] + move, *incumbent[axis + 1 :]) for move in (-1, 1)]
            fresh = [p for p in beside if 0 <= p[axis] < self.sizes[axis] and p not in self.scores]
            if fresh:
                return fresh
        untried = (p for p in itertools.product(*map(range, self.sizes)) if p not in self.scores)
        return heapq.nsmallest(2, untried, key=lambda p: (sum(map(abs, map(int.__sub__, p, incumbent))), p))
