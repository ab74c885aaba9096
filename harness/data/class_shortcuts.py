"""What tells classes, or concepts, apart without what they show: one that is all in greys among others in colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.data.skipped_files import few

COLOURLESS = 2  # levels that the channels of a grey picture saved in colour differ by at most
ELSEWHERE = 0.1  # of the other classes' images may be grey as well
ENOUGH = 3  # images of a class, before it is said


def grey_classes(thumbnails: Mapping[str, Sequence[bytes]]) -> list[str]:
    """A sentence on classes whose images are all grey, where nearly none of the others' are; none if there are none.

    Args:
        thumbnails: of each class, a few RGB pixels of each of its images.
    """
    return [
        f"All images of {few(found)} are in greys, and those of other classes in colour, so that a classifier may "
        "learn this alone; use pictures of one kind for all classes."
        for found in _grey_ones(thumbnails)
    ]


def grey_concepts(thumbnails: Mapping[str, Sequence[bytes]]) -> list[str]:
    """The same of concepts."""
    return [
        f"All images of {few(found)} are in greys, which is learned, too, and those of other concepts in colour; use "
        "pictures in colour if you have them."
        for found in _grey_ones(thumbnails)
    ]


def _grey_ones(thumbnails: Mapping[str, Sequence[bytes]]) -> list[list[str]]:
    """Their names, in one list; no list if there are none."""
    grey = {name: [_is_grey(one) for one in some] for name, some in thumbnails.items()}
    found = [name for name, some in grey.items() if len(some) >= ENOUGH and all(some)]
    others = [one for name, some in grey.items() if name not in found for one in some]
    return [found] if found and others and sum(others) <= ELSEWHERE * len(others) else []


def _is_grey(thumbnail: bytes) -> bool:
    pixels = np.frombuffer(thumbnail, np.uint8).reshape(-1, 3).astype(np.int16)
    return bool(pixels.size) and int(np.ptp(pixels, axis=1).max()) <= COLOURLESS
