"""`--holdout K`: K images of each concept are never trained on, and generated images are measured against them.

A_mmd against the training images themselves is lowest for a model that draws just these. Which images are held out is
decided by their content alone: those with the lowest SHA-256 of ("holdout", the file's SHA-256). Neither names, nor
order, nor seeds change it, and of a concept that gains images most of the choice stays. Images of a concept that look
alike, or are called as copies of one picture, stay in training: held out, one would be known by heart all the same.
Where there are too few others, all that look alike are held out together.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

from harness.data.moments import TEXT as TAKEN
from harness.data.skipped_files import few_of
from harness.errors import UsageError, shortened
from harness.formats.figure_text import counted
from harness.spec import FIRST_SETTING, Benchmark, ImageSource, Task, TaskList

LEAST = 2  # the unbiased MMD divides by n - 1
OF_CLASSES = "--holdout is for concepts to draw; classes have test images as it is; leave it out."


@runtime_checkable
class Divisible(ImageSource, Protocol):
    """Images of which some can be held out."""

    def names(self) -> Sequence[str]:
        """What to call each image in a sentence, in their order."""
        ...

    def content_keys(self) -> Sequence[str]:
        """A hash of each image's content: the same for the same file, whatever it is called."""
        ...

    def kin(self) -> Sequence[int]:
        """Of each image, the place of the first one that it looks like; its own if there is none."""
        ...

    def only(self, places: Sequence[int]) -> ImageSource:
        """Some of the images, by their 0-based places."""
        ...


@runtime_checkable
class Timed(Protocol):
    """Images of which it is known which are of one moment."""

    def moments(self) -> Sequence[int]:
        """Of each image, the place of the first one that was taken at the same moment; its own if there is none."""
        ...


def places_held_out(images: Divisible, count: int) -> list[int]:
    """The 0-based places of the images to hold out, ascending; fewer than `count` where there are not enough.

    Images that look alike come last and all together, so that there may be more than `count`.
    """
    keys = images.content_keys()
    groups: dict[int, list[int]] = {}
    for place, of in enumerate(images.kin()):
        groups.setdefault(of, []).append(place)
    held: list[int] = []
    for group in sorted(groups.values(), key=lambda group: (len(group) > 1, min(_drawn(keys[one]) for one in group))):
        if len(held) < count and len(held) + len(group) < len(keys):
            held += group
    return sorted(held)


def _drawn(key: str) -> str:
    return hashlib.sha256(f"holdout/{key}".encode()).hexdigest()


def divided(tasks: Sequence[Task], count: int) -> list[Task]:
    """The tasks with `count` images of each kept out of training, as its reference.

    Raises:
        UsageError: concepts have too few images, held-out ones already, or images that cannot be divided.
    """
    found: list[Task] = []
    few: list[str] = []
    for task in tasks:
        images = _divisible(task)
        apart = places_held_out(images, count)
        if len(apart) < count:
            alike = sum(number for number in Counter(images.kin()).values() if number > 1)
            besides = f", {alike} of which look alike or are called as copies and stay in training" if alike else ""
            few.append(f"'{shortened(task.name)}' has {counted(len(images), 'image')}{besides}")
        rest = [place for place in range(len(images)) if place not in apart]
        found.append(task.model_copy(update={"images": images.only(rest), "reference": images.only(apart)}))
    if few:
        others = len(few) - 1
        more = f" (and {counted(others, 'more concept')} {'has' if others == 1 else 'have'} too few)" if others else ""
        raise UsageError(
            f"--holdout {count}: {few[0]}, too few to hold {count} out and train on at least one{more}; "
            "add images, or hold out fewer."
        )
    return found


def names_held_out(tasks: Sequence[Task], count: int) -> dict[str, list[str]]:
    """Concept -> what its held-out images are called.

    Raises:
        UsageError: as of `divided`.
    """
    divided(tasks, count)
    images = {task.name: _divisible(task) for task in tasks}
    return {name: [one.names()[place] for place in places_held_out(one, count)] for name, one in images.items()}


