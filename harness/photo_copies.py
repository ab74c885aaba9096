"""Pictures that are there more than once: the same bytes, or the same pixels saved in another way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.errors import shortened
from harness.photo_decoding import content_hash, decode_whole
from harness.photo_skips import counted, few


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


def across(groups: Iterable[Sequence[str]], each: str, so: str) -> list[str]:
    """One sentence on pictures that lie in more than one place; none if there are none.

    Args:
        groups: of each such picture, its files by name. each: what a place is, in the plural. so: what comes of it.
    """
    found = [few(names) for names in groups]
    if not found:
        return []
    count = counted(len(found), "picture is", "pictures are")
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return [f"{count} in more than one of the {each}, {so}: {'; '.join(found[:3])}{more}."]


def _pixels_hash(path: Path) -> str:
    with path.open("rb") as stream:
        pixels = decode_whole(stream, shortened(path))
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
