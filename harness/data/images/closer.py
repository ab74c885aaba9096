"""What shows only at a closer look, at more than an overview's pixels: enlarged thumbnails, collages, bytes gone wrong.

Each is told from a photograph by one number, with a wide space between: see the constants.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.data.images.decoding import load_coarse
from harness.data.images.patterns import is_blocky, is_checkered, is_filled

SIDE = 512  # pixels along each side of the central square that are looked at
STILL = 128  # and of the greys that are compared with those of other pictures
# Detail that is gone when a picture is made four times smaller, by its contrast: 0.09 and more of photographs, 0.03 and
# less of thumbnails of 48 pixels that were enlarged.
FINER, BLURRED = 4, 0.04
SEAM, MIDDLE, MANY = 10, (0.3, 0.7), 0.3  # levels within a seam; where one lies; so many columns are a plain ground's
DETAIL = 8  # levels that each quarter of a collage spreads by
# Of values that went round in a byte neighbours are far apart, but hardly ever half as far: of photographs' neighbours
# less than one in ten thousand is so far from the next.
FAR, HALFWAY, ROUND, MOVED = 200, 100, 0.003, 2
ALONG = 0.2  # of a column that is so
# Rows of a frame of two fields that lie off both neighbours: of photographs, and of noise, 0.05 at most, and then as
# many columns do so. Only at a picture's own size: a smaller copy has the mean of both fields.
TOOTH, COMBED, ACROSS = 12, 0.03, 6
# Of all values at 0, and of pixels that are black altogether: of photographs hardly any has so many. A drawing's few
# colours may be pure.
CLIPPED, BLACK, LEVELS = 0.35, 0.1, 32


@dataclass(frozen=True)
class Closer:
    """What a picture looks like, and greys of its central square, (STILL, STILL)."""

    enlarged: bool
    collage: bool
    goes_round: bool
    clipped: bool
    combed: bool
    blocky: bool
    checkered: bool
    filled: bool
    greys: NDArray[np.uint8] = field(compare=False, repr=False)


def look_closer(path: Path) -> Closer:
    """At one photograph, which was found usable before; raises `UsageError` as `load_image` does."""
    square = load_coarse(path, SIDE)
    values = np.asarray(square)
    small = square if square.width <= SIDE else square.resize((SIDE, SIDE), Image.Resampling.BOX)
    grey = small.convert("L")
    greys = np.asarray(grey.resize((STILL, STILL), Image.Resampling.BOX))
    large = square.width >= STILL
    checkered = large and is_checkered(values)
    return Closer(
        enlarged=_is_enlarged(grey),
        collage=_is_collage(np.asarray(grey).astype(np.float64)),
        goes_round=_goes_round(values),
        clipped=_is_clipped(values, np.asarray(grey)),
        combed=_is_combed(np.asarray(square.convert("L")).astype(np.int16)),
        blocky=large and not checkered and is_blocky(np.asarray(square.convert("L"))),
        checkered=checkered,
        filled=large and not checkered and is_filled(greys),
        greys=greys,
    )


def _is_enlarged(grey: Image.Image) -> bool:
    """Whether it has no detail of its size, though it is large."""
    if grey.width < SIDE:
        return False
    values = np.asarray(grey).astype(np.float64)
    coarse = grey.resize((grey.width // FINER,) * 2, Image.Resampling.BOX).resize(grey.size, Image.Resampling.BICUBIC)
    lost = float(np.sqrt(np.square(values - np.asarray(coarse)).mean()))
    return values.std() > 0 and lost / float(values.std()) < BLURRED


def _is_collage(grey: NDArray[np.float64]) -> bool:
    """Whether a column and a row in the middle are of one shade from end to end, with pictures in all four quarters."""
    half = len(grey) // 2
    quarters = (grey[:half, :half], grey[:half, half:], grey[half:, :half], grey[half:, half:])
    return len(grey) >= STILL and _has_seam(grey) and _has_seam(grey.T) and all(q.std() > DETAIL for q in quarters)


def _has_seam(grey: NDArray[np.float64]) -> bool:
    low, high = np.percentile(grey, [4, 96], axis=0)
    plain = high - low < SEAM
    first, last = (int(part * len(grey)) for part in MIDDLE)
    return bool(plain[first:last].any()) and float(plain.mean()) <= MANY


def _is_clipped(values: NDArray[np.uint8], grey: NDArray[np.uint8]) -> bool:
    """Whether what was below some level is black, as the lower half of values in [-1, 1] is."""
    zero = values == 0
    return bool(zero.mean() > CLIPPED and zero.all(axis=-1).mean() > BLACK and len(np.unique(grey)) > LEVELS)


def _is_combed(grey: NDArray[np.int16]) -> bool:
    """Whether rows lie off those above and below, which agree, as of two fields of a video in which something moved."""
    rows, columns = _between(grey), _between(grey.T)
    return rows > COMBED and rows > ACROSS * columns


def _between(grey: NDArray[np.int16]) -> float:
    """The share of pixels that are brighter, or darker, than those above and below, while these are alike."""
    if len(grey) < 3:
        return 0.0
    above, below = grey[1:-1] - grey[:-2], grey[1:-1] - grey[2:]
    apart = (np.sign(above) == np.sign(below)) & (np.minimum(abs(above), abs(below)) > TOOTH)
    return float((apart & (abs(above - below) < TOOTH // 2)).mean())


def _goes_round(values: NDArray[np.uint8]) -> bool:
    """Whether bytes go from one end to the other between neighbours, as of values that were never clipped."""
    steps = np.abs(np.diff(values.astype(np.int16), axis=1))
    # a white frame around what is dark, or a seam, is so from end to end of a column or two
    steps = steps[:, (steps > FAR).mean(axis=(0, 2)) < ALONG]
    if not steps.size:
        return False
    far = float((steps > FAR).mean())
    halfway = float(((steps > HALFWAY) & (steps <= FAR)).mean())
    return far > ROUND and far > halfway and float(np.median(steps)) >= MOVED  # a drawing's neighbours are mostly equal
