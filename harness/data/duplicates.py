"""Pictures that are there more than once: the same bytes, or the same pixels saved in another way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.image_folders import natural
from harness.data.images.decoding import content_hash, decode_whole, load_image
from harness.data.near_thumbnails import AKIN, near
from harness.data.skipped_files import NAMED, few, few_of
from harness.errors import shortened
from harness.formats.figure_text import counted

# Of 255: the mean difference in FINE x FINE pixels that saving as JPEG makes; and what a smaller size adds to it, as a
# part of how far a picture's values spread.
ALIKE, SMALLER, FINE = 2.0, 0.03, 32


@dataclass(frozen=True)
class Again:
    """Groups of files that hold one picture each, by name, and what is wrong with that.

    text: how many there are and what is wrong, without a full stop. equals: whether names are joined by '='.
    """

    text: str
    groups: tuple[tuple[str, ...], ...]
    equals: bool = False

    @property
    def caution(self) -> str:
        """What a reader of figures must know, a whole sentence without names."""
        return f"{self.text}."

    @property
    def sentence(self) -> str:
        """The same with the first groups by name, and how many more there are."""
        named = [" = ".join(names) if self.equals else few(names) for names in self.groups[:NAMED]]
        more = f"; and {len(self.groups) - NAMED} more" if len(self.groups) > NAMED else ""
        return f"{self.text}: {'; '.join(named)}{more}."


def original_first(path: Path) -> tuple[int, tuple[list[tuple[str, int]], str]]:
    """Sort key of files that hold one picture: the shortest name first, as copies have more in theirs."""
    return len(path.name), natural(path)


def same_pictures(thumbnails: Mapping[Path, bytes]) -> list[list[Path]]:
    """Files that hold one picture, in groups of two or more: a group, and the files in it, in the order given.

    Only files whose thumbnails are near are read and decoded again, so that a folder without copies costs little.

    Args:
        thumbnails: of each file, a few decoded pixels, which are near where all pixels are equal.

    Raises:
        UsageError: a file cannot be read any more.
    """
    paths = list(thumbnails)
    alike = {place for later, places in near(list(thumbnails.values())) for place in (later, *places)}
    groups: dict[str, list[Path]] = {}
    pixels: dict[str, str] = {}  # bytes -> pixels
    for path in (paths[place] for place in sorted(alike)):
        digest = content_hash(path)
        if digest not in pixels:
            pixels[digest] = _pixels_hash(path)
        groups.setdefault(pixels[digest], []).append(path)
    return [group for group in groups.values() if len(group) > 1]


def how_same(path: Path, other: Path) -> str:
    """What `path` is, as the end of a sentence, where `other` holds the same picture."""
    if content_hash(path) == content_hash(other):
        return f"the same file as {shortened(other.name)}"
    return f"the same picture as {shortened(other.name)}, saved in another way"


def look_alike(
    thumbnails: Mapping[Path, bytes], comparable: Callable[[Path, Path], bool] = lambda path, other: True
) -> list[tuple[Path, Path]]:
    """Different files that look the same, each with the first that it looks like: one picture as PNG and as JPEG, say.

    Only files whose thumbnails are near are decoded again.

    Args:
        thumbnails: of the files; of two that look the same, the second is taken for the copy.
        comparable: whether it matters that two files look the same.

    Raises:
        UsageError: a file cannot be read any more.
    """
    paths = list(thumbnails)
    fine: dict[Path, NDArray[np.int16]] = {}

    def close(path: Path, other: Path) -> bool:
        for one in (path, other):
            if one not in fine:
                fine[one] = load_image(one, FINE).astype(np.int16)
        return bool(np.abs(fine[path] - fine[other]).mean() <= ALIKE + SMALLER * fine[other].std())

    found: list[tuple[Path, Path]] = []
    for place, places in near(list(thumbnails.values()), AKIN):
        path, others = paths[place], (paths[k] for k in places)
        first = next((other for other in others if comparable(path, other) and close(path, other)), None)
        if first is not None:
            found.append((path, first))
    return found


def alike(folder: Path, pairs: Sequence[tuple[Path, Path]]) -> list[str]:
    """A sentence on the files of a folder that look the same (see `look_alike`); none if there are none."""
    if not pairs:
        return []
    if len(pairs) == 1:
        ((path, first),) = pairs
        return [
            f"{shortened(path)} looks the same as {shortened(first.name)}; if it is that picture saved once more, "
            "remove it."
        ]
    named = few_of([f"{shortened(path.name)} like {shortened(first.name)}" for path, first in pairs])
    return [
        f"{shortened(folder)}: {len(pairs)} images look the same as others there: {named}; if they are those pictures "
        "saved once more, remove them."
    ]


def alike_across(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """A sentence on files of different concepts that look the same, by name; none if there are none."""
    if not pairs:
        return []
    if len(pairs) == 1:
        ((name, first),) = pairs
        return [f"{name} looks the same as {first}, of another concept; if it is that picture, keep it in one."]
    named = few_of([f"{shortened(name)} like {shortened(first)}" for name, first in pairs])
    return [
        f"{len(pairs)} images look the same as images of other concepts: {named}; if they are those pictures, keep "
        "each in one."
    ]


def across(groups: Iterable[Sequence[str]], where: str) -> list[Again]:
    """Pictures that lie in more than one place; none if there are none.

    Args:
        groups: of each such picture, its files by name. where: what is wrong with it, after "2 pictures are".
    """
    found = tuple(tuple(names) for names in groups)
    return [Again(f"{counted(len(found), 'picture is', 'pictures are')} {where}", found)] if found else []


def again_inside(groups: Iterable[Sequence[str]]) -> list[Again]:
    """Pictures that one class has more than once; none if there are none.

    Args:
        groups: of each such picture, its files by name.
    """
    found = tuple(tuple(names) for names in groups)
    count = counted(sum(len(names) - 1 for names in found), "file is", "files are")
    text = f"{count} there more than once in a class, and counted each time"
    return [Again(text, found, equals=True)] if found else []


def _pixels_hash(path: Path) -> str:
    with path.open("rb") as stream:
        pixels = decode_whole(stream, shortened(path))
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
