"""Greys of 16 or 32 bits as 8 bits, and what of them lies beyond the scale that they are shown by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.data.images.tiff_kinds import is_negative

CLIPPED = 0.001  # of an image's pixels: a part that is worth a word


def grey_of(image: Image.Image) -> Image.Image:
    """Greys of 16 or 32 bits ("I;16", "I;16B", "I", "F") as 8 bits; `load_image` states the scales."""
    pixels = np.asarray(image).astype(np.float32)
    full = _full_scale(pixels, image.mode)
    scaled = np.nan_to_num(pixels, nan=0.0, posinf=full, neginf=0.0) * (255.0 / full)
    grey = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return Image.fromarray(255 - grey if is_negative(image) else grey)


def clipped_note(image: Image.Image, name: object) -> tuple[str, ...]:
    """A note where values of 32 bits are beyond the scale, or are no numbers: of its pixels as they are stored."""
    if image.mode not in ("I", "F"):
        return ()
    pixels = np.asarray(image).astype(np.float32)
    full = _full_scale(pixels, image.mode)
    share = float((~((pixels >= 0) & (pixels <= full))).mean())  # what is no number is neither
    if share <= CLIPPED:
        return ()
    return (f"{name}: {100 * share:.2g} % of its values are not within 0 to {full:.0f} and are clipped; save it with "
            "its full range in 8 or 16 bits.",)  # fmt: skip


def _full_scale(pixels: NDArray[np.float32], mode: str) -> float:
    """The value that is shown white."""
    largest = float(np.max(pixels, where=np.isfinite(pixels), initial=0.0))
    if mode.startswith("I;16"):
        return 65535.0
    if mode == "I":
        return next((scale for scale in (255.0, 65535.0) if largest <= scale), 2.0**31 - 1)
    return 1.0 if largest <= 1 else 255.0
