"""Picture grids: for each task a real image and what the method makes of it after the last task."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont, ImageOps

from harness.errors import StoreError
from harness.results import CellResult, TaskResult
from reports.summary import is_partial, ranges

TILE = 192  # px: larger images are scaled down to it
LEGIBLE = 96  # px: images up to this size are doubled
GAP = 2  # px between tiles
SPLIT = 10  # px between the real column and the generated ones
MARGIN = 8
LABELS = 190  # px for the row labels
HEADER = 64  # px for the three lines above the rows
BACKGROUND = "white"
EMPTY = (236, 236, 236)
INK = (25, 25, 25)
GREY = (110, 110, 110)


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
    columns = min(columns, 1 + max((len(_files(task.generated)) for task in tasks), default=1))
    columns = max(columns, 2)
    pictures = [_row(task, columns) for task in tasks]
    side = max((max(image.size) for row in pictures for image in row if image is not None), default=TILE)
    left = MARGIN + LABELS
    width = left + columns * side + (columns - 2) * GAP + SPLIT + MARGIN
    height = HEADER + len(tasks) * (side + GAP) + MARGIN
    canvas = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(canvas)

    _write(draw, (MARGIN, 7), cell.label, 16, INK, width - 2 * MARGIN, bold=True)
    _write(draw, (MARGIN, 30), _subtitle(cell), 11, GREY, width - 2 * MARGIN)
    _write(draw, (left, 48), "real", 11, GREY, side)
    _write(draw, (_x(1, side), 48), f"generated after task {_last(cell)}", 11, GREY, width - _x(1, side))
    for position, (task, row) in enumerate(zip(tasks, pictures, strict=True)):
        top = HEADER + position * (side + GAP)
        _write(draw, (MARGIN, top + side // 2 - 16), f"task {task.index}", 12, INK, LABELS - MARGIN, bold=True)
        _write(draw, (MARGIN, top + side // 2 + 1), task.name, 12, GREY, LABELS - MARGIN)
        for column, image in enumerate(row):
            x = _x(column, side)
            if image is None:
                draw.rectangle((x, top, x + side - 1, top + side - 1), fill=EMPTY)
            else:
                canvas.paste(image, (x + (side - image.width) // 2, top + (side - image.height) // 2))
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


def _row(task: TaskResult, columns: int) -> list[Image.Image | None]:
    real: list[Image.Image | None] = [_load(path) for path in _files(task.real)[:1]]
    generated = [_load(path) for path in _files(task.generated)[: columns - 1]]
    missing: list[Image.Image | None] = [None] * (columns - 1 - len(generated))
    return [*(real or [None]), *generated, *missing]


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.png"))


def _load(path: Path) -> Image.Image:
    try:
        with Image.open(path) as stream:
            image = stream.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise StoreError(f"The picture {path} cannot be read ({error}); run that cell again to renew it.") from error
    longest = max(image.size)
    if longest <= LEGIBLE:
        return image.resize((image.width * 2, image.height * 2), Image.Resampling.NEAREST)
    return ImageOps.contain(image, (TILE, TILE), Image.Resampling.LANCZOS) if longest > TILE else image


def _subtitle(cell: CellResult) -> str:
    scope = f", partial: tasks {ranges([task.index for task in cell.tasks])} of {cell.tasks_total}"
    return f"{cell.title}, {cell.tier} tier, {cell.backbone}, seed {cell.seed}{scope if is_partial(cell) else ''}"


def _last(cell: CellResult) -> int:
    return max((task.index for task in cell.tasks), default=0)


@cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    # matplotlib carries this font, so that every machine draws the same letters.
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def _write(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    size: int,
    ink: tuple[int, int, int],
    room: int,
    bold: bool = False,
) -> None:
    """One line of text, cut with an ellipsis where it is wider than `room` px."""
    font = _font(size, bold)
    text = "".join(c if c.isprintable() else " " for c in text)
    if draw.textlength(text, font=font) > room:
        while text and draw.textlength(text + "…", font=font) > room:
            text = text[:-1]
        text += "…"
    draw.text(at, text, fill=ink, font=font)
