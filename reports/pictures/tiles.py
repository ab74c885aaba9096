"""What all picture grids share: images in their tiles, words cut to the room there is, PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont, ImageOps

from harness.errors import StoreError
from harness.results import CellResult
from reports.cells.lines import is_partial
from reports.tables.summary import ranges

TILE = 192  # px: larger images are scaled down to it
LEGIBLE = 96  # px: images up to this size are doubled
GAP = 2  # px between tiles
SPLIT = 10  # px between the real column and the generated ones
MARGIN = 8
LABELS = 190  # px for the row labels
BACKGROUND = "white"
EMPTY = (236, 236, 236)
INK = (25, 25, 25)
GREY = (110, 110, 110)

Tile = Image.Image | None
"""An image, or None where it is missing: a grey tile."""


def load(path: Path) -> Image.Image:
    """The picture at the size of a tile: small ones doubled without interpolation, large ones scaled down.

    Raises:
        StoreError: the picture is damaged.
    """
    try:
        with Image.open(path) as stream:
            image = stream.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise StoreError(f"The picture {path} cannot be read ({error}); run that cell again to renew it.") from error
    longest = max(image.size)
    if longest <= LEGIBLE:
        return image.resize((image.width * 2, image.height * 2), Image.Resampling.NEAREST)
    return ImageOps.contain(image, (TILE, TILE), Image.Resampling.LANCZOS) if longest > TILE else image


def files(folder: Path | None) -> list[Path]:
    """The folder's pictures in the order of their names; none where there is no such folder."""
    return sorted(folder.glob("*.png")) if folder is not None else []


def first(folder: Path | None, count: int) -> list[Tile]:
    """The folder's first `count` pictures, None for each that is missing."""
    found: list[Tile] = [load(path) for path in files(folder)[:count]]
    return [*found, *[None] * (count - len(found))]


def side_of(tiles: Sequence[Tile]) -> int:
    """The side of a square in which each of them fits."""
    return max((max(tile.size) for tile in tiles if tile is not None), default=TILE)


def put(canvas: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, x: int, y: int, side: int) -> None:
    """The image in the middle of its square, or a grey square."""
    if tile is None:
        draw.rectangle((x, y, x + side - 1, y + side - 1), fill=EMPTY)
    else:
        canvas.paste(tile, (x + (side - tile.width) // 2, y + (side - tile.height) // 2))


def write(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    size: int,
    ink: tuple[int, int, int],
    room: int,
    bold: bool = False,
) -> None:
    """One line of text, cut with an ellipsis where it is wider than `room` px."""
    for line in wrap(text, size, room, 1, bold):
        draw.text(at, line, fill=ink, font=_font(size, bold))


def wrap(text: str, size: int, room: int, lines: int, bold: bool = False) -> list[str]:
    """The text in at most so many lines of `room` px, the last one cut with an ellipsis if more would be needed.

    Lines end after a space, comma, hyphen or underscore where one is near.
    """
    font = _font(size, bold)
    rest = "".join(c if c.isprintable() else " " for c in text)
    result: list[str] = []
    while rest:
        if font.getlength(rest) <= room:
            return [*result, rest]
        if len(result) == lines - 1:
            return [*result, rest[: _fitting(rest, font, room, "…")] + "…"]
        end = max(1, _fitting(rest, font, room))
        near = max(rest.rfind(mark, end // 2, end) for mark in " ,-_") + 1
        end = near or end
        result.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return result


def subtitle(cell: CellResult, note: str = "") -> str:
    """What the pictures are of: benchmark, tier, backbone, seed, `note`, and which tasks a partial run has."""
    scope = f", partial: tasks {ranges([task.index for task in cell.tasks])} of {cell.tasks_total}"
    return f"{cell.title}, {cell.tier} tier, {cell.backbone}, seed {cell.seed}{note}{scope if is_partial(cell) else ''}"


def last(cell: CellResult) -> int:
    """The number of the cell's last task, 0 without tasks."""
    return max((task.index for task in cell.tasks), default=0)


def png(image: Image.Image) -> bytes:
    """The picture as a PNG file, the same bytes for the same picture."""
    stream = io.BytesIO()
    image.save(stream, format="PNG", compress_level=3)  # twice as fast as the default, a few per cent larger
    return stream.getvalue()


def _fitting(text: str, font: ImageFont.FreeTypeFont, room: int, end: str = "") -> int:
    """How many characters fit before `end`."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if font.getlength(text[:middle] + end) <= room else (low, middle - 1)
    return low


@cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    # matplotlib carries this font, so that every machine draws the same letters.
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)
