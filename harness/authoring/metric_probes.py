"""What a metric must not hang on: how many images there are, and single pixels. Shown by images that differ in that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.authoring.known_images import NOISE, OTHERS, Changes, KnownImages
from harness.metrics.measured import Value

POWERS = {0.5: "the root of how many", 1.0: "how many", 2.0: "the square of how many"}
NEAR = 0.01  # of a factor of 2, and of its root: an estimator's own correction for few images is no such factor
PIXELS = 0.05  # of a figure: two of half a million values can hardly be worth more


def probe_notes(shown: KnownImages) -> Iterator[str]:
    """Sentences on a metric whose figures grow with the number of images, or are moved by two pixels."""
    for which, one, two in (
        ("generated", Changes(generated=1), Changes(generated=2)),
        ("real", Changes(generated=1, real=1), Changes(generated=1, real=2)),  # never fewer real ones than generated
    ):
        once, twice = shown.values(NOISE, one), shown.values(NOISE, two)
        if power := _power(once, twice):
            yield (
                f"it says {once[0].value:.4g} of some images, and {twice[0].value:.4g} when each {which} image is "
                f"there twice: it goes with {POWERS[power]} there are, so that runs of other numbers of images do not "
                "compare; take a mean over images or pairs (a norm takes an axis)."
            )
            return
    bounded, touched = (shown.values(OTHERS, Changes(bounded=True, touched=t)) for t in (False, True))
    pairs = [(a.value, b.value) for a, b in zip(bounded, touched, strict=True)]
    if all(abs(a - b) > PIXELS * max(abs(a), abs(b)) > 0 for a, b in pairs):
        yield (
            f"it says {pairs[0][0]:.4g} of images without black and white, and {pairs[0][1]:.4g} when one pixel of one "
            "generated image is black and one is white: something goes by the lowest and highest value (a histogram "
            "without range=(0, 255), x - x.min()); take fixed bounds."
        )


def _power(once: Sequence[Value], twice: Sequence[Value]) -> float:
    """With which power of the number of images all figures go; 0 if with none."""
    if not all(value.value for value in once):
        return 0.0
    factors = [b.value / a.value for a, b in zip(once, twice, strict=True)]
    return next((p for p in POWERS if all(abs(factor / 2**p - 1) < NEAR for factor in factors)), 0.0)
