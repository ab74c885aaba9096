"""What a head of a plugin's own may get wrong without any error: which end of its scores is the best."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from harness.method import Method

FAR = 3.0  # standard deviations from chance


def reversed_notes(method: Method[Any], highest: Tensor, lowest: Tensor, labels: Tensor, classes: int) -> list[str]:
    """A sentence if the class with the lowest score is the right one by far more often than that with the highest.

    Args:
        highest: Of each image the class of the highest score. lowest: that of the lowest. labels: the right one; all
            are (images,).
        classes: How many there are.
    """
    images = len(labels)
    right, wrong = (int((taken == labels).sum()) for taken in (highest, lowest))
    chance = images / max(1, classes)
    far = FAR * (chance * (1 - 1 / max(1, classes))) ** 0.5
    if classes < 2 or not (right < chance - far and wrong > chance + far):
        return []
    return [
        f"the class with the lowest score that {type(method).__name__}.head() gives is the right one for "
        f"{100 * wrong / images:.0f} % of the test images, that with the highest, which counts, for "
        f"{100 * right / images:.0f} %: give scores of which the highest is the best (the negative of a distance)"
    ]
