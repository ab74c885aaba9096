"""What a head of a plugin's own may get wrong without any error: the best end of its scores, their order, the batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from harness.method import Method

FAR = 3.0  # standard deviations from chance
TIMES = 4  # as many images taken for another column's class as for their own: a head that forgets has no such pairs


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


def order_notes(method: Method[Any], highest: Tensor, labels: Tensor, classes: int) -> list[str]:
    """A sentence if the images of some classes are taken for each other's, each class for one of its own.

    Classes that are forgotten are all taken for the new ones, which answer to themselves; only columns in another order
    leave each class a column that no other has.

    Args:
        highest: Of each image the class of the highest score. labels: the right one; both are (images,).
        classes: How many there are.
    """
    counts = torch.zeros(classes, classes)
    for right, taken in zip(labels.tolist(), highest.tolist(), strict=True):
        counts[right, taken] += 1
    mostly = counts.argmax(1).tolist()
    moved = [place for place in range(classes) if counts[place].any() and mostly[place] != place]
    others = sum(float(counts[place, mostly[place]]) for place in moved)
    own = sum(float(counts[place, place]) for place in moved)
    chance = float(counts[moved].sum()) / max(1, classes)
    if len(moved) < 2 or {mostly[place] for place in moved} != set(moved):
        return []
    if others < chance + FAR * chance**0.5 or others < TIMES * own:
        return []
    return [
        f"the scores that {type(method).__name__}.head() gives seem to be in another order than the classes: images of "
        f"class {moved[0]} are taken for class {mostly[moved[0]]}, and so on for {len(moved)} of {classes} classes, "
        "each for one of its own; columns are the classes in the order in which they were learnt, the new ones last"
    ]


def head_company_notes(method: Method[Any], head: nn.Module, features: Tensor) -> list[str]:
    """A sentence if an image's scores hang on which other images are scored with it.

    Args:
        features: (images, dim), of some test images.
    """
    among, alone = head(features)[0].float(), head(features[:1])[0].float()
    if torch.allclose(among, alone, rtol=0, atol=0.02 * float(alone.std(correction=0)) + 1e-6):
        return []
    return [
        f"the scores that {type(method).__name__}.head() gives are others for an image alone than for the same image "
        "among others, so that accuracies hang on the batch: is something normalised over images (dim=0) that should "
        "be over an image's features (dim=1)?"
    ]


def turned(memory: Mapping[str, Tensor], asked: Iterable[str], tasks: int, *, last: bool) -> dict[str, Tensor]:
    """A memory with what the last task left negated, or what all others did, in tensors with one row or column a task.

    Args:
        asked: Names of what is looked at.

    Returns:
        Nothing, if there are none.
    """
    found = {}
    for name in asked:
        tensor = memory[name]
        axis = next((axis for axis in (0, 1) if tensor.dim() > axis and tensor.shape[axis] == tasks), None)
        if axis is not None and tensor.is_floating_point():
            past, newest = tensor.split([tasks - 1, 1], axis)
            found[name] = torch.cat([past, -newest] if last else [-past, newest], axis)
    return {**memory, **found} if found and tasks > 1 else {}


def last_alone_notes(method: Method[Any], logits: Tensor, without_past: Tensor, without_last: Tensor) -> list[str]:
    """A sentence if what earlier tasks left has no part in any image's logits, (images, classes), and the last's has.

    Args:
        logits: Of images of all tasks. without_past, without_last: of the same, by prompts made of what `turned` gives.
    """
    if not torch.equal(logits, without_past) or torch.equal(logits, without_last):
        return []
    return [
        f"the prompt that {type(method).__name__}.recall() gives answers images of all tasks by what the last one left "
        "alone, though self.memory has rows of earlier ones: it goes by self.task_index, perhaps, which is the last in "
        "a test and no image's own, or no earlier key is ever the nearest"
    ]
