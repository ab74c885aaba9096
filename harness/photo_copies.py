"""Pictures that are there more than once: the same bytes, or the same pixels saved in another way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import shortened
from harness.photo_decoding import content_hash, decode_whole, load_image
from harness.photo_skips import NAMED, counted, few

# Of 255: how far thumbnails of one picture may be apart, since those of a JPEG are made from an eighth of its size; and
# the mean difference that saving as JPEG makes in FINE x FINE pixels.
NEAR, ALIKE, FINE = 8, 2.0, 32


def same_pictures(thumbnails: Mapping[Path, bytes]) -> list[list[Path]]:
    """Files that hold one picture, in groups of two or more: a group, and the files in it, in the order given.

    Only files of one thumbnail are read and decoded again, so that a folder without copies costs nothing.

    Args:
        thumbnails: of each file, a few decoded pixels, which are equal where all pixels are.

    Raises:
        UsageError: a file cannot be read any more.
    """
    alike: dict[bytes, list[Path]] = {}
    for path, thumbnail in thumbnails.items():
        alike.setdefault(thumbnail, []).append(path)
    groups: dict[str, list[Path]] = {}
    for paths in alike.values():
        if len(paths) > 1:
            pixels: dict[str, str] = {}  # bytes -> pixels
            for path in paths:
                digest = content_hash(path)
                if digest not in pixels:
                    pixels[digest] = _pixels_hash(path)
                groups.setdefault(pixels[digest], []).append(path)
    order = {path: place for place, path in enumerate(thumbnails)}
    found = [sorted(group, key=order.__getitem__) for group in groups.values() if len(group) > 1]
    return sorted(found, key=lambda group: order[group[0]])


def how_same(path: Path, other: Path) -> str:
    """What `path` is, as the end of a sentence, where `other` holds the same picture."""
    if content_hash(path) == content_hash(other):
        return f"the same file as {shortened(other.name)}"
    return f"the same picture as {shortened(other.name)}, saved in another way"


def look_alike(thumbnails: Mapping[Path, bytes]) -> list[str]:
    """Sentences on different files that look the same: one picture saved as PNG and as JPEG, say.

    Only files whose thumbnails are near are decoded again.

    Args:
        thumbnails: of the files of one concept.

    Raises:
        UsageError: a file cannot be read any more.
    """
    paths = list(thumbnails)
    rough = np.stack([np.frombuffer(thumbnails[path], np.uint8) for path in paths]).astype(np.int16)
    fine: dict[Path, NDArray[np.int16]] = {}

    def close(path: Path, other: Path) -> bool:
        for one in (path, other):
            if one not in fine:
                fine[one] = load_image(one, FINE).astype(np.int16)
        return bool(np.abs(fine[path] - fine[other]).mean() <= ALIKE)

    found: list[str] = []
    for place in range(1, len(paths)):
        near = np.flatnonzero(np.abs(rough[:place] - rough[place]).max(axis=1) <= NEAR)
        first = next((paths[int(k)] for k in near if close(paths[place], paths[int(k)])), None)
        if first is not None:
            found.append(
                f"{shortened(paths[place])} looks the same as {shortened(first.name)}; if it is that picture saved "
                "once more, remove it."
            )
    return found


def across(groups: Iterable[Sequence[str]], where: str) -> list[str]:
    """One sentence on pictures that lie in more than one place; none if there are none.

    Args:
        groups: of each such picture, its files by name. where: what is wrong with it, after "2 pictures are".
    """
    found = [few(names) for names in groups]
    if not found:
        return []
    count = counted(len(found), "picture is", "pictures are")
    more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return [f"{count} {where}: {'; '.join(found[:NAMED])}{more}."]


def _pixels_hash(path: Path) -> str:
    with path.open("rb") as stream:
        pixels = decode_whole(stream, shortened(path))
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
