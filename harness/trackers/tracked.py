"""A display that tells trackers, too. A tracker that fails is left out with a sentence; it never stops a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.engine.display import Display
from harness.engine.plan import Cell, Plan, Step
from harness.engine.progress import read_json, whole_figures
from harness.errors import first_line
from harness.store.artifacts import TRAINING
from harness.store.store import MANIFEST, Store
from harness.tracker import CellScored, RunBegan, RunEnded, TaskTrained, Tracker

Event = RunBegan | TaskTrained | CellScored | RunEnded


class Tracked:
    """What another display shows, and events for trackers beside it."""

    def __init__(
        self, inner: Display, trackers: Mapping[str, Tracker], name: str, folder: Path, spec: Mapping[str, Any]
    ) -> None:
        """Around a display.

        Args:
            trackers: by their names. name: of the run. folder: where they may write. spec: what was asked for.
        """
        self.inner, self.name, self.folder, self.spec = inner, name, folder, spec
        self._trackers = dict(trackers)

    def start(self, plan: Plan, store: Store, cached: Sequence[Step]) -> None:
        """See `Display.start`."""
        self.inner.start(plan, store, cached)
        self._store = store
        self._learnt: dict[str, list[tuple[Cell, int]]] = {}
        self._scores: dict[str, list[Cell]] = {}
        for cell in plan.cells:
            self._scores.setdefault(cell.score, []).append(cell)
            for place, key in enumerate(cell.trains, 1):
                self._learnt.setdefault(key, []).append((cell, place))
        cells = tuple((cell.label, cell.seed) for cell in plan.cells)
        for name in list(self._trackers):
            self._tell(name, "began", RunBegan(self.name, self.folder / name, self.spec, cells))

    def step_started(self, step: Step, slot: str) -> None:
        """See `Display.step_started`."""
        self.inner.step_started(step, slot)

    def step_done(self, step: Step, slot: str, seconds: float, share: float) -> None:
        """See `Display.step_done`."""
        self.inner.step_done(step, slot, seconds, share)
        folder = self._store.folder(step.key)
        if learnt := self._learnt.get(step.key):
            training = read_json(folder / TRAINING)
            losses, measures = training.get("losses", []), training.get("measures", {})
            spent = float(read_json(folder / MANIFEST).get("facts", {}).get("train_seconds", seconds))
            for cell, place in learnt:
                self._tell_all("trained", TaskTrained(cell.label, cell.seed, place, losses, measures, spent))
        for cell in self._scores.get(step.key, ()):
            self._tell_all("scored", CellScored(cell.label, cell.seed, whole_figures(folder)))

    def note(self, message: str) -> None:
        """See `Display.note`."""
        self.inner.note(message)

    def stop(self) -> None:
        """See `Display.stop`."""
        self.inner.stop()
        self._tell_all("ended", RunEnded())

    def _tell_all(self, hook: str, event: Event) -> None:
        for name in list(self._trackers):
            self._tell(name, hook, event)

    def _tell(self, name: str, hook: str, event: Event) -> None:
        try:
            getattr(self._trackers[name], hook)(event)
        except Exception as error:  # whatever it is, the run is worth more
            del self._trackers[name]
            self.inner.note(f"The tracker {name} failed and is left out from here on: {first_line(error)}")
