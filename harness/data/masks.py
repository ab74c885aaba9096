"""Masks, depth maps and edge maps that lie among photographs, told by their names, and by their tones beside others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data.skipped_files import few
from harness.errors import shortened

if TYPE_CHECKING:
    from harness.data.images.tones import Tones

_WORDS = "alpha|canny|depth|edges|hed|masks?|matte|normals?|seg|segm|segmentation|trimap"
_NAMED = re.compile(rf"(?:(?P<stem>.*?)[\s_.-]+)?(?P<word>{_WORDS})(?:[\s_.-]*\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Toned:
    """An image's size as stored, in pixels, and its tones."""

    size: tuple[int, int]
    tones: Tones


def masks_among(images: Mapping[Path, Toned]) -> list[Path]:
    """The images of one folder that seem to be masks or maps of others in it.

    Those with a mask's name that lack a photograph's tones or have another's name before that word; and those without
    such tones that share another's name, or are of few tones and its size where most have a photograph's.
    """
    stems: dict[str, list[Path]] = {}
    for path in images:
        stems.setdefault(path.stem.casefold(), []).append(path)
    photographs = [one for one in images.values() if one.tones == "many"]
    sizes = {one.size for one in photographs} if 2 * len(photographs) > len(images) else set()
    return [path for path, one in images.items() if _is_mask(path, one, images, stems, sizes)]


def _is_mask(
    path: Path,
    one: Toned,
    images: Mapping[Path, Toned],
    stems: Mapping[str, Sequence[Path]],
    sizes: set[tuple[int, int]],
) -> bool:
    named = _NAMED.fullmatch(path.stem)
    if named and named["word"].casefold().rstrip("s") not in path.parent.name.casefold():
        of = (named["stem"] or "").casefold()
        if one.tones != "many" or (of and of in stems):
            return True
    if one.tones == "many":
        return False
    others = [images[other] for other in stems[path.stem.casefold()] if other != path]
    if any(other.tones == "many" and other.size == one.size for other in others):
        return True
    return one.tones == "few" and one.size in sizes


def masks_said(folders: Mapping[Path, Mapping[Path, Toned]]) -> list[str]:
    """A sentence on each folder in which images seem to be masks.

    Args:
        folders: of each folder, its images.
    """
    said: list[str] = []
    for folder, images in folders.items():
        found = masks_among(images)
        if len(found) == 1:
            said.append(f"{shortened(found[0])} looks like a mask or a map, not a photograph; if it is, move it away.")
        elif found:
            names = few([path.name for path in found])
            said.append(
                f"{shortened(folder)}: {len(found)} images look like masks or maps, not photographs: {names}; if they "
                "are, move them away."
            )
        elif photographs := _of_whom(folder, folders):
            of = shortened(photographs.name)
            said.append(
                f"{shortened(folder)} seems to hold masks or maps of the photographs in {of}; if so, move it away."
            )
    return said


def _of_whom(folder: Path, folders: Mapping[Path, Mapping[Path, Toned]]) -> Path | None:
    """The folder with a photograph of the same name and size for each of a folder's images, which are none."""
    if any(one.tones == "many" for one in folders[folder].values()):
        return None
    wanted = {(path.stem.casefold(), one.size) for path, one in folders[folder].items()}
    for other, images in folders.items():
        if wanted <= {(path.stem.casefold(), one.size) for path, one in images.items() if one.tones == "many"}:
            return other
    return None
