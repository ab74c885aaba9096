"""Whether a picture has colours as a photograph has them, or few, or greys alone, as masks and depth maps have."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# "few": nearly all pixels are in a few narrow ranges; "grey": no colours; "many": as photographs mostly have
Tones = Literal["few", "grey", "many"]

SAMPLE = 24  # pixels along each side that are looked at
GREY = 6  # levels, of 255, that a grey's channels may be apart after a JPEG was made of it
EVEN = 16  # of a thumbnail's pixels, 64: so many have one colour where there are few, those of the ground
STEP, RANGES = 32, 8  # a range's levels, and how many ranges all of an image's levels have at least
FULL = 0.75  # of an image's rows, where those below are of one colour
FEW, MOST = 4, 0.97  # so many ranges hold such a part of all pixels
BESIDE = 0.6  # and, but for the first, which is the ground's, such a part of the others: a small thing has many tones


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
    return "few" if few else "grey" if grey else "many"


def _without_end(sample: NDArray[np.int64]) -> NDArray[np.int64]:
    """The pixels of an image, (n, 3), without lower rows that are all of one colour, as of a photograph cut off."""
    other = (np.abs(sample - sample[-1, -1]) > GREY).any(axis=(1, 2))
    return sample[: max(1, int(other.nonzero()[0].max(initial=-1)) + 1)].reshape(-1, 3)
