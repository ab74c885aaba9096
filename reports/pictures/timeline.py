"""One concept as later ones are learned: X_{j,j} to X_{N,j}."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from harness.results import CellResult, TaskResult
from reports.pictures.chosen import any_cell, one_seed
from reports.pictures.sheet import Block, Row, sheet
from reports.pictures.tiles import Tile, first, last, subtitle

COLUMNS = 8  # generated images in a row
IMAGES = 4  # of one X_{i,j}, at most


def timeline(cells: Sequence[CellResult], task: int, columns: int = COLUMNS) -> Image.Image | None:
    """A row for each method: a real image, then images of the task after it was learned and after later tasks.

    All images of a column of X_{i,j} come from the same noise. Where few i are known there are several images of each.

    Args:
        cells: cells that may be compared: one benchmark, tier, backbone and range of tasks.
        task: 1-based number of the task shown.
        columns: at most so many i, evenly spaced from j = `task` to N.

    Returns:
        An RGB picture, or None if no cell kept the task's images from before the end.

    Raises:
        StoreError: a picture is damaged.
    """
    chosen, without = one_seed([cell for cell in cells if any(t.index == task for t in cell.tasks)])
    shown = {label: next(t for t in cell.tasks if t.index == task) for label, cell in chosen.items()}
    if not any(result.after for result in shown.values()):
        return None
    cell = any_cell(chosen)
    stages = {label: _stages(result, last(cell)) for label, result in shown.items()}
    after = _spaced(sorted({i for known in stages.values() for i in known}), columns)
    images = max(1, min(IMAGES, columns // len(after)))
    real: list[list[Tile]] = [first(result.real, 1) for result in shown.values()]
    blocks = [Block("real", real)]
    for i in after:
        tiles = [first(known.get(i), images) for known in stages.values()]
        note = "just learned" if i == task else "at the end" if i == last(cell) else ""
        blocks.append(Block(f"after task {i}", tiles, note))
    name = next(iter(shown.values())).name
    return sheet(f"Task {task}: {name}", subtitle(cell, without), [Row(label) for label in shown], blocks, repeated=1)


def _stages(result: TaskResult, end: int) -> Mapping[int, Path | None]:
    """i -> X_{i,j}: what is known, at least the images after the last task."""
    return {end: result.generated, **result.after}


def _spaced(numbers: Sequence[int], count: int) -> list[int]:
    """At most `count` of the ascending numbers, evenly spaced by position, both ends among them."""
    if len(numbers) <= count or count < 2:
        return list(numbers[: max(count, 1)])
    return [numbers[round(i * (len(numbers) - 1) / (count - 1))] for i in range(count)]
