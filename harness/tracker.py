"""The interface of a tracker, and the events that it is told: plain values, nothing of the engine is handed out.

A package offers a tracker by an entry point in the group `stamina_bench.trackers`; `run --track NAME` names it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True)
class RunBegan:
    """A run begins to work.

    name: of its file. folder: where a tracker may write. spec: what was asked for, as the run's file has it. cells:
    label and seed of each.
    """

    name: str
    folder: Path
    spec: Mapping[str, Any]
    cells: Sequence[tuple[str, int]]


@dataclass(frozen=True)
class TaskTrained:
    """A task of a cell was learnt; a training that several cells share is told of each.

    task: from 1. losses: of the steps that were logged, with their number as `step`. measures: loss, distance, and a
    method's own.
    """

    cell: str
    seed: int
    task: int
    losses: Sequence[Mapping[str, float]]
    measures: Mapping[str, float]
    seconds: float

    @property
    def last(self) -> dict[str, float]:
        """The parts of the loss at the last step that was logged."""
        rows = self.losses[-1:]
        return {name: value for row in rows for name, value in row.items() if name != "step"}


@dataclass(frozen=True)
class CellScored:
    """A cell has its figures. figures: metric -> that of the whole cell, in the units of results."""

    cell: str
    seed: int
    figures: Mapping[str, float]


@dataclass(frozen=True)
class RunEnded:
    """Nothing more is made, whether all is done or not."""


class Tracker:
    """Told of a run's events, each by a method that does nothing here. One that raises is left out; the run goes on.

    Class attributes:
        summary: One line. packages: what it imports and stamina-bench does not require: module -> what to give to pip.

    Example:
        >>> class Lines(Tracker):
        ...     def scored(self, event):
        ...         print(event.cell, event.seed, event.figures["a_mmd"])
    """

    summary: ClassVar[str] = ""
    packages: ClassVar[Mapping[str, str]] = {}

    def began(self, event: RunBegan) -> None:
        """Before the first step; not where there is nothing to do."""

    def trained(self, event: TaskTrained) -> None:
        """After a task's training."""

    def scored(self, event: CellScored) -> None:
        """After a cell's last step."""

    def ended(self, event: RunEnded) -> None:
        """At the end, also of a run that was interrupted."""
