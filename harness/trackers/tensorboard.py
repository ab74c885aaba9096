"""TensorBoard: curves of each cell's losses and measures, in OUTPUT/tracking/tensorboard/."""

from __future__ import annotations

from typing import Any

from harness.tracker import CellScored, RunBegan, RunEnded, TaskTrained, Tracker


class TensorBoard(Tracker):
    """A writer for each cell. Losses go by the steps of all tasks so far, measures by the task."""

    summary = "TensorBoard's event files, in the results folder"
    packages = {"tensorboard": "tensorboard"}  # noqa: RUF012

    def began(self, event: RunBegan) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writers: dict[tuple[str, int], Any] = {}
        self._steps: dict[tuple[str, int], int] = {}
        for cell in event.cells:
            folder = event.folder / event.name / f"{_plain(cell[0])}-seed{cell[1]}"
            self._writers[cell] = SummaryWriter(str(folder))
            self._steps[cell] = 0

    def trained(self, event: TaskTrained) -> None:
        cell = event.cell, event.seed
        writer, before = self._writers[cell], self._steps[cell]
        for row in event.losses:
            for name, value in row.items():
                if name != "step":
                    writer.add_scalar(f"loss/{name}", value, before + int(row["step"]))
        self._steps[cell] = before + int(event.losses[-1]["step"]) + 1 if event.losses else before
        for name, value in event.measures.items():
            writer.add_scalar(f"task/{name}", value, event.task)

    def scored(self, event: CellScored) -> None:
        for name, value in event.figures.items():
            self._writers[event.cell, event.seed].add_scalar(f"figure/{name}", value)

    def ended(self, event: RunEnded) -> None:
        for writer in self._writers.values():
            writer.close()


def _plain(label: str) -> str:
    """A label as a folder's name."""
    return "".join(c if c.isalnum() or c in "._+-=" else "_" for c in label)[:120]
