"""Edits that photo programs keep in a file beside a picture, and that nothing applies here: crops and turns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import ExifTags, Image

from harness.data.skipped_files import Skipped, few
from harness.errors import shortened
from harness.formats.figure_text import counted

MOST = 1 << 20  # bytes of a file of edits that are read
_CROPPED = re.compile(
    rb"""crs:HasCrop\s*(?:=\s*["']|>)\s*True|darktable:operation\s*=\s*["'](?:crop|clipping)["'][^>]*"""
    rb"""darktable:enabled\s*=\s*["']1["']"""
)
_TURNED = re.compile(rb"""tiff:Orientation\s*(?:=\s*["']|>)\s*([1-8])""")


def edits_said(folder: Path, images: Iterable[Path], skipped: Sequence[Skipped]) -> list[str]:
    """Sentences on the images of a folder that such a file is beside.

    Args:
        images: what is used of it. skipped: what is not.
    """
    by_name = {name: path for path in images for name in (path.name.casefold(), path.stem.casefold())}
    certain, perhaps = list[str](), list[str]()
    for one in skipped:
        path = one.path
        image = by_name.get(path.stem.casefold())
        if one.kind != "other" or path.parent != folder or image is None:
            continue
        if path.suffix.lower() == ".xmp" and _changes(path, image):
            certain.append(path.name)
        elif path.suffix.lower() == ".aae" and b"djustment" in _text(path):
            perhaps.append(path.name)
    said: list[str] = []
    for found, holds, what in (
        (certain, ("file holds", "files hold"), "a crop or a turn"),
        (perhaps, ("file may hold", "files may hold"), "edits"),
    ):
        if found:
            beside = "the image beside it" if len(found) == 1 else "the images beside them"
            said.append(
                f"{shortened(folder)}: {counted(len(found), *holds)} {what} of {beside}, not applied here: "
                f"{few(found)}; export the edited pictures."
            )
    return said


def _changes(edits: Path, image: Path) -> bool:
    """Whether an XMP file crops its image, or turns it otherwise than the image itself says."""
    text = _text(edits)
    turned = _TURNED.search(text)
    return bool(_CROPPED.search(text)) or (turned is not None and int(turned[1]) != _orientation(image))


def _text(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MOST)
    except OSError:  # what cannot be read is not used either way
        return b""


def _orientation(path: Path) -> int:
    """How an image's EXIF says that it is turned; 1 is upright."""
    try:
        with Image.open(path) as image:
            return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damage is told when it is decoded
        return 1
