"""Which settings of a grid to try next, given how those tried so far scored: a pattern search. Pure.

A grid's axis is a range of values by number, 0 to size - 1. Where there is `room` the range is widened by values below
0 or from `size` on, as soon as the search comes to its edge: what a caller chose as the range then decides where the
search begins, and not where it ends.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

Point = tuple[int, ...]
NO_ROOM = (0, 0)


class PatternSearch:
    """Coordinate search on a grid, lower scores being better; it is asked for a batch, told its scores, and so on.

    The first point is the middle of the grid, unless some scores are known from the start. Then each batch is the
    incumbent's untried neighbours along the next axis, in rotation; axes with nothing new are skipped. Where every
    neighbour is tried, the untried points nearest to the incumbent (L1 distance, then order) come next, two at a time.
    With `edges_first`, the neighbours beyond an edge at which the incumbent lies come before all others.
    The incumbent is always the best point so far. Nothing is random, and no point comes twice. Widened or not, the
    budget is the same.

    Attributes:
        scores: point -> score, in the order tried; a failure is infinite.
    """

    def __init__(
        self, sizes: Sequence[int], budget: int, known: Mapping[Point, float] | None = None, *,
        room: Sequence[tuple[int, int]] = (), edges_first: bool = False,
    ) -> None:  # fmt: skip
        """A search before its first point, or after those that are known.

        Args:
            sizes: values along each axis, each at least 1.
            budget: points to try at most, those `known` included.
            known: their scores.
            room: of each axis, by how many values it may be widened below and above; none by default.
            edges_first: whether an edge is looked beyond before anything else is tried.
        """
        self.sizes, self.budget, self.edges_first = tuple(sizes), budget, edges_first
        self.room = tuple(room) or (NO_ROOM,) * len(self.sizes)
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

    def open_sides(self, point: Point) -> list[tuple[int, int]]:
        """(axis, -1 or 1) of each edge at which a point lies: no point with a value beyond it has been tried."""
        found: list[tuple[int, int]] = []
        for axis, (at, size) in enumerate(zip(point, self.sizes, strict=True)):
            tried = [other[axis] for other in self.scores]
            if at <= 0 and not any(other < at for other in tried):
                found.append((axis, -1))
            if at >= size - 1 and not any(other > at for other in tried):
                found.append((axis, 1))
        return found

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
        if self.edges_first:
            for axis in range(len(self.sizes)):
                sides = [side for of, side in self.open_sides(incumbent) if of == axis]
                if beyond := self._fresh(_moved(incumbent, axis, side) for side in sides):
                    return beyond
        for _ in self.sizes:
            axis, self._axis = self._axis, (self._axis + 1) % len(self.sizes)
            if fresh := self._fresh(_moved(incumbent, axis, side) for side in (-1, 1)):
                return fresh
        spans = (range(-below, size + above) for size, (below, above) in zip(self.sizes, self.room, strict=True))
        untried = self._fresh(itertools.product(*spans))
        return heapq.nsmallest(2, untried, key=lambda p: (sum(map(abs, map(int.__sub__, p, incumbent))), p))

    def _fresh(self, points: Iterable[Point]) -> list[Point]:
        """Those of some points that are on the grid, with its room, and not tried."""
        return [point for point in points if point not in self.scores and self._has(point)]

    def _has(self, point: Point) -> bool:
        axes = zip(point, self.sizes, self.room, strict=True)
        return all(-below <= at < size + above for at, size, (below, above) in axes)


def _moved(point: Point, axis: int, side: int) -> Point:
    return (*point[:axis], point[axis] + side, *point[axis + 1 :])
