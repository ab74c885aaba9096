"""A run's schedule without the run: the runner's own choice of the next step, on so many slots, in simulated time."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.engine.devices import Slot, by_choice
from harness.engine.plan import Step
from harness.engine.schedule import Schedule, longest_chain


@dataclass(frozen=True)
class Simulation:
    """What a schedule comes to, in seconds.

    makespan: from start to end. critical_path: the costliest chain of steps that wait for each other, which no number
    of slots shortens. busy: of all slots together. starts: step -> when it starts.
    """

    makespan: float
    critical_path: float
    busy: float
    slots: int
    starts: Mapping[str, float]

    @property
    def idle_share(self) -> float:
        """Of the slots' time, 0 to 1, the part in which they have nothing to do."""
        return 1 - self.busy / (self.makespan * self.slots) if self.makespan > 0 else 0.0


def simulate(
    steps: Sequence[Step], seconds: Mapping[str, float], slots: Sequence[Slot], *, device_type: str, start_s: float = 0
) -> Simulation:
    """Run `steps` as `harness.engine.runner.run` would, if each took its expected seconds.

    Args:
        steps: the pending ones, parents before children. seconds: of each, by key. device_type: 'cpu' or 'cuda', of
            the run. start_s: what a worker takes, before its first step, to start.
    """
    schedule = Schedule(steps, seconds)
    running: list[tuple[float, int, Slot, Step]] = []  # a heap: when it ends, the order of starting, where, what
    order = by_choice(slots, device_type)
    free, fresh = list(order), set(slots)
    starts: dict[str, float] = {}
    now = busy = 0.0
    while True:
        for slot in tuple(free):
            step = schedule.take(lambda step, slot=slot: slot.serves(step.anywhere, device_type))  # type: ignore[misc]
            if step is not None:
                starts[step.key] = now + (start_s if slot in fresh else 0.0)
                fresh.discard(slot)
                free.remove(slot)
                busy += seconds[step.key]
                heapq.heappush(running, (starts[step.key] + seconds[step.key], len(starts), slot, step))
        if not running:
            break
        now, _, slot, step = heapq.heappop(running)
        schedule.done(step)
        free.append(slot)
        free.sort(key=order.index)
    return Simulation(now, longest_chain(steps, seconds), busy, len(slots), starts)
