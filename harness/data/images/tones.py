"""Whether a picture has colours as a photograph has them, or few, or greys alone, as masks and depth maps have."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image

# "few": nearly all pixels are in a few narrow ranges; "grey": no colours; "many": as photographs mostly have
Tones = Literal["few", "grey", "many"]

SAMPLE = 24  # pixels along each side that are looked at
GREY = 6  # levels, of 255, that a grey's channels may be apart after a JPEG was made of it
STEP, FEW, MOST = 32, 4, 0.97  # a range's levels; so many ranges hold such a part of all pixels


def tones_of(image: Image.Image) -> Tones:
    """What tones an RGB image has, by a few of its pixels."""
    sample = np.asarray(image.resize((SAMPLE, SAMPLE), Image.Resampling.NEAREST)).reshape(-1, 3)
    grey = not (np.ptp(sample, axis=1) > GREY).any()
    ranges = (sample.astype(np.int64) + STEP // 2) // STEP @ (1, 16, 256)
    counts = np.sort(np.bincount(ranges))[::-1]
    few = counts[0] < len(ranges) and counts[: 2 if grey else FEW].sum() >= MOST * len(ranges)
    return "few" if few else "grey" if grey else "many"
