"""What fine-tuning did to prompts without a custom token."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from harness.results import CellResult
from reports.pictures.chosen import any_cell, one_seed
from reports.pictures.sheet import Block, Row, sheet
from reports.pictures.tiles import first, last, subtitle

BASE_MODEL = "the base model"


def drift_grid(cells: Sequence[CellResult], images: int = 6) -> Image.Image | None:
    """A block for each prompt: the base model's images, and below a row for each method after the last task.

    All images of a column come from the same noise.

    Args:
        cells: cells that may be compared: one benchmark, tier, backbone and range of tasks.
        images: of each block and row.

    Returns:
        An RGB picture, or None if no cell has images of prompts without a token.

    Raises:
        StoreError: a picture is damaged.
    """
    chosen, without = one_seed([cell for cell in cells if cell.plain])
    if not chosen:
        return None
    before = {plain.prompt: plain.before for other in chosen.values() for plain in other.plain}
    blocks: list[Block] = []
    for prompt, folder in before.items():
        after = [{plain.prompt: plain.after for plain in other.plain}.get(prompt) for other in chosen.values()]
        blocks.append(Block(prompt, [first(each, images) for each in (folder, *after)]))
    cell = any_cell(chosen)
    labels = [Row(BASE_MODEL, "before all tasks"), *(Row(label) for label in chosen)]
    return sheet(f"Prompts without a custom token, after task {last(cell)}", subtitle(cell, without), labels, blocks)
