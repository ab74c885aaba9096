"""What a metric of one's own leaves unsaid by its class: whether more of it is better."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from harness.sources.home import PACKAGES

# What such a measure is called, and of a distance, an error or a loss is not.
_MORE_IS_BETTER = re.compile(
    r"accurac|agreement|coherence|consistency|correlation|cosine|diversity|f1|fidelity|precision|psnr|recall|"
    r"similar|ssim|\biou\b|\bshare of|\br2\b"
)
_LESS_IS_BETTER = re.compile(r"distan|dissimilar|divergence|error|\b1 (?:-|less|minus)|\bone minus|\bloss")


def metric_notes(metric: type[Any], base: type[Any]) -> Iterator[str]:
    """A sentence if lower is taken for better though its names sound like the other, and no class says which.

    Args:
        base: what all metrics descend from, which says so by default.
    """
    kinds = [kind for kind in metric.__mro__ if issubclass(kind, base) and kind is not base]
    if metric.__module__.partition(".")[0] in PACKAGES or any("higher" in vars(kind) for kind in kinds):
        return
    words = " ".join(str(each) for each in (metric.name, metric.title, metric.summary)).casefold().replace("_", " ")
    if (found := _MORE_IS_BETTER.search(words)) and not _LESS_IS_BETTER.search(words):
        yield (
            f"{metric.__name__} does not say whether higher is better, so that lower is, and by its name and summary "
            f"('{_word(words, found.start())}') it may be the other way round; say higher = True or higher = False in "
            "the class."
        )


def _word(text: str, place: int) -> str:
    return next(each.group() for each in re.finditer(r"\S+", text) if each.end() > place).strip(".,;:()")
