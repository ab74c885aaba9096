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
from numpy.typing import NDArray
from PIL import Image

from harness.data.images.decoding import OVERVIEW, load_greys
from harness.data.picture_parts import Floats, details_of, is_part, scaled

SIZES = tuple(1.15**-step for step in range(7))  # of the one picture within the other: from the same to 0.43
STANDS_OUT = 8.0  # standard deviations of all places; of different photographs the best of a pair is mostly 4 to 7
MOST = 3  # so many of the likeliest pairs of each picture are looked at
WITHIN, ELSEWHERE = 100, 200  # so many pictures before it are compared with each: of its concept; of others
FINE = 256  # pixels along the longer side of pictures that are looked at more closely


def contained(
    overviews: Mapping[Path, NDArray[np.uint8]],
    comparable: Callable[[Path, Path], bool] = lambda path, other: True,
    known: Sequence[tuple[Path, Path]] = (),
    sizes: Sequence[float] = SIZES,
    within: int = WITHIN,
    kept: Callable[[Path], bool] = lambda path: True,
) -> list[tuple[Path, Path]]:
    """Files that show a good part of an earlier one's picture, or it within more, each with the likeliest of those.

    Only pairs that stand out are read and decoded again.

    Args:
        overviews: of the files (see `Examined`). comparable: whether it matters that two show one picture.
        known: pairs that are found to look the same already; their first files are left out.
        sizes: of one picture within the other that are tried. within: each is compared with so many before it.
        kept: whether later ones are compared with a file.

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
        if kept(path):
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
            details = details_of(scaled(image, size * OVERVIEW))
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
    for path in (guess.part, guess.whole):
        if path not in fine:
            fine[path] = Image.fromarray(load_greys(path, FINE).astype(np.float32))
    part, whole = fine[guess.part], fine[guess.whole]
    return is_part(part, whole, guess.size, guess.place * max(whole.size) / OVERVIEW)
