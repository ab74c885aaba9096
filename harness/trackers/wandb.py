"""Weights & Biases: a run for each cell, in one group. Its own variables say where it writes, and whether online."""

from __future__ import annotations

from typing import Any

from harness.tracker import CellScored, RunBegan, RunEnded, TaskTrained, Tracker


class WeightsAndBiases(Tracker):
    """Measures by task, losses as the last logged of each, figures as the run's summary."""

    summary = "Weights & Biases: a run for each cell, in one group (WANDB_PROJECT, WANDB_MODE)"
    packages = {"wandb": "wandb"}  # noqa: RUF012

    def began(self, event: RunBegan) -> None:
        import wandb

        event.folder.mkdir(parents=True, exist_ok=True)
        self._runs: dict[tuple[str, int], Any] = {
            (label, seed): wandb.init(
                dir=str(event.folder), group=event.name, name=f"{label} seed {seed}", config=dict(event.spec),
                reinit="create_new",
            )
            for label, seed in event.cells
        }  # fmt: skip

    def trained(self, event: TaskTrained) -> None:
        last = {f"loss/{name}": value for name, value in event.last.items()}
        measures = {f"task/{name}": value for name, value in event.measures.items()}
        self._runs[event.cell, event.seed].log({"task": event.task, **last, **measures})

    def scored(self, event: CellScored) -> None:
        self._runs[event.cell, event.seed].summary.update(dict(event.figures))

    def ended(self, event: RunEnded) -> None:
        for run in self._runs.values():
            run.finish()
