"""Paired timing: contenders take turns, and only ratios within one turn count, for the machine may be busy."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import pairwise
from statistics import median

import flops_of_packed  # noqa: F401  (the counter then knows the harness's convolutions)
import torch
from record import Ratio, keep
from torch.utils.flop_counter import FlopCounterMode

REPETITIONS = 5


class Enough(Exception):
    """Thrown by a clock that has seen its steps: it ends a training loop from within."""


@dataclass
class StepClock:
    """Ticks at the start of every step; times `timed` steps after `warm_up` others, then raises `Enough`.

    On the CPU it reads the process's own CPU time at each tick and keeps the steps' median: with one thread that is the
    wall's time on an idle machine, and on a busy one it leaves out what others took. On CUDA it reads the wall's, the
    queue drained before the first and after the last step alone, and keeps the mean.
    """

    device: torch.device
    warm_up: int = 1
    timed: int = 1
    flops: FlopCounterMode | None = None
    seconds: float = 0.0  # of one step
    flop: int = 0  # of one step, where `flops` counts
    peak: int = 0  # bytes on the device beyond those held when the clock was made
    ticks: int = 0
    held: int = field(init=False, default=0)
    times: list[float] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.held = torch.cuda.memory_allocated(self.device) if self._cuda else 0

    @property
    def _cuda(self) -> bool:
        return self.device.type == "cuda"

    def now(self) -> float:
        """Seconds, from any start."""
        if not self._cuda:
            return time.process_time()
        torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def tick(self) -> None:
        """A step begins.

        Raises:
            Enough: the timed steps are over.
        """
        first, last = self.ticks == self.warm_up, self.ticks == self.warm_up + self.timed
        if first or last or (self.ticks > self.warm_up and not self._cuda):
            self.times.append(self.now())
        if first:
            if self._cuda:
                torch.cuda.reset_peak_memory_stats(self.device)
            self.flop = self.flops.get_total_flops() if self.flops is not None else 0
        elif last:
            steps = [later - earlier for earlier, later in pairwise(self.times)]
            self.seconds = steps[0] / self.timed if self._cuda else median(steps)
            self.flop = (self.flops.get_total_flops() - self.flop) // self.timed if self.flops is not None else 0
            self.peak = torch.cuda.max_memory_allocated(self.device) - self.held if self._cuda else 0
            raise Enough
        self.ticks += 1


Contender = Callable[[StepClock], None]


def measured(contender: Contender, clock: StepClock) -> StepClock:
    """The clock, after the contender has run until it was enough."""
    gc.collect()
    try:
        contender(clock)
    except Enough:
        return clock
    raise RuntimeError(f"a contender ended by itself, after {clock.ticks} steps")


def looped(work: Callable[[], object]) -> Contender:
    """A contender whose step is one call."""

    def run(clock: StepClock) -> None:
        while True:
            clock.tick()
            work()

    return run


@dataclass(frozen=True)
class Times:
    """One contender's seconds a step, one figure for each turn, and what a step took besides."""

    seconds: tuple[float, ...]
    flop: int
    peak: int

    @property
    def typical(self) -> float:
        """Median of the seconds."""
        return median(self.seconds)


def turns(
    contenders: Mapping[str, Contender], device: torch.device, *, warm_up: int, timed: int,
    repetitions: int = REPETITIONS,
) -> dict[str, Times]:  # fmt: skip
    """All contenders, one after another, `repetitions` times, in reverse order at every second time.

    Args:
        warm_up, timed: steps of each contender at each turn, not timed and timed.
    """
    flop: dict[str, int] = {}
    for name, contender in contenders.items():
        with FlopCounterMode(display=False) as counter:
            flop[name] = measured(contender, StepClock(device, 0, 1, counter)).flop
    clocks: dict[str, list[StepClock]] = {name: [] for name in contenders}
    for turn in range(repetitions):
        order = list(contenders) if turn % 2 == 0 else list(reversed(contenders))
        for name in order:
            clocks[name].append(measured(contenders[name], StepClock(device, warm_up, timed)))
    return {
        name: Times(tuple(c.seconds for c in found), flop[name], max(c.peak for c in found))
        for name, found in clocks.items()
    }


@dataclass(frozen=True)
class Row:
    """One contender against the script (or pipeline) that it is compared with, as printed and recorded.

    images: that a step sees or makes. speed: how many times as fast as `against`. floor: how many times as long as the
    U-Net's own passes, or None. peak: bytes on the device, the model's own included. rate: matrix products', FLOP/s.
    """

    setting: str
    what: str
    against: str
    images: int
    seconds: float
    speed: Ratio
    floor: Ratio | None
    flop: int
    peak: int
    rate: float

    @property
    def share(self) -> float:
        """Of the device's measured matrix rate, in [0, 1]."""
        return self.flop / self.seconds / self.rate if self.rate else float("nan")


def table(title: str, rows: Sequence[Row]) -> str:
    """Plain text, a line for each row."""
    head = (
        f"{'':<38}{'ms a step':>10}{'images/s':>10}  {'times as fast':<20}{'of the floor':<20}"
        f"{'GFLOP':>9}{'of matrix rate':>15}{'peak':>9}"
    )
    lines = [title, head]
    for row in rows:
        floor = str(row.floor) if row.floor is not None else ""
        peak = f"{row.peak / 2**30:.2f} GB" if row.peak else ""
        lines.append(
            f"{row.what:<38}{row.seconds * 1e3:>10.1f}{row.images / row.seconds:>10.2f}  {row.speed!s:<20}{floor:<20}"
            f"{row.flop / 1e9:>9.1f}{row.share:>14.0%} {peak:>9}"
        )
    return "\n".join(lines)


@cache
def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a matrix product on this device, of a size that suits it; best of five."""
    size = 8192 if device.type == "cuda" else 256
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    clock = StepClock(device)
    best = float("inf")
    for _ in range(5):
        begun = clock.now()
        for _ in range(4):
            left @ right
        best = min(best, (clock.now() - begun) / 4)
    return 2 * size**3 / best


def keep_rows(rows: Sequence[Row], device: torch.device) -> None:
    """Add rows to the record."""
    keep([{**asdict(row), "share": row.share} for row in rows], device)
