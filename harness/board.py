"""Where each cell of a run stands: counts, the speed of training, and the latest figures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from harness.plan import Cell, Plan, Step
from harness.spec import SettingName
from harness.store import MANIFEST, Store

# the metrics that a cell is summed up by
SCORES: Mapping[SettingName, tuple[str, str]] = {
    "customization": ("a_mmd", "f_mmd"), "classification": ("a_n", "forgetting_max"),
}  # fmt: skip


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
    accuracy: float | None = None  # A_mmd, or A_N in the classification setting
    forgetting: float | None = None  # F_mmd, or the highest accuracy less the last
    setting: SettingName = "customization"

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
            tally = Tally(cell.label, cell.seed, len(cell.trains), len(sets), setting=cell.setting)
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
        if step.kind == "train":
            self._read_training(step)

    def of(self, step: Step) -> list[Tally]:
        """The cells that a training, an image set or a score belongs to."""
        return [tally for tally, _ in self._users.get(step.key, [])]

    def _count(self, step: Step) -> None:
        for tally, cell in self._users.get(step.key, []):
            if step.kind == "train":
                tally.trained += 1
            elif step.kind == "score":
                self._read_score(tally, cell)
            else:
                tally.drawn += 1

    def _read_training(self, step: Step) -> None:
        measures: dict[str, float] = _json(self.store.folder(step.key) / "training.json").get("measures", {})
        seconds = float(_json(self.store.folder(step.key) / MANIFEST).get("facts", {}).get("train_seconds", 0.0))
        for tally, _ in self._users.get(step.key, []):
            tally.loss, tally.distance = measures.get("final_loss"), measures.get("plasticity_distance")
            tally.rate = _steps(step.recipe) / seconds if seconds > 0 else None

    def _read_score(self, tally: Tally, cell: Cell) -> None:
        figures: list[dict[str, Any]] = _json(self.store.folder(cell.score) / "figures.json").get("figures", [])
        whole = {f["metric"]: f["value"] for f in figures if f["task"] is None and f["layer"] is None}
        names = SCORES[tally.setting]
        tally.accuracy, tally.forgetting = whole.get(names[0]), whole.get(names[1])


def _steps(recipe: Mapping[str, Any]) -> int:
    """Steps of a training."""
    options = recipe["options"]
    if "steps" in options:
        return int(options["steps"])
    return int(options["epochs"]) * ceil(int(recipe["images"]) / int(options["batch_size"]))


def _json(path: Path) -> dict[str, Any]:
    """A display must not stop a run: what cannot be read is not shown."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
