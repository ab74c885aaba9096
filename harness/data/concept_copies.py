"""Photographs of one concept, or of two, that look like one another or are called as copies are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.altered_copies import altered, altered_across, altered_said
from harness.data.contained_copies import ELSEWHERE, SIZES, contained
from harness.data.duplicates import alike, alike_across, look_alike, original_first
from harness.data.images.decoding import Examined
from harness.data.skipped_files import few_of
from harness.data.split_names import exported
from harness.errors import shortened
from harness.formats.figure_text import counted

Pair = tuple[Path, Path]  # a file, and the first that it looks like or is called as a copy of


@dataclass(frozen=True)
class Likeness:
    """Pairs of files that may show one picture: they look the same, are altered, show a part, or are called so."""

    same: Sequence[Pair] = ()
    altered: Sequence[Pair] = ()
    parts: Sequence[Pair] = ()
    called: Sequence[Pair] = ()

    @property
    def pairs(self) -> list[Pair]:
        """All of them."""
        return [*self.same, *self.altered, *self.parts, *self.called]

    def said(self, folder: Path) -> list[str]:
        """Sentences on those of one concept's folder."""
        return [
            *alike(folder, self.same),
            *altered_said(folder, self.altered, self.parts),
            *_called(folder, self.called),
        ]

    def said_across(self, names: Mapping[Path, str]) -> list[str]:
        """Sentences on those of two concepts, by the files' names."""
        same, turned, parts = (
            [(names[path], names[first]) for path, first in some] for some in (self.same, self.altered, self.parts)
        )
        return [*alike_across(same), *altered_across(turned, parts)]


def likeness_inside(images: Sequence[Path], found: Mapping[Path, Examined]) -> Likeness:
    """What of one concept's images may be one picture."""
    ordered = sorted(images, key=original_first)
    same = look_alike({path: found[path].thumbnail for path in ordered})
    turned = altered({path: found[path].sketch for path in ordered}, known=same)
    parts = contained(_overviews(ordered, found), known=[*same, *turned])
    known = {path for path, _ in (*same, *turned, *parts)}
    return Likeness(same, turned, parts, [pair for pair in _exports(ordered) if pair[0] not in known])


def likeness_across(
    images: Sequence[Path], found: Mapping[Path, Examined], comparable: Callable[[Path, Path], bool]
) -> Likeness:
    """What of several concepts' images may be one picture; one within another is looked for at its own size only."""
    same = look_alike({path: found[path].thumbnail for path in images}, comparable)
    turned = altered({path: found[path].sketch for path in images}, comparable, same)
    parts = contained(_overviews(images, found), comparable, [*same, *turned], SIZES[:1], ELSEWHERE)
    return Likeness(same, turned, parts)


def _overviews(images: Sequence[Path], found: Mapping[Path, Examined]) -> dict[Path, NDArray[np.uint8]]:
    """Of the images with a photograph's tones: masks and maps have outlines of photographs."""
    return {path: found[path].overview for path in images if found[path].tones == "many"}


def _exports(images: Sequence[Path]) -> list[Pair]:
    """Files that are called as exports or edits of one picture are, each with the first of them."""
    source = exported({path.stem for path in images})
    first: dict[str, Path] = {}
    pairs = [(path, first.setdefault(source[path.stem], path)) for path in images]
    return [(path, other) for path, other in pairs if path.stem != other.stem]


def _called(folder: Path, pairs: Sequence[Pair]) -> list[str]:
    if not pairs:
        return []
    named = few_of([f"{shortened(path.name)} of {shortened(first.name)}" for path, first in pairs])
    copies = counted(len(pairs), "image is a copy", "images are copies")
    return [f"{shortened(folder)}: {copies} by the names: {named}; if so, keep one of each picture."]
