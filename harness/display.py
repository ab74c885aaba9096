"""What a run shows while it works: a live rich display on a terminal, plain lines elsewhere. Always on stderr."""

from __future__ import annotations

import time
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Display(Protocol):
    """Told of the run's progress by the runner."""

    def start(self, total: int, cached: int) -> None:
        """`total` steps in all, of which `cached` are in the store."""
        ...

    def step_done(self, label: str, seconds: float, share: float) -> None:
        """One step was committed; `share` (0 to 1) of the work that was pending is now done, by nominal cost."""
        ...

    def note(self, message: str) -> None:
        """A sentence for the user."""
        ...

    def stop(self) -> None:
        """The run is over, or broken off."""
        ...


class PlainDisplay:
    """A line now and then, for logs and pipes."""

    def __init__(self, console: Console, every_s: float = 10.0) -> None:
        self.console, self.every_s = console, every_s
        self.total = self.done = self.cached = 0
        self._printed = self._started = time.monotonic()

    def start(self, total: int, cached: int) -> None:
        self.total, self.done, self.cached = total, cached, cached
        self._printed = self._started = time.monotonic()
        if cached:
            self.note(f"{cached} of {total} steps are in the store")

    def step_done(self, label: str, seconds: float, share: float) -> None:
        self.done += 1
        now = time.monotonic()
        if now - self._printed >= self.every_s or self.done == self.total:
            left = (now - self._started) * (1 - share) / share
            self.note(f"[{self.done}/{self.total}] {label} ({seconds:.1f} s); about {left / 60:.1f} min left")
            self._printed = now

    def note(self, message: str) -> None:
        self.console.print(message, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        pass


class LiveDisplay:
    """A progress bar by nominal cost, with the step just finished."""

    def __init__(self, console: Console) -> None:
        self.progress = Progress(
            BarColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn(), TimeRemainingColumn(),
            console=console, transient=True,
        )  # fmt: skip
        self.bar: TaskID | None = None
        self.total = self.done = 0

    def start(self, total: int, cached: int) -> None:
        self.total, self.done = total, cached
        self.bar = self.progress.add_task("starting workers", total=1.0)
        self.progress.start()

    def step_done(self, label: str, seconds: float, share: float) -> None:
        self.done += 1
        if self.bar is not None:
            self.progress.update(self.bar, completed=share, description=f"[{self.done}/{self.total}] {label}")

    def note(self, message: str) -> None:
        self.progress.console.print(message, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        self.progress.stop()


class QuietDisplay:
    """Only notes, for `--quiet`."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def start(self, total: int, cached: int) -> None:
        pass

    def step_done(self, label: str, seconds: float, share: float) -> None:
        pass

    def note(self, message: str) -> None:
        self.console.print(message, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        pass


def make_display(console: Console, *, quiet: bool = False) -> Display:
    """The display that suits where stderr goes."""
    if quiet:
        return QuietDisplay(console)
    return LiveDisplay(console) if console.is_terminal else PlainDisplay(console)
