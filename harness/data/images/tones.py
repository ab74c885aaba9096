"""Whether a picture has colours as a photograph has them, or few, or greys alone, as masks and depth maps have."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import numpy as np
from PIL import Image

# "few": nearly all pixels are in a few narrow ranges; "grey": no colours; "many": as photographs mostly have
Tones = Literal["few", "grey", "many"]

SAMPLE = 24  # pixels along each side that are looked at
GREY = 6  # levels, of 255, that a grey's channels may be apart after a JPEG was made of it
EVEN = 16  # of a thumbnail's pixels, 64: so many have one colour where there are few, those of the ground
STEP, FEW, MOST = 32, 4, 0.97  # a range's levels; so many ranges hold such a part of all pixels


def tones_of(image: Image.Image, thumbnail: bytes) -> Tones:
    """What tones an RGB image has, by a few of its pixels; mostly its thumbnail's tell already."""
    coarse = list(zip(thumbnail[::3], thumbnail[1::3], thumbnail[2::3], strict=True))
    grey = all(max(pixel) - min(pixel) <= GREY for pixel in coarse)
    if not grey and max(Counter((r + 8 >> 4, g + 8 >> 4, b + 8 >> 4) for r, g, b in coarse).values()) < EVEN:
        return "many"
    sample = np.asarray(image.resize((SAMPLE, SAMPLE), Image.Resampling.NEAREST)).reshape(-1, 3).astype(np.int64)
    grey = grey and int((sample.max(axis=1) - sample.min(axis=1)).max()) <= GREY
    counts = np.sort(np.bincount((sample + STEP // 2) // STEP @ (1, 16, 256)))[::-1]
    few = counts[0] < len(sample) and counts[: 2 if grey else FEW].sum() >= MOST * len(sample)
    return "few" if few else "grey" if grey else "many"
