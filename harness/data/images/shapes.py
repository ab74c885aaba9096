"""Whether a picture is shown in another shape than it was made in: with oblong pixels, or between two bars or blurs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SQUARE, LONGEST = 1.05, 4.0  # of a pixel's sides, one by the other: what is square, and what is hardly meant
BARS = 0.15  # of a central square's side: more is worth a word
EVEN, APART = 8, 16  # of 255 greys: within a bar, and from it to what is beside it
UNLIKE = 2  # of two bars the larger is so many times as wide as the other at most
STEP, SEAM = 6, 0.55  # greys from one pixel to the next, and the part of a seam's length that has such a step
BLURRED, LEAST = 4.2, 0.3  # detail between two seams by that beside them; and what counts for none
MOST = 0.5  # of what is beside a bar, and of the ends of what is between two, so much is unlike them


def is_oblong(image: Image.Image) -> bool:
    """Whether an opened image says that its pixels are not square."""
    info = image.info
    unitless = info.get("jfif_density") if info.get("jfif_unit") == 0 else info.get("aspect") or info.get("resolution")
    try:
        x, y = (float(value) for value in info.get("dpi") or unitless or (1, 1))
    except (TypeError, ValueError, ZeroDivisionError):  # what a damaged header says
        return False
    return min(x, y) > 0 and SQUARE < max(x, y) / min(x, y) <= LONGEST


def has_bars(overview: NDArray[np.uint8]) -> bool:
    """Whether the central square of a picture lies between two bars of one colour, or two blurs, at opposite edges.

    A thing on a plain ground does not: the ground is on all sides of it. Blurs are what editors and telephones fill a
    wide frame with; two straight seams at equal distances from the edges tell them from a ground out of focus.

    Args:
        overview: small greys of the whole, (h, w).
    """
    side = min(overview.shape)
    top, left = ((length - side) // 2 for length in overview.shape)
    square = overview[top : top + side, left : left + side].astype(np.int64)
    return any(between(one) for between in (_between_bars, _between_blurs) for one in (square, square.T))


def _between_bars(square: NDArray[np.int64]) -> bool:
    """Whether there are such bars at the top and at the bottom."""
    side = len(square)
    colour = int(np.median(square[0]))
    other = np.flatnonzero(np.abs(square - colour).max(axis=1) > EVEN)
    if not len(other):
        return False
    first, last = int(other[0]), int(other[-1])
    widths = (first, side - 1 - last)
    if sum(widths) <= BARS * side or max(widths) > UNLIKE * min(widths) or last - first < 3:
        return False
    apart = np.abs(square[first : last + 1] - colour) > APART
    return all(float(edge.mean()) >= MOST for edge in (apart[1], apart[-2], apart[:, 0], apart[:, -1]))


def _between_blurs(square: NDArray[np.int64]) -> bool:
    """Whether there are such blurs at the top and at the bottom."""
    side = len(square)
    seams = (np.abs(np.diff(square, axis=0)) > STEP).mean(axis=1) > SEAM  # behind each row
    for first in range(side // 12 + 3, int(0.45 * side)):
        for last in range(side - first - 1, side - first + 2):
            if seams[first - 1] and seams[last - 1]:
                sides = square[:first], square[last:]
                if min(len(square) - last, last - first) < 3:  # of tiny images: nothing can bend
                    continue
                beside = sum(map(_detail, sides)) / 2
                plain = any(part.std() < EVEN for part in sides)  # a ground, on which a thing may stand
                if not plain and _detail(square[first:last]) > BLURRED * max(beside, LEAST):
                    return True
    return False


def _detail(part: NDArray[np.int64]) -> float:
    """How much greys bend from pixel to pixel, along both axes."""
    return float(sum(np.abs(np.diff(part, 2, axis=axis)).mean() for axis in (0, 1)))