def torn_moments(tasks: Sequence[Task], count: int) -> list[tuple[str, str]]:
    """Held-out images that were taken at the moment of one that is trained on, each with that, as concept/name."""
    found: list[tuple[str, str]] = []
    for task in tasks:
        images = _divisible(task)
        first = images.moments() if isinstance(images, Timed) else range(len(images))
        if len(set(first)) == len(first):  # as mostly: then no file needs to be read for its hash
            continue
        apart, names = places_held_out(images, count), images.names()
        trained = {first[place]: place for place in reversed(range(len(images))) if place not in apart}
        found += [
            (f"{task.name}/{names[place]}", f"{task.name}/{names[trained[first[place]]]}")
            for place in apart
            if first[place] in trained
        ]
    return found


def _divisible(task: Task) -> Divisible:
    if task.reference is not None:
        raise UsageError(
            f"--holdout: '{task.name}' is measured against "
            f"{counted(len(task.reference), 'held-out image')} already; leave it out."
        )
    if not isinstance(task.images, Divisible):
        raise UsageError(f"--holdout: the images of '{task.name}' cannot be divided; leave it out.")
    return task.images


@dataclass(frozen=True)
class HeldOut:
    """The tasks of another list, with `count` images of each concept kept out of training as the reference."""

    inner: TaskList
    count: int

    def tasks(self) -> Sequence[Task]:
        """All tasks, numbered from 1.

        Raises:
            UsageError: as of `divided`.
        """
        return divided(self.inner.tasks(), self.count)

    # what a list of photographs says besides
    @property
    def photographs(self) -> bool:
        """Whether the images are photographs."""
        return bool(getattr(self.inner, "photographs", False))

    @property
    def cautions(self) -> tuple[str, ...]:
        """What a reader of the figures must know of the images."""
        said = f"{counted(len(self._torn), 'held-out image was', 'held-out images were')} {TAKEN}."
        return (*getattr(self.inner, "cautions", ()), *((said,) if self._torn else ()))

    @property
    def reading(self) -> Any:
        """What was read of the folder, if it is one; and held-out images that are of the moment of others."""
        reading = getattr(self.inner, "reading", None)
        if reading is None or not self._torn:
            return reading
        number = counted(len(self._torn), "held-out image was", "held-out images were")
        named = few_of([f"{shortened(name)} as {shortened(other)}" for name, other in self._torn])
        said = f"{number} {TAKEN}: {named}; add photographs of other moments, as these are known by heart."
        return replace(reading, remarks=(said, *reading.remarks))

    @cached_property
    def _torn(self) -> list[tuple[str, str]]:
        return torn_moments(self.inner.tasks(), self.count)


def hold_out(benchmark: Benchmark, tier: str, count: int) -> Benchmark:
    """The benchmark with `count` images of each concept kept out of training.

    Raises:
        UsageError: it is no benchmark of concepts, has held-out images already, or concepts of too few images.
    """
    if count < LEAST:
        raise UsageError(f"--holdout {count}: at least {LEAST} images are needed to measure against.")
    if benchmark.setting != FIRST_SETTING:
        raise UsageError(OF_CLASSES)
    if tier not in benchmark.sources:
        benchmark.tasks(tier)  # says so
    source = HeldOut(benchmark.sources[tier], count)
    source.tasks()
    return benchmark.model_copy(update={"sources": {**benchmark.sources, tier: source}})


def held_out_names(benchmark: Benchmark, tier: str) -> Mapping[str, Sequence[str]]:
    """Concept -> its held-out images by name; empty without `--holdout`."""
    source = benchmark.sources.get(tier)
    return names_held_out(source.inner.tasks(), source.count) if isinstance(source, HeldOut) else {}


def lines_on(names: Mapping[str, Sequence[str]]) -> list[str]:
    """What is held out, a line for each concept."""
    return [f"held out of training and measured against: {shortened(one)}: {', '.join(names[one])}" for one in names]
