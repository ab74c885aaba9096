"""Device slots: each holds one worker, and is never given to two."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Slot:
    """A place for one worker. `name` is its own, `device` may be another slot's, too."""

    name: str
    device: str

    def serves(self, anywhere: bool, device_type: str) -> bool:
        """Whether a step of a run on 'cpu' or 'cuda' may be made here: what a key stands for must not depend on it.

        Args:
            anywhere: whether such steps give the same bytes on every device.
        """
        return anywhere or self.device.partition(":")[0] == device_type


def by_choice(slots: Sequence[Slot], device_type: str) -> list[Slot]:
    """In the order of filling: first what can make little, so that it is not idle while others make just that."""
    return sorted(slots, key=lambda slot: slot.serves(False, device_type))


def cores() -> int:
    """CPU cores that this process may use: under Slurm those of its job."""
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):  # not every cluster binds a job to its cores
        given = os.environ.get(name, "")
        if given.isdigit():
            return max(1, int(given))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_jobs(devices: Sequence[str]) -> int:
    """One worker for each device named; on a single CPU one a core, and no more than eight, as each holds the model."""
    return max(1, min(8, cores())) if list(devices) == ["cpu"] else len(devices)


def make_slots(devices: Sequence[str], jobs: int | None = None) -> tuple[Slot, ...]:
    """So many slots on these devices in turn; by default `default_jobs`.

    More slots than devices share them: two workers on one large GPU, say.
    """
    count = jobs or default_jobs(devices)
    places = [devices[index % len(devices)] for index in range(count)]
    shared, seen = Counter(places), Counter[str]()
    slots = []
    for device in places:
        slots.append(Slot(f"{device}#{seen[device]}" if shared[device] > 1 else device, device))
        seen[device] += 1
    return tuple(slots)


def threads_per_worker(slots: Sequence[Slot]) -> int:
    """Threads of each worker, so that they do not fight for cores; on a CPU one, as sums then have one order."""
    if any(slot.device == "cpu" for slot in slots):
        return 1
    return max(1, cores() // len(slots))
