"""Where each cell of a run stands: counts, the speed of training, and the latest figures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.engine.plan import Cell, Plan, Step
from harness.store.store import MANIFEST, Store


@dataclass
class Tally:
    """One cell: how far it is, and the newest figures of its training (rate in steps a second) and, scored, of all."""

    label: str
    seed: int
    tasks: int
    pictures: int  # image sets in all
    trained: int = 0
    drawn: int = 0
    rate: float | None = None
    loss: float | None = None
    distance: float | None = None
    accuracy: float | None = None  # the first of the setting's `headline`: A_mmd, or A_N
    forgetting: float | None = None  # the second: F_mmd, or the highest accuracy less the last

    @property
    def started(self) -> bool:
        """Whether any step of its own is there."""
        return self.trained > 0 or self.accuracy is not None


@dataclass
class Board:
    """The tallies of a plan's cells, kept up to date by `done`. A step that several cells share counts for each."""

    plan: Plan
    store: Store
    tallies: list[Tally] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._users: dict[str, list[tuple[Tally, Cell]]] = {}
        for cell in self.plan.cells:
            sets = {*cell.images.values(), *(c.key for c in cell.compositions)}
            tally = Tally(cell.label, cell.seed, len(cell.trains), len(sets))
            self.tallies.append(tally)
            for key in {*cell.trains, *sets, cell.score}:
                self._users.setdefault(key, []).append((tally, cell))

    def cached(self, steps: Iterable[Step]) -> None:
        """Count steps that were in the store before."""
        for step in steps:
            self._count(step)

    def done(self, step: Step) -> None:
        """Count a step that was just committed, and read what it says of itself."""
        self._count(step)
        if self.trains(step):
            self._read_training(step)

    def scored(self, step: Step) -> list[Tally]:
        """The cells whose figures a step makes."""
        return [tally for tally, cell in self._users.get(step.key, []) if step.key == cell.score]

    def trains(self, step: Step) -> bool:
        """Whether it is a training of any cell."""
        return any(step.key in cell.trains for _, cell in self._users.get(step.key, []))

    def of(self, step: Step) -> list[Tally]:
        """The cells that a training, an image set or a score belongs to."""
        return [tally for tally, _ in self._users.get(step.key, [])]

    def _count(self, step: Step) -> None:
        for tally, cell in self._users.get(step.key, []):
            if step.key in cell.trains:
                tally.trained += 1
            elif step.key == cell.score:
                self._read_score(tally, cell)
            else:
                tally.drawn += 1

    def _read_training(self, step: Step) -> None:
        measures: dict[str, float] = read_json(self.store.folder(step.key) / "training.json").get("measures", {})
        seconds = float(read_json(self.store.folder(step.key) / MANIFEST).get("facts", {}).get("train_seconds", 0.0))
        for tally, _ in self._users.get(step.key, []):
            tally.loss, tally.distance = measures.get("final_loss"), measures.get("plasticity_distance")
            steps = self.plan.setting.steps_of_training(step.recipe)
            tally.rate = steps / seconds if seconds > 0 and steps else None

    def _read_score(self, tally: Tally, cell: Cell) -> None:
        whole = whole_figures(self.store.folder(cell.score))
        tally.accuracy, tally.forgetting = map(whole.get, self.plan.setting.headline)


def whole_figures(scored: Path) -> dict[str, float]:
    """Metric -> figure of the whole cell, of a score's folder."""
    figures: list[dict[str, Any]] = read_json(scored / "figures.json").get("figures", [])
    return {f["metric"]: f["value"] for f in figures if f["task"] is None and f["layer"] is None}


def read_json(path: Path) -> dict[str, Any]:
    """A display must not stop a run: what cannot be read is not shown."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
