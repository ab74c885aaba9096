"""A contact sheet of a folder of concepts: each image as a method sees it, its central square, with its name below.

What no check tells shows here to the eye: a subject outside the square, pictures on their side, exchanged channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from harness.data.images.decoding import load_image
from harness.data.selection import Watch, unwatched
from harness.errors import UsageError, shortened
from harness.formats.figure_text import are, counted

ACROSS, TILE, GAP, LINE = 8, 128, 8, 18  # images beside each other; pixels of one, around it, and of a line of text
MOST, CONCEPTS = 40, 100  # images of a concept, and concepts: a sheet is to be looked at
INK, FAINT, PAPER = (20, 20, 20), (90, 90, 90), (255, 255, 255)


def sheet_file(path: Path) -> Path:
    """Where a sheet is to be written.

    Raises:
        UsageError: it is no PNG by its name, it is there already, or there is no such folder.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"A contact sheet is a PNG; call it {shortened(path.with_suffix('.png'))}.")
    if path.exists():
        raise UsageError(f"{shortened(path)} is there already; remove it, or name another file.")
    if not path.parent.is_dir():
        raise UsageError(f"{shortened(path.parent)} is no folder; make it first.")
    return path


def contact_sheet(concepts: Mapping[str, Sequence[Path]], watch: Watch = unwatched) -> Image.Image:
    """The sheet of concepts, name -> images, in their order.

    Raises:
        UsageError: as `load_image`.
    """
    shown = {title: images[:MOST] for title, images in list(concepts.items())[:CONCEPTS]}
    heights = [LINE + GAP + -(-len(images) // ACROSS) * (TILE + LINE + GAP) for images in shown.values()]
    sheet = Image.new("RGB", (GAP + ACROSS * (TILE + GAP), GAP + sum(heights) + 2 * LINE), PAPER)
    draw, title_font, name_font = ImageDraw.Draw(sheet), ImageFont.load_default(15), ImageFont.load_default(11)
    squares = {
        path: load_image(path, TILE)
        for path in watch([path for images in shown.values() for path in images], "drawing", None)
    }
    top = GAP
    for (title, images), height in zip(shown.items(), heights, strict=True):
        more = f" (the first {MOST})" * (len(concepts[title]) > MOST)
        count = len(concepts[title])
        _text(draw, (GAP, top), f"{title}: {count} image{'s' * (count != 1)}{more}", title_font, sheet.width, INK)
        for place, path in enumerate(images):
            row, column = divmod(place, ACROSS)
            left, at = GAP + column * (TILE + GAP), top + LINE + GAP + row * (TILE + LINE + GAP)
            sheet.paste(Image.fromarray(squares[path]), (left, at))
            _text(draw, (left, at + TILE + 2), path.name, name_font, TILE, FAINT)
        top += height
    left_out = len(concepts) - len(shown)
    last = "Each is the central square, which is all that a method is shown."
    last += f" {counted(left_out, 'more concept')} {are(left_out)} left out." if left_out else ""
    _text(draw, (GAP, top), last, name_font, sheet.width, FAINT)
    return sheet


def _text(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    room: int, colour: tuple[int, int, int],
) -> None:  # fmt: skip
    """A line, shortened in its middle where it has no room; the font has no letters but Latin ones."""
    text = "".join(char if char.isprintable() and ord(char) < 0x250 else "?" for char in text)
    keep = len(text)
    shown = text
    while draw.textlength(shown, font=font) > room and keep > 4:
        keep -= 1
        shown = f"{text[: -(-keep // 2)]}...{text[len(text) - keep // 2 :]}"
    draw.text(place, shown, fill=colour, font=font)
