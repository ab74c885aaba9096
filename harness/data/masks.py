"""Masks, depth maps, edge maps and notices among photographs, told by their names, and by their tones beside others."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.data.skipped_files import few
from harness.errors import shortened
from harness.formats.figure_text import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.data.images.decoding import Examined
    from harness.data.images.tones import Tones

# Also of text and stickers that an app keeps apart from the picture ("-overlay"), and of what guides a model.
_WORDS = (
    "alpha|canny|depth|disparity|edges|heatmap|hed|line[_-]?art|masks?|masklabel|matte|normals?|open[_-]?pose|overlay|"
    "scribble|seg|segm|segmentation|trimap"
)
_MAIN = "-main"  # what Snapchat calls the picture beside its overlay
_NAMED = re.compile(rf"(?:(?P<stem>.*?)[\s_.-]+)?(?P<word>{_WORDS})(?:[\s_.-]*\d+)?", re.IGNORECASE)

# Correlations: of the slopes of masks and edge maps with those of their photographs it is 0.2 or more, of the slopes of
# photographs of different things 0.1 or less; of a photograph's greys with themselves, saved once more, nearly 1.
OUTLINES, COPY = 0.18, 0.99
AMONG = 0.75  # of a folder's images, that are photographs where others of few colours are none


@dataclass(frozen=True)
class Toned:
    """An image's size as stored, in pixels, and its tones, sketch and what is odd of its shape (see `Examined`)."""

    size: tuple[int, int]
    tones: Tones
    sketch: bytes = field(default=b"", repr=False)
    oblong: bool = False
    barred: bool = False

    @classmethod
    def of(cls, found: Examined) -> Toned:
        """The same of what was found out about an image."""
        return cls((found.width, found.height), found.tones, found.sketch, found.oblong, found.barred)


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
        if one.tones != "many" or (of and (of in stems or of + _MAIN in stems)):
            return True
    if one.tones == "many":
        return False
    others = [images[other] for other in stems[path.stem.casefold()] if other != path]
    photographs = [other for other in others if other.tones == "many" and other.size == one.size]
    if photographs:
        return not any(_is_grey_copy(one, other) for other in photographs)
    return one.tones == "few" and one.size in sizes


def notices_among(images: Mapping[Path, Toned]) -> list[Path]:
    """The images of few colours among photographs, of whatever size: "image not available", a logo, a drawing."""
    photographs = sum(one.tones == "many" for one in images.values())
    return [path for path, one in images.items() if one.tones == "few"] if photographs >= AMONG * len(images) else []


def masks_said(folders: Mapping[Path, Mapping[Path, Toned]]) -> list[str]:
    """Sentences on each folder in which images seem to be masks, or are of few colours among photographs.

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
        notices = [path for path in notices_among(images) if path not in found]
        if notices:
            number = counted(len(notices), "image has", "images have")
            which = 'it is a notice ("image not available"), a logo or a map, remove it'
            if len(notices) > 1:
                which = 'they are notices ("image not available"), logos or maps, remove them'
            names = few([path.name for path in notices])
            said.append(f"{shortened(folder)}: {number} few colours among photographs: {names}; if {which}.")
    return said


def _of_whom(folder: Path, folders: Mapping[Path, Mapping[Path, Toned]]) -> Path | None:
    """The folder with a photograph of the same name, size and outlines for each of a folder's images, which are none.

    Black-and-white photographs that are numbered as those of another folder have other outlines.
    """
    if any(one.tones == "many" for one in folders[folder].values()):
        return None
    wanted = {(path.stem.casefold(), one.size): one for path, one in folders[folder].items()}
    for other, images in folders.items():
        there = {(path.stem.casefold(), one.size): one for path, one in images.items() if one.tones == "many"}
        if wanted.keys() <= there.keys():
            likeness = [_likeness(_slopes(one), _slopes(there[key])) for key, one in wanted.items()]
            if sum(likeness) >= OUTLINES * len(likeness):
                return other
    return None


def _is_grey_copy(one: Toned, other: Toned) -> bool:
    """Whether a grey image is a photograph in black and white, which is no map of it."""
    return one.tones != "many" and _likeness(_values(one), _values(other)) >= COPY


def _values(one: Toned) -> NDArray[np.float64]:
    side = math.isqrt(len(one.sketch))
    return np.frombuffer(one.sketch, np.uint8).reshape(side, side).astype(np.float64)


def _slopes(one: Toned) -> NDArray[np.float64]:
    """How steep the greys are at each place: a mask's are where the photograph has an outline."""
    down, right = np.gradient(_values(one))
    return np.asarray(np.hypot(down, right))


def _likeness(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Their correlation; 0 of what is all the same."""
    if not one.std() or not other.std():
        return 0.0
    return float(np.mean((one - one.mean()) * (other - other.mean())) / (one.std() * other.std()))
