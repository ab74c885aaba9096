"""Which of many thumbnails are near each other, in about linear time, with none left out.

Thumbnails that are near in every value are near in the few pixels by which they are sorted into cells, so only those in
the same cell or in one beside it are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from harness.data.images.decoding import THUMBNAIL

# Of 255: how far thumbnails of the same pixels may be apart, since those of a JPEG are made from an eighth of its size;
# and those of one picture at another size.
NEAR, AKIN = 8, 16

CHANNELS = 3
SORTED_BY, FIRST_LOOK = 4, 16  # pixels by which thumbnails are sorted, and those that are compared before all others
BLOCK, PAIRS = 256, 1 << 14  # thumbnails, and pairs of them, at a time


def near(thumbnails: Sequence[bytes], within: int = NEAR) -> Iterator[tuple[int, list[int]]]:
    """The place of each thumbnail that is near earlier ones, and the places of those, in order.

    Args:
        within: by how much any of their values may differ.
    """
    if len(thumbnails) < 2:
        return
    whole = np.frombuffer(b"".join(thumbnails), np.uint8).reshape(len(thumbnails), THUMBNAIL**2, CHANNELS)
    yield from near_rows(whole, whole, within)


def near_rows(whole: NDArray[np.uint8], asked: NDArray[np.uint8], within: int) -> Iterator[tuple[int, list[int]]]:
    """The place of each of `asked` that is near images of `whole` at smaller places, and those places, in order.

    Args:
        whole: (n, pixels, channels). asked: the same images, or the same turned, say. within: as of `near`.
    """
    channels = whole.shape[2]
    sums, sums_asked = whole.sum(axis=2, dtype=np.int64), asked.sum(axis=2, dtype=np.int64)
    telling = _telling(sums)
    by = telling[:SORTED_BY]
    base = channels * 255 // (channels * within) + 3  # a cell more at either end
    weights = base ** np.arange(len(by))
    keys, keys_asked = ((values[:, by] // (channels * within) + 1) @ weights for values in (sums, sums_asked))
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    beside = np.array([np.array(steps) @ weights for steps in product((-1, 0, 1), repeat=len(by))])
    values, values_asked = (some.reshape(len(some), -1).astype(np.int16) for some in (whole, asked))
    for start in range(0, len(keys), BLOCK):
        wanted = keys_asked[start : start + BLOCK, None] + beside
        first = np.searchsorted(ordered, wanted.ravel(), "left")
        counts = np.searchsorted(ordered, wanted.ravel(), "right") - first
        later = np.repeat(np.repeat(np.arange(start, start + len(wanted)), len(beside)), counts)
        rank = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        earlier = order[np.repeat(first, counts) + rank]
        later, earlier = later[earlier < later], earlier[earlier < later]
        for shades_asked, shades in zip(sums_asked.T[telling], sums.T[telling], strict=True):
            kept = np.abs(shades_asked[later] - shades[earlier]) <= channels * within
            later, earlier = later[kept], earlier[kept]
        kept = _all_near(values_asked, values, later, earlier, within)
        later, earlier = later[kept], earlier[kept]
        for place in np.unique(later):
            yield int(place), np.sort(earlier[later == place]).tolist()


def _all_near(
    asked: NDArray[np.int16],
    values: NDArray[np.int16],
    later: NDArray[np.int64],
    earlier: NDArray[np.int64],
    within: int,
) -> NDArray[np.bool_]:
    """Of each pair, whether no value differs by more than `within`."""
    found = np.empty(len(later), np.bool_)
    for start in range(0, len(later), PAIRS):
        some = slice(start, start + PAIRS)
        found[some] = np.abs(asked[later[some]] - values[earlier[some]]).max(axis=1) <= within
    return found


def _telling(sums: NDArray[np.int64]) -> list[int]:
    """The pixels that differ most from image to image, each in what those before it do not tell already."""
    left = sums - sums.mean(axis=0)
    found: list[int] = []
    for _ in range(FIRST_LOOK):
        spread = np.square(left).sum(axis=0)
        pixel = int(spread.argmax())
        found.append(pixel)
        if not spread[pixel]:
            break
        direction = left[:, pixel] / np.sqrt(spread[pixel])
        left = left - np.outer(direction, direction @ left)
    return found
