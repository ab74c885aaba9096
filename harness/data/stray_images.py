"""Images that lie among photographs and may be none: icons and thumbnails by their size, sheets by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from harness.data.masks import Toned
from harness.data.skipped_files import counted, few, few_of
from harness.errors import shortened

ICON, LARGE = 64, 128  # pixels of the shorter side: what is below is an icon, where another image has so many
PART = 4  # one of the shorter sides that is below such a part of their median is a thumbnail's
_SHEET = re.compile(
    r"(?!.*removebg)(?:.*[\s_.-])?(?:contact[\s_-]?sheet|collage|montage|mosaic|photo[\s_-]?grid|preview|"
    r"proof[\s_-]?sheet|sprite(?:[\s_-]?sheet)?)s?(?:[\s_.-]*\(?\d+\)?)?",
    re.IGNORECASE,
)


def strays_said(folders: Mapping[Path, Mapping[Path, Toned]]) -> list[str]:
    """Sentences on the images of each folder that are much smaller than others there, or called as sheets of several.

    Args:
        folders: of each folder, its images.
    """
    return [line for folder, images in folders.items() for line in (*_small(folder, images), *_sheets(folder, images))]


def _small(folder: Path, images: Mapping[Path, Toned]) -> list[str]:
    sides = {path: min(one.size) for path, one in images.items()}
    least = max(ICON if max(sides.values(), default=0) >= LARGE else 0, median(sides.values() or [0]) / PART)
    found = [path for path, side in sides.items() if side < least]
    sizes = [f"{images[path].size[0]} x {images[path].size[1]}" for path in found]
    if len(found) == 1:
        return [
            f"{shortened(found[0])} has {sizes[0]} pixels, far fewer than others there; if it is an icon or a "
            "thumbnail, remove it."
        ]
    named = (
        few_of([f"{shortened(path.name)} ({size})" for path, size in zip(found, sizes, strict=True)]) if found else ""
    )
    text = f"{shortened(folder)}: {len(found)} images have far fewer pixels than others there: {named}; if they are "
    return [f"{text}icons or thumbnails, remove them."] if found else []


def _sheets(folder: Path, images: Mapping[Path, Toned]) -> list[str]:
    """Unless the folder is called so, too: a concept may be a collage."""
    found: Sequence[Path] = (
        [] if _SHEET.fullmatch(folder.name) else [one for one in images if _SHEET.fullmatch(one.stem)]
    )
    if not found:
        return []
    named = few([path.name for path in found])
    sheets = counted(len(found), "image is a preview or a sheet", "images are previews or sheets")
    return [f"{shortened(folder)}: {sheets} of several pictures by the name: {named}; if so, remove "
            f"{'it' if len(found) == 1 else 'them'}."]  # fmt: skip
