"""Pictures that are there once more in another cut: cropped, shifted, within a frame, or with something drawn over.

Their details alone are compared, without what is smooth, so that skies and plain backgrounds are like nothing. First
small overviews: one is laid over the other at every place and in several sizes, all places at once by Fourier
transforms. The few pairs that stand out are looked at more closely: the one is brought over the other block by block,
and must then show the same in nearly every block. Other photographs of one thing do not: they bend.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

from harness.data.images.decoding import OVERVIEW, load_greys

Floats = NDArray[np.float32]

SIZES = tuple(1.15**-step for step in range(7))  # of the one picture within the other: from the same to 0.43
STANDS_OUT = 7.0  # standard deviations of all places; of different photographs the best of a pair is mostly 4 to 6
MOST = 3  # so many of the likeliest pairs of each picture are looked at
WITHIN, ELSEWHERE = 100, 200  # so many pictures before it are compared with each: of its concept; of others
FINE, CLOSE = 256, 128  # pixels along the longer side: of the pictures, and of the part when they are compared
BLOCK, STEP = 12, 6  # pixels: of what is compared at a time, and from one to the next
FLOOR, DETAILED = 3.0, 0.4  # levels that are next to no detail; the spread of a block's details that can be compared
SAME = 0.75  # correlation of a block's details
INSIDE = 0.88  # the least part of a picture that lies within the other
# Of the blocks with details so many must agree: enough of a picture full of details, since something may be drawn over
# it; of others nearly all, and in their greys nearly all blocks. Of different photographs of one thing, in the same
# light from the same side, it is up to 0.5, and of small things on white up to 0.7.
FULL, ENOUGH, NEARLY_ALL = 0.6, 0.6, 0.9
LEVELS = 4.0  # that the mean greys of a block may differ by


def contained(
    overviews: Mapping[Path, NDArray[np.uint8]],
    comparable: Callable[[Path, Path], bool] = lambda path, other: True,
    known: Sequence[tuple[Path, Path]] = (),
    sizes: Sequence[float] = SIZES,
    within: int = WITHIN,
) -> list[tuple[Path, Path]]:
    """Files that show a good part of an earlier one's picture, or it within more, each with the likeliest of those.

    Only pairs that stand out are read and decoded again.

    Args:
        overviews: of the files (see `Examined`). comparable: whether it matters that two show one picture.
        known: pairs that are found to look the same already; their first files are left out.
        sizes: of one picture within the other that are tried. within: each is compared with so many before it.

    Raises:
        UsageError: a file cannot be read any more.
    """
    done = {path for path, _ in known}
    before: deque[_Spectra] = deque(maxlen=within)
    fine: dict[Path, Image.Image] = {}
    found: list[tuple[Path, Path]] = []
    for path, overview in overviews.items():
        one = _Spectra.of(path, overview, sizes)
        others = [other for other in before if comparable(path, other.path)] if path not in done else []
        for guess in sorted(_guesses(one, others), key=lambda guess: -guess.likely)[:MOST]:
            if _is_same(guess, fine):
                found.append((path, guess.of(path)))
                break
        before.append(one)
    return found


@dataclass(frozen=True)
class _Spectra:
    """The spectra of an overview's details: (sizes, OVERVIEW, OVERVIEW // 2 + 1), of itself and of it made smaller."""

    path: Path
    sizes: Sequence[float]
    spectra: NDArray[np.complex64]

    @classmethod
    def of(cls, path: Path, overview: NDArray[np.uint8], sizes: Sequence[float]) -> _Spectra:
        image = Image.fromarray(overview)
        frames = np.zeros((len(sizes), OVERVIEW, OVERVIEW), np.float32)
        for frame, size in zip(frames, sizes, strict=True):
            details = _details(_scaled(image, size * OVERVIEW))
            frame[: details.shape[0], : details.shape[1]] = details
        return cls(path, sizes, np.fft.rfft2(frames).astype(np.complex64))


@dataclass(frozen=True)
class _Guess:
    """That `part` is in `whole`, `size` as large, and begins at `place` in its overview (x + iy)."""

    likely: float
    part: Path
    whole: Path
    size: float
    place: complex

    def of(self, path: Path) -> Path:
        """The other one."""
        return self.whole if path == self.part else self.part


def _guesses(one: _Spectra, others: Sequence[_Spectra]) -> list[_Guess]:
    """The place and size at which each pair's details fit best, where that stands out from all other places."""
    if not others:
        return []
    spectra = np.stack([other.spectra for other in others])
    sides = (spectra[:, :1] * one.spectra.conj(), one.spectra[:1] * spectra[:, 1:].conj())
    inside, around = (np.fft.irfft2(side, (OVERVIEW, OVERVIEW)).reshape(*side.shape[:2], OVERVIEW**2) for side in sides)
    likely = np.concatenate([_standing_out(inside), _standing_out(around)], axis=1)
    found: list[_Guess] = []
    for k in np.flatnonzero(likely.max(axis=1) >= STANDS_OUT).tolist():
        best, count = int(likely[k].argmax()), len(one.sizes)
        part, whole, fits = (one, others[k], inside[k]) if best < count else (others[k], one, around[k])
        at = best if best < count else best - count
        y, x = (place - OVERVIEW * (place >= 0.75 * OVERVIEW) for place in divmod(int(fits[at].argmax()), OVERVIEW))
        size = one.sizes[at + (best >= count)]
        found.append(_Guess(float(likely[k, best]), part.path, whole.path, size, complex(x, y)))
    return found


def _standing_out(fits: NDArray[np.floating]) -> Floats:
    """By how many standard deviations of all places the best one stands out; the mean is nearly 0."""
    spread = np.sqrt(np.einsum("nsp,nsp->ns", fits, fits) / fits.shape[2])
    return np.asarray(fits.max(axis=2) / (spread + 1e-6), np.float32)


def _is_same(guess: _Guess, fine: dict[Path, Image.Image]) -> bool:
    """Whether the part shows what is there in the whole, after it was brought over it as well as it can be."""
    for path in (guess.part, guess.whole):
        if path not in fine:
            fine[path] = Image.fromarray(load_greys(path, FINE).astype(np.float32))
    part, whole = fine[guess.part], fine[guess.whole]
    scale = max(whole.size) / OVERVIEW
    side = min(CLOSE, max(part.size), int(guess.size * max(whole.size)))
    # where the part's pixel z, of `side` along its longer side, is in the whole: turn * z + begin
    turn, begin = complex(guess.size * scale * OVERVIEW / side), guess.place * scale
    for pixels, reach in ((side / 2, 4), (side, 2)):
        small = _scaled(part, pixels)
        times = side / max(small.size)
        blocks = _compared(_laid(whole, small, turn * times, begin), np.asarray(small), reach)
        step = _movement(blocks)
        if step is None:
            return False
        begin, turn = turn * times * step[1] + begin, turn * step[0]
    small = _scaled(part, side)
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
    there, here = _details(under), _details(over)
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
    some = blocks.alike >= 0.6
    if some.sum() < 4:
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


def _scaled(image: Image.Image, side: float) -> Image.Image:
    """The image, `side` pixels along its longer side."""
    times = side / max(image.size)
    size = (max(BLOCK, round(image.width * times)), max(BLOCK, round(image.height * times)))
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


def _details(image: Image.Image | Floats) -> Floats:
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
