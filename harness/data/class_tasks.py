"""Tasks of classes: what the classification setting is made of. Importing this module imports no torch."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from harness.errors import UsageError
from harness.spec import ImageSource, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Split = Literal["train", "test"]


@runtime_checkable
class ClassImages(ImageSource, Protocol):
    """The labelled images of a task's classes; picklable, so that a worker process can load them.

    Of an `ImageSource`, `fingerprint` covers images, labels and which image is in which split; `len` and `load` are of
    the training images.
    """

    def labels(self, split: Split) -> NDArray[np.int64]:
        """(n,): of each image, which of the task's classes it shows, counted from 0."""
        ...

    def image(self, split: Split, index: int) -> NDArray[np.uint8]:
        """Image `index` of a split, (h, w, 3) RGB, at its own size."""
        ...


class ClassTask(Task):
    """Task j of a classification benchmark: some classes, learnt together. `category` names them in print.

    `classes` are the names; `numbers` their positions in the benchmark's own order, which no class order changes.
    """

    classes: tuple[str, ...]
    numbers: tuple[int, ...]
    images: ClassImages


@runtime_checkable
class ClassList(Protocol):
    """Makes a classification benchmark's tasks at one tier."""

    note: str  # what a reader must know of the split, such as 'not the published split'; or empty

    def tasks(self) -> Sequence[Task]:
        """All tasks in the benchmark's own class order."""
        ...

    def in_order(self, seed: int) -> Sequence[ClassTask]:
        """All tasks in the class order of trial `seed`; 0 is the benchmark's own."""
        ...


def class_order(classes: int, seed: int) -> list[int]:
    """The order of the classes in trial `seed`, as the published protocol draws it (CODA-Prompt, CVPR 2023).

    Args:
        classes: how many there are. seed: 0 for the natural order; s > 0 for Python's `random.shuffle` seeded by s.
    """
    order = list(range(classes))
    if seed:
        random.Random(seed).shuffle(order)
    return order


def split_into(order: Sequence[int], tasks: int) -> list[tuple[int, ...]]:
    """The classes in `tasks` runs of equal length; if they do not divide evenly, the first ones have one class more.

    Raises:
        UsageError: more tasks than classes, or none.
    """
    if not 1 <= tasks <= len(order):
        raise UsageError(f"--split-into {tasks} must be from 1 to {len(order)}, the number of classes.")
    size, more = divmod(len(order), tasks)
    starts = [j * size + min(j, more) for j in range(tasks + 1)]
    return [tuple(order[a:b]) for a, b in pairwise(starts)]
