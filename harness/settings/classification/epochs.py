"""How an epoch is cut into batches. Imports no torch: plans count with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def images_an_epoch(images: int, batch_size: int, drop_last: bool) -> int:
    """How many of a task's training images an epoch looks at.

    With `drop_last` only those in whole batches, as GT-RIPL/CODA-Prompt's loader has it (at 6417d4f, trainer.py, line
    185); a task that does not fill one batch keeps its short one, on which that loader would train nothing at all.
    """
    short = images % batch_size if drop_last else 0
    return images - short if short < images else images


def steps_an_epoch(images: int, batch_size: int, drop_last: bool) -> int:
    """How many batches that is."""
    return -(-images_an_epoch(images, batch_size, drop_last) // batch_size)


def planned(recipe: Mapping[str, Any]) -> tuple[int, int]:
    """Images looked at and steps made by a recipe's training; an older program's, without the option, drops nothing."""
    options = recipe["options"]
    each = (int(recipe["images"]), int(options["batch_size"]), bool(options.get("drop_last", False)))
    epochs = int(options["epochs"])
    return epochs * images_an_epoch(*each), epochs * steps_an_epoch(*each)
