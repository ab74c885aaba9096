"""Whether one picture is a part of another: brought over it block by block, and then compared with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]

CLOSE = 128  # pixels along the longer side of the part when it is compared
BLOCK, STEP = 12, 6  # pixels: of what is compared at a time, and from one to the next
FLOOR, DETAILED = 3.0, 0.4  # levels that are next to no detail; the spread of a block's details that can be compared
ROUGHLY, SAME = 0.6, 0.75  # correlation of a block's details: before it is brought over the other, and then
INSIDE = 0.88  # the least part of a picture that lies within the other
# Of the blocks with details so many must agree: enough of a picture full of details, since something may be drawn over
# it; of others nearly all, and in their greys nearly all blocks. Of different photographs of one thing, in the same
# light from the same side, it is up to 0.5, and of small things on white up to 0.7.
FULL, ENOUGH, NEARLY_ALL = 0.6, 0.6, 0.9
LEVELS = 4.0  # that the mean greys of a block may differ by


def is_part(part: Image.Image, whole: Image.Image, size: float, begin: complex) -> bool:
    """Whether a picture shows what is there in another, after it was brought over it as well as it can be.

    Args:
        part, whole: greys, of mode "F". size: about how long the part is there, as a part of the whole's length.
        begin: about where it begins there, in pixels, x + iy.
    """
    side = min(CLOSE, max(part.size), int(size * max(whole.size)))
    # where the part's pixel z, of `side` along its longer side, is in the whole: turn * z + begin
    turn = complex(size * max(whole.size) / side)
    for pixels, reach in ((side / 2, 4), (side, 2)):
        small = scaled(part, pixels)
        times = side / max(small.size)
        blocks = _compared(_laid(whole, small, turn * times, begin), np.asarray(small), reach)
        step = _movement(blocks)
        if step is None:
            return False
        begin, turn = turn * times * step[1] + begin, turn * step[0]
    small = scaled(part, side)
    turn *= side / max(small.size)
    under, over = _laid(whole, small, turn, begin), np.asarray(small)
    blocks = _compared(under, over, 1)
    if _inside(whole, small, turn, begin) < INSIDE or not blocks.detailed.any():
        return False
    agree = float((blocks.alike >= SAME).mean())
    if blocks.detailed.mean() >= FULL:
        return agree >= ENOUGH
    return agree >= NEARLY_ALL and _same_greys(under, over) >= NEARLY_ALL


@dataclass(frozen=True)
class _Blocks:
    """Of all blocks of a picture, which have details; of those, the middle, how alike, and how far what is most so."""

    detailed: NDArray[np.bool_]
    middle: NDArray[np.complex128]
    alike: Floats
    shift: NDArray[np.complex128]


def _compared(under: Floats, over: Floats, reach: int) -> _Blocks:
    """The blocks of `over`, each with what is like it in `under`, up to `reach` pixels away."""
    there, here = details_of(under), details_of(over)
    blocks = sliding_window_view(here, (BLOCK, BLOCK))[::STEP, ::STEP]
    down, across = blocks.shape[:2]
    blocks = blocks.reshape(-1, BLOCK, BLOCK)
    detailed = np.square(blocks).mean(axis=(1, 2)) >= DETAILED**2
    wide = sliding_window_view(np.pad(there, reach), (BLOCK + 2 * reach, BLOCK + 2 * reach))[::STEP, ::STEP]
    places = sliding_window_view(wide.reshape(down * across, *wide.shape[2:])[detailed], (BLOCK, BLOCK), axis=(1, 2))
    blocks = blocks[detailed]
    norms = np.sqrt(np.einsum("nyxij,nyxij->nyx", places, places) * np.square(blocks).sum((1, 2))[:, None, None])
    fits = (np.einsum("nyxij,nij->nyx", places, blocks) / (norms + 1e-3)).reshape(len(blocks), -1)
    best = fits.argmax(axis=1)
    y, x = np.divmod(np.flatnonzero(detailed), across)
    shift_y, shift_x = np.divmod(best, 2 * reach + 1)
    middle = STEP * (x + 1j * y) + (1 + 1j) * BLOCK / 2
    return _Blocks(detailed, middle, fits.max(axis=1), shift_x - reach + 1j * (shift_y - reach))


def _movement(blocks: _Blocks) -> tuple[complex, complex] | None:
    """The turn (and scale) and the shift by which most blocks moved; None if too few are alike."""
    some = blocks.alike >= ROUGHLY
    if some.sum() < max(4, len(some) / 2):
        return None
    origin = blocks.middle[some]
    goal = origin + blocks.shift[some]
    turn, shift = 1 + 0j, 0j
    for _ in range(2):
        offset, length = origin - origin.mean(), float(np.square(np.abs(origin - origin.mean())).sum())
        turn = complex((offset.conj() * goal).sum() / length) if length else 1 + 0j
        shift = complex(goal.mean() - turn * origin.mean())
        off = np.abs(turn * origin + shift - goal)
        kept = off <= max(1.0, 2 * float(np.median(off)))
        origin, goal = origin[kept], goal[kept]
    return turn, shift


def _same_greys(under: Floats, over: Floats) -> float:
    """The part of the blocks with the same mean greys, but for the brightness and contrast of most."""
    there, here = (sliding_window_view(one, (BLOCK, BLOCK))[::STEP, ::STEP].mean(axis=(2, 3)).ravel()
                   for one in (under, over))  # fmt: skip
    contrast, brightness = 1.0, float(np.median(there - here))
    for _ in range(5):
        off = np.abs(there - contrast * here - brightness)
        most = off <= np.quantile(off, 0.6)
        if here[most].std() > LEVELS:
            contrast, brightness = np.polyfit(here[most], there[most], 1)
    return float((np.abs(there - contrast * here - brightness) <= LEVELS).mean())


def _laid(whole: Image.Image, part: Image.Image, turn: complex, begin: complex) -> Floats:
    """What `whole` shows where `part` lies."""
    rows = (turn.real, -turn.imag, begin.real, turn.imag, turn.real, begin.imag)
    return np.asarray(whole.transform(part.size, Image.Transform.AFFINE, rows, Image.Resampling.BICUBIC))


def _inside(whole: Image.Image, part: Image.Image, turn: complex, begin: complex) -> float:
    """The part of `part` that lies within `whole`."""
    across, down = np.meshgrid(np.linspace(0, part.width, 20), np.linspace(0, part.height, 20))
    at = turn * (across + 1j * down) + begin
    margin = 0.01 * max(whole.size)
    fits = [(along >= -margin) & (along <= long + margin)
            for along, long in ((at.real, whole.width), (at.imag, whole.height))]  # fmt: skip
    return float((fits[0] & fits[1]).mean())


def scaled(image: Image.Image, side: float) -> Image.Image:
    """The image, `side` pixels along its longer side."""
    times = side / max(image.size)
    size = (max(BLOCK, round(image.width * times)), max(BLOCK, round(image.height * times)))
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


def details_of(image: Image.Image | Floats) -> Floats:
    """What is left without its surroundings' mean, in parts of its surroundings' spread."""
    greys = np.asarray(image, np.float32)
    details = greys - _blurred(_blurred(greys, 3), 1)
    return np.asarray(details / (np.sqrt(_blurred(np.square(details), 4)) + FLOOR), np.float32)


def _blurred(image: Floats, reach: int) -> Floats:
    """The mean of what is up to `reach` pixels away."""
    for axis in (0, 1):
        padded = np.pad(image, [(reach, reach) if axis == k else (0, 0) for k in (0, 1)], mode="edge")
        image = sliding_window_view(padded, 2 * reach + 1, axis=axis).mean(axis=-1)
    return image
