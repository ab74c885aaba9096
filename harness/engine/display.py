"""What a run shows while it works: a live rich table on a terminal, plain lines elsewhere. Always on stderr."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from harness.engine.plan import Plan, Step
from harness.engine.progress import Board, Tally
from harness.errors import presentable
from harness.formats.figure_text import DIGITS, are, counted, number
from harness.formats.short_labels import apart
from harness.settings.base import Setting
from harness.store.store import Store


class Display(Protocol):
    """Told of the run's progress by the runner."""

    def start(self, plan: Plan, store: Store, cached: Sequence[Step]) -> None:
        """The run begins; `cached` steps of the plan are in the store."""
        ...

    def step_started(self, step: Step, slot: str) -> None:
        """A step was given to a slot's worker."""
        ...

    def step_done(self, step: Step, slot: str, seconds: float, share: float) -> None:
        """One step was committed; `share` (0 to 1) of the work that was pending is now done, by expected cost."""
        ...

    def note(self, message: str) -> None:
        """A sentence for the user."""
        ...

    def stop(self) -> None:
        """The run is over, or broken off."""
        ...


class PlainDisplay:
    """A line now and then, and one for each finished cell, for logs and pipes."""

    def __init__(self, console: Console, every_s: float = 10.0) -> None:
        self.console, self.every_s = console, every_s
        self.total = self.done = 0
        self._printed = self._started = time.monotonic()
        self._began: float | None = None

    def start(self, plan: Plan, store: Store, cached: Sequence[Step]) -> None:
        self.board = Board(plan, store)
        self.board.cached(cached)
        self.total, self.done = len(plan.steps), len(cached)
        self._printed = self._started = time.monotonic()
        self.note(plan.context.said)
        if cached:
            self.note(f"{self.done} of {counted(self.total, 'step')} {are(self.done)} in the store")

    def step_started(self, step: Step, slot: str) -> None:
        pass

    def step_done(self, step: Step, slot: str, seconds: float, share: float) -> None:
        self.done += 1
        self.board.done(step)
        now = time.monotonic()
        if self._began is None:  # what workers took to start comes once, and says nothing of what is left
            self._began = max(self._started, now - seconds)
        for tally in self.board.scored(step):
            self.note(f"{tally.label} seed {tally.seed}: {scores(tally, self.board.plan.setting)}")
        if now - self._printed >= self.every_s or self.done == self.total:
            left = (now - self._began) * max(0.0, 1 - share) / share  # shares add up to a little more than 1
            more = "".join(f", {text}" for tally in self.board.of(step)[:1] if (text := training(tally)))
            rate = more if self.board.trains(step) else ""
            self.note(
                f"[{self.done}/{self.total}] {step.label} ({seconds:.1f} s{rate}); about {left / 60:.1f} min left"
            )
            self._printed = now

    def note(self, message: str) -> None:
        self.console.print(presentable(message), markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        pass


class LiveDisplay:
    """A progress bar by expected cost; the workers and what they make; the cells: how far they are, their figures."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = Progress(
            BarColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn(), TimeRemainingColumn(),
            console=console,
        )  # fmt: skip
        self.bar: TaskID | None = None
        self.total = self.done = 0
        self.board: Board | None = None
        self.workers: dict[str, tuple[Step, float]] = {}  # slot -> what it makes, and since when
        self.live = Live(console=console, transient=True, refresh_per_second=4, get_renderable=self._render)

    def start(self, plan: Plan, store: Store, cached: Sequence[Step]) -> None:
        self.board = Board(plan, store)
        self.board.cached(cached)
        self.total, self.done = len(plan.steps), len(cached)
        self.bar = self.progress.add_task("starting workers", total=1.0)
        self.note(plan.context.said)
        self.live.start()

    def step_started(self, step: Step, slot: str) -> None:
        self.workers[slot] = (step, time.monotonic())

    def step_done(self, step: Step, slot: str, seconds: float, share: float) -> None:
        self.done += 1
        if self.workers.get(slot, (None,))[0] is step:  # else it has its next one already
            del self.workers[slot]
        if self.board is not None:
            self.board.done(step)
        if self.bar is not None:
            self.progress.update(
                self.bar, completed=share, description=presentable(f"[{self.done}/{self.total}] {step.label}")
            )

    def note(self, message: str) -> None:
        self.console.print(presentable(message), markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        self.live.stop()

    def _render(self) -> Group:
        tallies = self.board.tallies if self.board is not None else []
        workers = workers_table(self.workers, max(2, self.console.height // 4), self.console.width)
        room = max(3, self.console.height - 6 - workers.row_count)
        names = self.board.plan.setting.headline_names if self.board is not None else ()
        return Group(self.progress, workers, cells_table(tallies, room, names, self.console.width))


class QuietDisplay:
    """Only notes, for `--quiet`."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def start(self, plan: Plan, store: Store, cached: Sequence[Step]) -> None:
        pass

    def step_started(self, step: Step, slot: str) -> None:
        pass

    def step_done(self, step: Step, slot: str, seconds: float, share: float) -> None:
        pass

    def note(self, message: str) -> None:
        self.console.print(presentable(message), markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        pass


def make_display(console: Console, *, quiet: bool = False) -> Display:
    """The display that suits where stderr goes; in a notebook rich draws a live one with ipywidgets, or not at all."""
    if quiet:
        return QuietDisplay(console)
    live = console.is_terminal or (console.is_jupyter and find_spec("ipywidgets") is not None)
    return LiveDisplay(console) if live else PlainDisplay(console)


def training(tally: Tally) -> str:
    """'18.2 steps/s, loss 0.314, distance 1.27', as far as known."""
    parts = [(tally.rate, "{:.1f} steps/s"), (tally.loss, "loss {:.3f}"), (tally.distance, "distance {:.3f}")]
    return ", ".join(text.format(value) for value, text in parts if value is not None)


def scores(tally: Tally, setting: Setting) -> str:
    """'A_mmd 403.41, F_mmd 9.20 (x10^3)', or 'A_N 71.30, forgetting 5.20 (%)'."""
    parts = zip(setting.headline_names, (tally.accuracy, tally.forgetting), strict=True)
    known = ", ".join(f"{name} {number(value)}" for name, value in parts if value is not None)
    return f"{known} ({setting.headline_unit})"


def workers_table(workers: Mapping[str, tuple[Step, float]], room: int, width: int = 80) -> Table:
    """What each slot's worker makes, and since when, in `room` lines; of too many, the longest at it."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    label_room = max(10, width - 24)
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=label_room)
    table.add_column(justify="right", no_wrap=True)
    now = time.monotonic()
    shown = sorted(workers) if len(workers) <= room else sorted(workers, key=lambda slot: workers[slot][1])[: room - 1]
    labels = apart([presentable(workers[slot][0].label) for slot in shown], label_room)
    for slot, label in zip(shown, labels, strict=True):
        table.add_row(Text(slot, style="dim"), Text(label), f"{now - workers[slot][1]:.0f} s")
    if len(shown) < len(workers):
        table.add_row("", Text(f"... and {counted(len(workers) - len(shown), 'more worker')}", style="dim"), "")
    return table


def cells_table(tallies: Sequence[Tally], room: int, names: Sequence[str], width: int = 80) -> Table:
    """The cells in `room` lines of `width` characters; `names`: what their two figures are called.

    Of too many, those at work come first, then the finished; the rest is counted.
    """
    table = Table(box=None, pad_edge=False, header_style="dim")
    columns = ("tasks", "images", "steps/s", "loss", "distance", *names)
    taken = sum(max(len(column), 5) + 2 for column in columns)
    label_room = max(10, width - taken)  # it gives way
    table.add_column("cell", no_wrap=True, overflow="ellipsis", max_width=label_room)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    shown = list(tallies)
    if len(shown) > room:
        shown = sorted(shown, key=lambda t: (not t.started or t.accuracy is not None, not t.started))[: room - 1]
    for tally, label in zip(shown, apart([f"{t.label} seed {t.seed}" for t in shown], label_room), strict=True):
        figures = [(tally.rate, 1), (tally.loss, 3), (tally.distance, 3), (tally.accuracy, DIGITS)]
        figures.append((tally.forgetting, DIGITS))
        table.add_row(
            Text(label), f"{tally.trained}/{tally.tasks}",
            f"{tally.drawn}/{tally.pictures}",
            *("" if value is None else number(value, digits) for value, digits in figures),
        )  # fmt: skip
    if len(shown) < len(tallies):
        table.add_row(Text(f"... and {len(tallies) - len(shown)} more", style="dim"))
    return table
