"""Several concepts in one picture, after the last task."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from harness.results import CellResult
from reports.pictures.chosen import any_cell, one_seed
from reports.pictures.sheet import Block, Row, sheet
from reports.pictures.tiles import Tile, first, subtitle


def composition_grid(cells: Sequence[CellResult], images: int = 3, prompts: int = 8) -> Image.Image | None:
    """A block for each combination of concepts: their real images, and below a row for each method.

    Its heading is the longest of the methods' prompts: some methods are taught, and asked, without the category word.

    Args:
        cells: cells that may be compared: one benchmark, tier, backbone and range of tasks.
        images: of each block and method. prompts: at most so many blocks, the first ones.

    Returns:
        An RGB picture, or None if no cell has images of several concepts.

    Raises:
        StoreError: a picture is damaged.
    """
    chosen, without = one_seed([cell for cell in cells if cell.compositions])
    if not chosen:
        return None
    cell = any_cell(chosen)
    headings: dict[tuple[int, ...], str] = {}
    for composition in (c for other in chosen.values() for c in other.compositions):
        headings[composition.tasks] = max(headings.get(composition.tasks, ""), composition.prompt, key=len)
    tasks = {task.index: task for other in reversed(chosen.values()) for task in other.tasks}
    blocks: list[Block] = []
    for concepts, prompt in list(headings.items())[:prompts]:
        real: list[Tile] = [first(tasks[j].real, 1)[0] if j in tasks else None for j in concepts]
        rows = [real]
        for other in chosen.values():
            folders = {composition.tasks: composition.images for composition in other.compositions}
            rows.append(first(folders.get(concepts), images))
        names = ", ".join(f"task {j}: {tasks[j].name}" if j in tasks else f"task {j}" for j in concepts)
        blocks.append(Block(prompt, rows, f"real: {names}"))
    labels = [Row("real", "one image of each concept"), *(Row(label) for label in chosen)]
    return sheet("Several concepts in one prompt", subtitle(cell, without), labels, blocks)
