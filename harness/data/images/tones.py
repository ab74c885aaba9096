"""Whether a picture has colours as a photograph has them, or few, or greys alone, as masks and depth maps have."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# "few": nearly all pixels are in a few narrow ranges, or it is a notice; "grey": no colours; "many": as photographs
# mostly have
Tones = Literal["few", "grey", "many"]

SAMPLE = 24  # pixels along each side that are looked at
GREY = 6  # levels, of 255, that a grey's channels may be apart after a JPEG was made of it
EVEN = 16  # of a thumbnail's pixels, 64: so many have one colour where there are few, those of the ground
STEP, RANGES = 32, 8  # a range's levels, and how many ranges all of an image's levels have at least
FULL = 0.75  # of an image's rows, where those below are of one colour
FEW, MOST = 4, 0.97  # so many ranges hold such a part of all pixels
BESIDE = 0.6  # and, but for the first, which is the ground's, such a part of the others: a small thing has many tones

# Of a notice, "image not available": its ground is nearly all one colour, and what is on it lies on a line of colours
# from there and is thin as letters are, or else as flat as icons.
DETAIL = 64  # pixels along each side that are looked at
GROUND, SAME, INK = 0.75, 4, 24  # such a part of them is within these levels of the ground's; and what is off it
LEAST = 0.004  # of them that are ink
OFF, MARGIN, MOSTLY = 0.25, 24, 0.9  # how far from the line, as a part of the way along it and in levels; so many are
THIN = 0.15  # a part of the ink that has ink on all sides
EVENLY, FLAT = 6, 0.7  # levels from the median of that ink, and the part of it within them


def tones_of(image: Image.Image, thumbnail: bytes) -> Tones:
    """What tones an RGB image has, by a few of its pixels; mostly its thumbnail's tell already."""
    coarse = list(zip(thumbnail[::3], thumbnail[1::3], thumbnail[2::3], strict=True))
    grey = all(max(pixel) - min(pixel) <= GREY for pixel in coarse)
    if not grey and max(Counter((r + 8 >> 4, g + 8 >> 4, b + 8 >> 4) for r, g, b in coarse).values()) < EVEN:
        return "many"
    sample = _without_end(np.asarray(image.resize((SAMPLE, SAMPLE), Image.Resampling.NEAREST)).astype(np.int64))
    grey = grey and int((sample.max(axis=1) - sample.min(axis=1)).max()) <= GREY
    step = min(STEP, max(1, int(np.ptp(sample)) // RANGES))  # a dark photograph's tones are close together
    counts = np.sort(np.unique((sample + step // 2) // step, axis=0, return_counts=True)[1])[::-1]
    ranges = 2 if grey or len(sample) < FULL * SAMPLE**2 else FEW  # half a photograph may have few colours
    others = len(sample) - counts[0]
    few = others > 0 and counts[:ranges].sum() >= MOST * len(sample)
    few = few and (grey or counts[1:ranges].sum() >= BESIDE * others)
    return "few" if few or _is_notice(image) else "grey" if grey else "many"


def _is_notice(image: Image.Image) -> bool:
    """Whether an RGB image is a few words or an icon on a plain ground."""
    sample = np.asarray(image.resize((DETAIL, DETAIL), Image.Resampling.NEAREST)).astype(np.int64)
    off = sample - np.median(sample, axis=(0, 1)).astype(np.int64)
    far = np.abs(off).max(axis=-1)
    ink = far > INK
    if (far <= SAME).mean() < GROUND or ink.mean() < LEAST:
        return False
    marks = off[ink].astype(np.float64)
    line = np.linalg.svd(marks, full_matrices=False)[2][0]
    along = marks @ line
    beside = np.linalg.norm(marks - along[:, None] * line, axis=1)
    if (beside <= OFF * np.abs(along) + MARGIN).mean() < MOSTLY:
        return False
    inside = ink[1:-1, 1:-1] & ink[:-2, 1:-1] & ink[2:, 1:-1] & ink[1:-1, :-2] & ink[1:-1, 2:]
    if inside.sum() <= THIN * ink.sum():
        return True
    levels = off[1:-1, 1:-1][inside] @ line
    return bool((np.abs(levels - np.median(levels)) <= EVENLY).mean() >= FLAT)


def _without_end(sample: NDArray[np.int64]) -> NDArray[np.int64]:
    """The pixels of an image, (n, 3), without lower rows that are all of one colour, as of a photograph cut off."""
    other = (np.abs(sample - sample[-1, -1]) > GREY).any(axis=(1, 2))
    return sample[: max(1, int(other.nonzero()[0].max(initial=-1)) + 1)].reshape(-1, 3)
