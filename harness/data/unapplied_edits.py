"""What photo programs keep in a file beside a picture, and nothing applies here: crops, turns, marks of rejection."""

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
_RAW_THERAPEE = re.compile(
    rb"^\[Crop\]\s+Enabled=true|^\[(?:Coarse Transformation|Rotation)\]\s(?:[^\[]*\s)?"
    rb"(?:(?:Rotate|Degree)=(?!0(?:\.0*)?\s)|(?:Horizontal|Vertical)Flip=true)",
    re.MULTILINE,
)
_PICASA = frozenset({".picasa.ini", "picasa.ini"})
_PICASA_EDITS = re.compile(r"rotate=rotate\([1-3]\)|crop=rect64\(|filters=.*(?:crop64|tilt)=", re.IGNORECASE)
_PERHAPS = frozenset({".arp", ".cos", ".dop", ".nksc", ".on1"})  # of editors whose files are not read
_REJECTED = re.compile(rb"""xmp:Rating\s*(?:=\s*["']|>)\s*-1|^InTrash=true""", re.MULTILINE)
_TURNED = re.compile(rb"""tiff:Orientation\s*(?:=\s*["']|>)\s*([1-8])""")


def edits_said(folder: Path, images: Iterable[Path], skipped: Sequence[Skipped]) -> list[str]:
    """Sentences on the images of a folder that such a file is beside.

    Args:
        images: what is used of it. skipped: what is not.
    """
    by_name = {name: path for path in images for name in (path.name.casefold(), path.stem.casefold())}
    certain, perhaps, rejected = list[str](), list[str](), list[str]()
    said: list[str] = []
    for one in skipped:
        path = one.path
        image = by_name.get(path.stem.casefold())
        if path.parent == folder and path.name.casefold() in _PICASA:
            said += _picasa_said(path, images)
        if one.kind != "other" or path.parent != folder or image is None:
            continue
        ending = path.suffix.lower()
        if (ending == ".xmp" and _changes(path, image)) or (ending == ".pp3" and _RAW_THERAPEE.search(_text(path))):
            certain.append(path.name)
        elif ending in _PERHAPS or (ending == ".aae" and b"djustment" in _text(path)):
            perhaps.append(path.name)
        if ending in (".xmp", ".pp3") and _REJECTED.search(_text(path)):
            rejected.append(image.name)
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
    if rejected:
        number = counted(len(rejected), "image is", "images are")
        it = "it" if len(rejected) == 1 else "them"
        beside = "a file beside it" if len(rejected) == 1 else "files beside them"
        said.append(
            f"{shortened(folder)}: {number} marked as rejected in {beside}, and used: {few(rejected)}; remove {it} if "
            "that is meant."
        )
    return said


def _picasa_said(edits: Path, images: Iterable[Path]) -> list[str]:
    """A sentence on the images that Picasa shows cropped or turned, as its one file for a folder says."""
    found: list[str] = []
    names = {path.name for path in images}
    name = ""
    for line in _text(edits).decode("utf-8", "replace").splitlines():
        if section := re.fullmatch(r"\[(.*)\]\s*", line):
            name = section[1]
        elif name in names and name not in found and _PICASA_EDITS.match(line):
            found.append(name)
    if not found:
        return []
    number = counted(len(found), "image")
    return [
        f"{shortened(edits)} holds a crop or a turn of {number}, not applied here: {few(found)}; export the edited "
        "pictures."
    ]


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
