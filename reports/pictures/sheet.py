"""A sheet of pictures: rows with a label, blocks of columns with a heading, in as many bands as its width asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from reports.pictures.tiles import (
    BACKGROUND,
    GAP,
    GREY,
    INK,
    LABELS,
    MARGIN,
    SPLIT,
    Tile,
    put,
    side_of,
    wrap,
    write,
)

WIDEST = 2400  # px: a sheet that would be wider goes on below
TOP = 50  # px for the two lines above all bands
BAND = 18  # px between two bands
LINE = 15  # px of a line of words
LABEL_LINES = 4  # of a row's label and of what stands below it
HEADING_LINES = 2


@dataclass(frozen=True)
class Row:
    """A row's label, and a paler word below it."""

    label: str
    note: str = ""


@dataclass(frozen=True)
class Block:
    """Columns that belong together: for each row its tiles. A row may have fewer than others; the rest stays white."""

    heading: str
    tiles: Sequence[Sequence[Tile]]
    note: str = ""

    @property
    def columns(self) -> int:
        """Tiles of the longest row."""
        return max((len(row) for row in self.tiles), default=0)


@dataclass(frozen=True)
class Layout:
    """Where things come: `bands` holds the numbers of the blocks side by side, `header` px stand above each band."""

    side: int
    header: int
    rows: int
    bands: tuple[tuple[int, ...], ...]
    columns: tuple[int, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole sheet."""
        width = max(self.x(band, len(members)) for band, members in enumerate(self.bands)) - SPLIT + MARGIN
        return width, self.y(len(self.bands), 0) - self.header - BAND + MARGIN

    def x(self, band: int, block: int, column: int = 0) -> int:
        """Left edge of a column; `block` counts within the band."""
        before = sum(self.columns[b] * (self.side + GAP) - GAP + SPLIT for b in self.bands[band][:block])
        return MARGIN + LABELS + before + column * (self.side + GAP)

    def y(self, band: int, row: int) -> int:
        """Upper edge of a row."""
        return TOP + band * (self.header + self.rows * (self.side + GAP) + BAND) + self.header + row * (self.side + GAP)


def arrange(rows: Sequence[Row], blocks: Sequence[Block], repeated: int = 0, widest: int = WIDEST) -> Layout:
    """Fill band after band; each begins with the first `repeated` blocks and has at least one other."""
    side = side_of([tile for block in blocks for row in block.tiles for tile in row])
    widths = [block.columns * (side + GAP) - GAP + SPLIT for block in blocks]
    head = tuple(range(min(repeated, len(blocks))))
    bands: list[list[int]] = [[*head]]
    for position in range(len(head), len(blocks)):
        full = MARGIN + LABELS + sum(widths[b] for b in (*bands[-1], position)) - SPLIT + MARGIN > widest
        if full and len(bands[-1]) > len(head):
            bands.append([*head])
        bands[-1].append(position)
    lines = max((len(_heading(block, width)) for block, width in zip(blocks, widths, strict=True)), default=0)
    noted = any(block.note for block in blocks)
    header = (lines + noted) * LINE + 4
    return Layout(side, header, len(rows), tuple(map(tuple, bands)), tuple(block.columns for block in blocks))


def sheet(title: str, subtitle: str, rows: Sequence[Row], blocks: Sequence[Block], repeated: int = 0) -> Image.Image:
    """The sheet as an RGB picture.

    Args:
        title, subtitle: two lines above everything, cut to its width.
        blocks: each with the tiles of all rows; None is a grey tile.
        repeated: so many blocks stand at the beginning of every band.
    """
    layout = arrange(rows, blocks, repeated)
    width, height = layout.size
    canvas = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    write(draw, (MARGIN, 7), title, 16, INK, width - 2 * MARGIN, bold=True)
    write(draw, (MARGIN, 30), subtitle, 11, GREY, width - 2 * MARGIN)
    for band, members in enumerate(layout.bands):
        for row, label in enumerate(rows):
            _label(draw, label, layout.y(band, row) + layout.side // 2)
        for place, member in enumerate(members):
            block = blocks[member]
            x, room = layout.x(band, place), layout.columns[member] * (layout.side + GAP) - GAP
            y = layout.y(band, 0) - layout.header
            # What follows the last line is nearest to the tiles.
            lines = _heading(block, room + SPLIT)
            y += layout.header - 4 - (len(lines) + bool(block.note)) * LINE
            for line in lines:
                write(draw, (x, y), line, 12, INK, room, bold=True)
                y += LINE
            write(draw, (x, y), block.note, 11, GREY, room)
            for row, tiles in enumerate(block.tiles):
                for column, tile in enumerate(tiles):
                    at = layout.x(band, place, column), layout.y(band, row)
                    put(canvas, draw, tile, *at, layout.side)
    return canvas


def _heading(block: Block, width: int) -> list[str]:
    return wrap(block.heading, 12, width - SPLIT, HEADING_LINES, bold=True)


def _label(draw: ImageDraw.ImageDraw, row: Row, middle: int) -> None:
    room = LABELS - MARGIN
    note = wrap(row.note, 12, room, 1)
    label = wrap(row.label, 12, room, LABEL_LINES - len(note), bold=True)
    y = middle - (len(label) + len(note)) * LINE // 2
    for position, line in enumerate([*label, *note]):
        bold = position < len(label)
        write(draw, (MARGIN, y), line, 12, INK if bold else GREY, room, bold=bold)
        y += LINE
