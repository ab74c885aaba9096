"""The grid of one cell: for each task a real image and what the method makes of it after the last task."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from harness.results import CellResult, TaskResult
from reports.pictures.tiles import (
    BACKGROUND,
    GAP,
    GREY,
    INK,
    LABELS,
    MARGIN,
    SPLIT,
    Tile,
    files,
    first,
    last,
    put,
    side_of,
    subtitle,
    write,
)

HEADER = 64  # px for the three lines above the rows


def method_grid(cell: CellResult, columns: int = 8, rows: int = 12) -> Image.Image:
    """The grid of one cell.

    Args:
        cell: a finished cell. Its pictures are taken in the order of their file names.
        columns: images in a row: one real, the others generated (X_{N,j}).
        rows: at most so many tasks, evenly spaced with the first and the last among them.

    Returns:
        An RGB picture. Small images are doubled without interpolation, large ones scaled down. A column for which
        no task has an image is left out; a single missing image is a grey tile.

    Raises:
        ValueError: fewer than 2 columns or 1 row.
        StoreError: a picture is damaged.
    """
    if columns < 2 or rows < 1:
        raise ValueError(f"A grid needs at least 2 columns and 1 row, not {columns} and {rows}.")
    tasks = spaced(sorted(cell.tasks, key=lambda task: task.index), rows)
    columns = min(columns, 1 + max((len(files(task.generated)) for task in tasks), default=1))
    columns = max(columns, 2)
    pictures: list[list[Tile]] = [[*first(task.real, 1), *first(task.generated, columns - 1)] for task in tasks]
    side = side_of([tile for row in pictures for tile in row])
    left = MARGIN + LABELS
    width = left + columns * side + (columns - 2) * GAP + SPLIT + MARGIN
    height = HEADER + len(tasks) * (side + GAP) + MARGIN
    canvas = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(canvas)

    write(draw, (MARGIN, 7), cell.label, 16, INK, width - 2 * MARGIN, bold=True)
    write(draw, (MARGIN, 30), subtitle(cell), 11, GREY, width - 2 * MARGIN)
    write(draw, (left, 48), "real", 11, GREY, side)
    write(draw, (_x(1, side), 48), f"generated after task {last(cell)}", 11, GREY, width - _x(1, side))
    for position, (task, row) in enumerate(zip(tasks, pictures, strict=True)):
        top = HEADER + position * (side + GAP)
        write(draw, (MARGIN, top + side // 2 - 16), f"task {task.index}", 12, INK, LABELS - MARGIN, bold=True)
        write(draw, (MARGIN, top + side // 2 + 1), task.name, 12, GREY, LABELS - MARGIN)
        for column, tile in enumerate(row):
            put(canvas, draw, tile, _x(column, side), top, side)
    return canvas


def spaced(tasks: Sequence[TaskResult], count: int) -> list[TaskResult]:
    """At most `count` tasks, evenly spaced, the first and (from two on) the last among them."""
    if len(tasks) <= count:
        return list(tasks)
    if count == 1:
        return [tasks[0]]
    return [tasks[round(i * (len(tasks) - 1) / (count - 1))] for i in range(count)]


def _x(column: int, side: int) -> int:
    return MARGIN + LABELS + column * (side + GAP) + (SPLIT - GAP if column else 0)
