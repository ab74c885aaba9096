"""Pictures that are there once more: mirrored, turned, in greys, as a negative, with other brightness or contrast.

They are told by small greys of them, without their mean and spread, in all eight positions: first those that are near
at 8 x 8 pixels, in about linear time, then by the finest of their details.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.data.images.decoding import SKETCH, THUMBNAIL
from harness.data.near_thumbnails import near_rows
from harness.data.skipped_files import few_of
from harness.errors import shortened
from harness.formats.figure_text import counted

T = TypeVar("T", bound=np.generic)

# turns of a picture, and -1 for its negative, which is scanned from either side of a film
POSITIONS = (*((turns, 1) for turns in range(8)), (0, -1), (4, -1))
SCALE, WITHIN = 40, 20  # levels that stand for one standard deviation, and by how many of them two may differ
LEAST, FINEST = 4.0, 0.5  # levels, of 255: the spread of a picture, and of its details, that can be compared
# Correlation of details, which of different drawings of one kind is up to 0.96; or, of smooth pictures, of whole ones
# (0.997) and of what details there are.
SAME, SMOOTH, ROUGHLY = 0.97, 0.999, 0.9
TEXT = "mirrored, turned or with other tones"
PART = "cropped, shifted, in a frame or drawn over"  # of those that `contained` finds


def altered(
    sketches: Mapping[Path, bytes],
    comparable: Callable[[Path, Path], bool] = lambda path, other: True,
    known: Sequence[tuple[Path, Path]] = (),
) -> list[tuple[Path, Path]]:
    """Files that show an earlier one's picture mirrored, turned or in other tones, each with the first such file.

    Args:
        sketches: of the files (see `Examined`). comparable: whether it matters that two show one picture.
        known: pairs that are found to look the same already; their first files are left out.
    """
    done = {path for path, _ in known}
    paths = [path for path, sketch in sketches.items() if sketch]
    whole = np.frombuffer(b"".join(sketches[path] for path in paths), np.uint8).reshape(-1, SKETCH, SKETCH)
    details = _details(whole)
    some = (whole.std(axis=(1, 2)) >= LEAST) & (details.std(axis=(1, 2)) >= FINEST)
    paths = [path for path, one in zip(paths, some, strict=True) if one]
    if len(paths) < 2:
        return []
    coarse, details = _coarse(whole[some]), _normal(details[some])
    pictures = _normal(whole[some].astype(np.float32))
    first: dict[Path, int] = {}
    for turns, sign in POSITIONS:
        asked = np.ascontiguousarray(_turned(coarse if sign > 0 else ~coarse, turns)).reshape(len(paths), -1, 1)
        for place, places in near_rows(coarse.reshape(len(paths), -1, 1), asked, WITHIN):
            path = paths[place]
            likely = [other for other in places if comparable(path, paths[other])] if path not in done else []
            if likely:
                fine = sign * (details[likely] * _turned(details[place][None], turns)).mean(axis=(1, 2))
                broad = sign * (pictures[likely] * _turned(pictures[place][None], turns)).mean(axis=(1, 2))
                alike = (fine >= SAME) | ((fine >= ROUGHLY) & (broad >= SMOOTH))
                if alike.any():
                    first[path] = min(first.get(path, place), likely[int(alike.argmax())])
    return [(path, paths[first[path]]) for path in paths if path in first]


def altered_said(
    folder: Path, pairs: Sequence[tuple[Path, Path]], parts: Sequence[tuple[Path, Path]] = ()
) -> list[str]:
    """A sentence on such files of a folder, and on those that show a part of another; none if there are none."""
    both = [*pairs, *parts]
    if not both:
        return []
    if len(both) == 1:
        ((path, first),) = both
        how = _how(pairs, parts)
        return [f"{shortened(path)} looks like {shortened(first.name)} {how}; if it is that picture, remove it."]
    named = few_of([f"{shortened(path.name)} like {shortened(first.name)}" for path, first in both])
    return [
        f"{shortened(folder)}: {len(both)} images look like others there {_how(pairs, parts)}: {named}; if they are "
        "those pictures, remove them."
    ]


def altered_across(pairs: Sequence[tuple[str, str]], parts: Sequence[tuple[str, str]] = ()) -> list[str]:
    """A sentence on such files of two concepts, by name; none if there are none."""
    both = [*pairs, *parts]
    if not both:
        return []
    named = few_of([f"{shortened(name)} like {shortened(first)}" for name, first in both])
    number = counted(len(both), "image looks", "images look")
    how = _how(pairs, parts)
    return [f"{number} like images of other concepts {how}: {named}; keep each picture in one concept."]


def _how(pairs: Sequence[object], parts: Sequence[object]) -> str:
    return f"{TEXT}, or {PART}" if pairs and parts else TEXT if pairs else PART


def _turned(images: NDArray[T], turns: int) -> NDArray[T]:
    """Square images (n, side, side) in one of eight positions; 0: as they are."""
    return np.rot90(images[:, :, ::-1] if turns >= 4 else images, turns % 4, axes=(1, 2))


def _normal(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same without mean and spread."""
    centred = images - images.mean(axis=(1, 2), keepdims=True)
    return np.asarray(centred / centred.std(axis=(1, 2), keepdims=True), np.float32)


def _coarse(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, 8, 8) of the same, the mean at 128."""
    block = SKETCH // THUMBNAIL
    small = images.astype(np.float32).reshape(-1, THUMBNAIL, block, THUMBNAIL, block).mean(axis=(2, 4))
    flat = small.std(axis=(1, 2), keepdims=True) < 1  # all of it is in the details
    normal = np.where(flat, 0, _normal(small + flat * np.eye(THUMBNAIL, dtype=np.float32)))
    return np.asarray(np.clip(np.rint(128 + SCALE * normal), 0, 255), np.uint8)


def _details(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What is left of images without the mean of each pixel's 3 x 3."""
    padded = np.pad(images.astype(np.float32), ((0, 0), (1, 1), (1, 1)), mode="edge")
    blurred = sum(padded[:, i : i + SKETCH, j : j + SKETCH] for i in range(3) for j in range(3)) / 9
    return np.asarray(images - blurred, np.float32)
