"""Pictures that are shown as they are stored and may be meant otherwise: stereo pairs, oblong pixels, bars at edges."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.data.masks import Toned
from harness.data.skipped_files import few
from harness.errors import shortened
from harness.formats.figure_text import counted

STEREO = frozenset({".jps", ".pns"})  # what holds the views of both eyes beside each other


def shapes_said(folders: Mapping[Path, Mapping[Path, Toned]]) -> list[str]:
    """Sentences on such images.

    Args:
        folders: of each folder, its images.
    """
    said: list[str] = []
    for folder, images in folders.items():
        if stereo := [path.name for path in images if path.suffix.lower() in STEREO]:
            pairs = counted(len(stereo), "image is a pair", "images are pairs")
            said.append(f"{shortened(folder)}: {pairs} of views for two eyes by the name, used as one picture: "
                        f"{few(stereo)}; save one view in its place.")  # fmt: skip
        if oblong := [path.name for path, one in images.items() if one.oblong]:
            number = counted(len(oblong), "image says", "images say")
            said.append(f"{shortened(folder)}: {number} that the pixels are not square, and they are shown as square: "
                        f"{few(oblong)}; if the picture is squashed, resize it.")  # fmt: skip
    barred = [folder.name for folder, images in folders.items() if mostly_barred(images)]
    if barred:
        said.append(f"Most images of {few(barred)} have bars of one colour, or blurs, at two opposite edges, which are "
                    "learned, too; crop them if they are not meant.")  # fmt: skip
    return said


def mostly_barred(images: Mapping[Path, Toned]) -> bool:
    """Whether most of a folder's images lie between bars or blurs."""
    return len(images) > 1 and 2 * sum(one.barred for one in images.values()) > len(images)
