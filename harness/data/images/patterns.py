"""What programs leave in a picture: blocks, the checkerboard of transparency, edges repeated or mirrored to a square.

Each is told from a photograph by one number, as in `harness.data.images.closer`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SOME = 4  # one row of so many is enough where the columns tell
# From one block to the next, by what is within blocks: of photographs 1.7 at most, of blurred ones saved as JPEGs of
# quality 30 seldom 4.
# Lengths of a block in pixels, and how many there are at least; and levels that count for none.
BLOCKS, FEWEST, BLOCKY, LEAST = range(4, 33), 4, 5.0, 0.2
# Of a checkerboard: the part of the picture's edge that is looked at; levels that are one of its two greys, those of a
# peak, and how far the two are apart; the part of the edge that each has, and of neighbours at a square's length that
# are of different ones
EDGE, SAME, PEAK, APART, SHARE, DIFFERENT = 0.1, 8, 5, 10, 0.2, 0.9
GREY, SQUARES = 12, range(3, 65)  # levels that a grey's channels are apart at most; lengths of a square
# Of steps in a picture's details beside a seam, their likeness with those on its other side: of photographs 0.35 at
# most, of mirrored ones 0.65 and more. Seams are as far from both edges but for so many pixels, and beyond a first one.
MIRRORED, NEAR, TRACE, FIRST, LAST = 0.6, 2, 0.25, 0.07, 0.45
REPEATED, STILL, DETAILED = 0.1, 0.08, 3.0  # the part of a side that repeats its edge; levels, by those along the edge


def is_blocky(grey: NDArray[np.uint8]) -> bool:
    """Whether it is made of blocks, as thumbnails that were enlarged without smoothing, and JPEGs of lowest quality.

    Args:
        grey: (n, n) at its own size; in a smaller copy blocks of a JPEG are gone.
    """
    steps = [np.abs(np.diff(one[::SOME].astype(np.int16), axis=1)).mean(axis=0) for one in (grey, grey.T)]
    return any(all(_jump(one, length) > BLOCKY for one in steps) for length in BLOCKS)


def _jump(steps: NDArray[np.float64], length: int) -> float:
    """The step at one place in every so many pixels, by those at others."""
    rows = len(steps) // length
    if rows < FEWEST:
        return 0.0
    usual = np.median(steps[: rows * length].reshape(rows, length), axis=0)
    place = int(usual.argmax())
    return float(usual[place] / (np.median(np.delete(usual, place)) + LEAST))


def is_checkered(values: NDArray[np.uint8]) -> bool:
    """Whether squares of two greys lie along its edges, as programs show what is transparent.

    Args:
        values: RGB, (n, n, 3).
    """
    deep = max(1, int(EDGE * len(values)))
    ends = [
        np.concatenate([one[:deep], one[-deep:][::-1]])[::SOME].astype(np.int16)
        for one in (values, values.swapaxes(0, 1))
    ]
    neutral = [
        (np.abs(one[..., 0] - one[..., 1]) <= GREY) & (np.abs(one[..., 2] - one[..., 1]) <= GREY) for one in ends
    ]
    levels = np.concatenate([one[..., 1][grey] for one, grey in zip(ends, neutral, strict=True)])
    near = np.convolve(np.bincount(levels, minlength=256), np.ones(PEAK), mode="same")
    first = int(near.argmax())
    near[max(0, first - APART) : first + APART + 1] = 0
    second = int(near.argmax())
    signs: list[NDArray[np.int8]] = []
    for one, grey in zip(ends, neutral, strict=True):
        far = [(np.abs(one[..., 1] - level) <= SAME) & grey for level in (first, second)]
        nearer = np.abs(one[..., 1] - first) <= np.abs(one[..., 1] - second)
        sign = np.where(far[0] & nearer, 1, np.where(far[1], -1, 0)).astype(np.int8)
        if min((sign == 1).mean(), (sign == -1).mean()) < SHARE:
            return False
        signs.append(sign)
    return any(all(_changes(sign, length) > DIFFERENT for sign in signs) for length in SQUARES)


def _changes(signs: NDArray[np.int8], length: int) -> float:
    """How much more often the sign is another at so many pixels than the same, from -1 to 1; where both have one."""
    both = signs[:, :-length] * signs[:, length:]
    there = int(np.count_nonzero(both))
    return -float(both.sum(dtype=np.int64)) / there if 2 * there > both.size else 0.0


def is_filled(greys: NDArray[np.uint8]) -> bool:
    """Whether two opposite edges repeat themselves inwards, or mirror what lies behind them, as fillings do.

    Args:
        greys: small, (n, n).
    """
    return any(_is_mirrored(one) or _is_repeated(one) for one in (greys.astype(np.float64), greys.T.astype(np.float64)))


def _is_mirrored(greys: NDArray[np.float64]) -> bool:
    """Whether there is a seam near the top and as near the bottom, on both sides of which the same details lie."""
    soft = _blurred(greys, 1)
    # steps from row to row, as edges across a seam, a frame's say, are the same on both sides of any
    details = np.diff(soft - _blurred(_blurred(soft, 3), 3), axis=0)
    seams = [_seam(one) for one in (details, details[::-1])]
    return min(like for like, _ in seams) > MIRRORED and abs(seams[0][1] - seams[1][1]) <= NEAR


def _seam(details: NDArray[np.float64]) -> tuple[float, float]:
    """How alike both sides of the best seam near the top are, and where it is."""
    count = len(details)
    # the product of each row with that as far from the seam on its other side, for seams at all half rows
    size = 1 << (2 * count).bit_length()
    products = np.fft.irfft(np.square(np.fft.rfft(details.T, size)).sum(axis=0), size)[:count]
    squares = np.cumsum(np.square(details).sum(axis=1))
    outer = np.square(details).sum(axis=1).cumsum()[np.arange(count) // 4]  # of the half that is farther from the seam
    enough = outer > TRACE * (np.arange(count) // 4 + 1) * details.shape[1]  # unlike a bar's
    likeness = np.where(enough, -products / np.maximum(squares, 1), 0)
    first, last = int(2 * FIRST * count), int(2 * LAST * count)
    best = first + int(likeness[first:last].argmax())
    return float(likeness[best]), (best + 1) / 2


def _is_repeated(greys: NDArray[np.float64]) -> bool:
    """Whether the rows at the top, and as many at the bottom, are one row with details again and again."""
    counts: list[int] = []
    for one in (greys, greys[::-1]):
        along = float(np.abs(np.diff(one[0], 2)).mean())
        other = np.abs(one - one[0]).mean(axis=1) > max(1.0, STILL * along)
        counts.append(int(other.argmax()) if along > DETAILED and other.any() else 0)
    return min(counts) >= REPEATED * len(greys) and max(counts) - min(counts) <= NEAR


def _blurred(greys: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """The mean of what is up to `reach` pixels away."""
    for axis in (0, 1):
        wide = [(reach + 1, reach) if axis == each else (0, 0) for each in (0, 1)]
        sums = np.cumsum(np.pad(greys, wide, mode="edge"), axis=axis)
        first, last = (slice(None, -2 * reach - 1), slice(2 * reach + 1, None))
        greys = (sums[last] - sums[first] if axis == 0 else sums[:, last] - sums[:, first]) / (2 * reach + 1)
    return greys
