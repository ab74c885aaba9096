"""Methods side by side, after the last task: early, middle and late tasks."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from harness.results import CellResult
from reports.pictures.chosen import any_cell, one_seed
from reports.pictures.method import spaced
from reports.pictures.sheet import Block, Row, arrange, sheet
from reports.pictures.tiles import Tile, first, last, subtitle


def comparison_grid(cells: Sequence[CellResult], rows: int = 6) -> Image.Image | None:
    """Real images first, then for each method X_{N,j} of one seed; methods go on below where there are many.

    Args:
        cells: cells that may be compared: one benchmark, tier, backbone and range of tasks.
        rows: at most so many tasks, evenly spaced with the first and the last among them.

    Returns:
        An RGB picture: three images a method where all fit side by side, else two. None for fewer than two methods.

    Raises:
        StoreError: a picture is damaged.
    """
    chosen, without = one_seed(cells)
    if len(chosen) < 2 or not any_cell(chosen).tasks:
        return None
    cell = any_cell(chosen)
    tasks = spaced(sorted(cell.tasks, key=lambda task: task.index), rows)
    real: list[list[Tile]] = [first(task.real, 3) for task in tasks]
    made: dict[str, list[list[Tile]]] = {}
    for label, other in chosen.items():
        folders = {task.index: task.generated for task in other.tasks}
        made[label] = [first(folders[task.index], 3) for task in tasks]
    labels = [Row(f"task {task.index}", task.name) for task in tasks]
    for images in (3, 2):
        shown = {"real": real, **made}
        blocks = [Block(label, [tiles[:images] for tiles in shown[label]]) for label in made]
        blocks.insert(0, Block("real", [tiles[:images] for tiles in real]))
        if len(arrange(labels, blocks, 1).bands) == 1:
            break
    title = f"Generated after task {last(cell)}, by each method"
    return sheet(title, subtitle(cell, without), labels, blocks, repeated=1)
