"""Which step starts next: list scheduling over the plan's graph, the longest chain of work first.

Each step is as urgent as the costliest chain of pending steps that begins with it. Trainings, of which a cell has a
long chain, come first so; what nothing waits for (images, features, scores) fills the gaps.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence

from harness.engine.plan import Step


def tails(steps: Sequence[Step], seconds: Mapping[str, float]) -> dict[str, float]:
    """Of each step, the seconds of the costliest chain that begins with it, itself included.

    Args:
        steps: parents before children. seconds: by key; a step that is not in it takes its nominal seconds.
    """
    longest: dict[str, float] = {}
    for step in reversed(steps):
        # by now `longest` holds the costliest chain among its users
        longest[step.key] = longest.get(step.key, 0.0) + seconds.get(step.key, step.nominal_seconds)
        for parent in step.parents:
            longest[parent] = max(longest.get(parent, 0.0), longest[step.key])
    return {step.key: longest[step.key] for step in steps}


def longest_chain(steps: Iterable[Step], seconds: Mapping[str, float]) -> float:
    """Seconds of the costliest chain of steps that wait for each other. Args: as `tails`."""
    return max(tails(list(steps), seconds).values(), default=0.0)


class Schedule:
    """The pending steps of a plan: which can start, most urgent first; what depends on a failed one never can."""

    def __init__(self, pending: Sequence[Step], seconds: Mapping[str, float] | None = None) -> None:
        """`pending`: parents before children. `seconds`: what steps are expected to take, by key."""
        self.by_key = {step.key: step for step in pending}
        self.missing = {step.key: {p for p in step.parents if p in self.by_key} for step in pending}
        self.broken: dict[str, str] = {}  # key -> the first error on which it depends
        self.users: dict[str, list[str]] = {}
        for key, parents in self.missing.items():
            for parent in parents:
                self.users.setdefault(parent, []).append(key)
        tail = tails(pending, seconds or {})
        # equally urgent ones in the plan's order of priority
        self._rank = {step.key: (-tail[step.key], step.priority, step.key) for step in pending}
        self._ready: list[tuple[tuple[float, tuple[int, ...], str], str]] = []
        for step in pending:
            if not self.missing[step.key]:
                self._push(step.key)

    def take(self, fits: Callable[[Step], bool] = lambda _: True) -> Step | None:
        """The most urgent step that can start and `fits`, or None."""
        passed_over = []
        found: Step | None = None
        while self._ready and found is None:
            entry = heapq.heappop(self._ready)
            if entry[1] in self.broken:
                continue
            if fits(self.by_key[entry[1]]):
                found = self.by_key[entry[1]]
            else:
                passed_over.append(entry)
        for entry in passed_over:
            heapq.heappush(self._ready, entry)
        return found

    def done(self, step: Step) -> None:
        """Its users may start now."""
        for user in self.users.get(step.key, []):
            self.missing[user].discard(step.key)
            if not self.missing[user]:
                self._push(user)

    def again(self, step: Step) -> None:
        """It was lost, and shall start once more."""
        self._push(step.key)

    def fail(self, step: Step, message: str) -> None:
        """Neither it nor what depends on it will start."""
        stack = [step.key]
        while stack:
            key = stack.pop()
            if key not in self.broken:
                self.broken[key] = message
                stack.extend(self.users.get(key, []))

    def _push(self, key: str) -> None:
        heapq.heappush(self._ready, (self._rank[key], key))
