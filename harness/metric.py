"""The interface of a measure of generated images that is a plugin: see docs/metrics.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Values = float | Sequence[float] | NDArray[np.floating]


@dataclass(frozen=True)
class ImageSet:
    """Some images of one task, and what the run's feature extractor says of them; read when they are asked for.

    Row k of both is image k. Of generated images it was made from the same noise whatever the model and the method, so
    that sets can be compared image by image.
    """

    read_images: Callable[[], NDArray[np.uint8]]
    read_features: Callable[[], NDArray[np.float32]]

    @cached_property
    def images(self) -> NDArray[np.uint8]:
        """(n, side, side, 3) uint8, RGB."""
        return self.read_images()

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """(n, d) float32, not normalised."""
        return self.read_features()

    def without(self, k: int) -> ImageSet:
        """The same set, less image k."""
        return ImageSet(lambda: np.delete(self.images, k, axis=0), lambda: np.delete(self.features, k, axis=0))

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.features)


def _no_text() -> NDArray[np.float32]:
    raise ValueError("these images come without the features of a text")


@dataclass(frozen=True)
class TaskImages:
    """What a measure looks at: one task's real images X_{D,j}, and those that a model drew of it.

    Attributes:
        index: Place of the task, from 1. name: the concept's. category: its category word X.
        prompt: What the images were drawn with, 'a photo of a V* X'.
        real: What the task is measured against, held out of training where the benchmark has such images.
        generated: X_{i,j}.
        wording: The prompt in words that any model knows, without the custom token: 'a photo of a X'.
        truth: What is known of the concept, name -> value, where a benchmark knows it: see `Metric.needs`.
        extractor: Hash of the feature extractor, for metrics that are made for one.
    """

    index: int
    name: str
    category: str
    prompt: str
    real: ImageSet
    generated: ImageSet
    wording: str = ""
    read_text: Callable[[], NDArray[np.float32]] = _no_text
    truth: Mapping[str, float | str] = field(default_factory=dict)
    extractor: str = ""

    @cached_property
    def text(self) -> NDArray[np.float32]:
        """(d,) float32: what the extractor's text tower says of `wording`, not normalised."""
        return self.read_text()

    def without(self, k: int) -> TaskImages:
        """The same, less generated image k."""
        return replace(self, generated=self.generated.without(k))


@dataclass(frozen=True)
class BaseImages:
    """What fine-tuning did to a prompt without any custom token: images before all tasks and after the last.

    Row k of both was made from the same noise, with the same sampler; an unchanged model gives the same images.

    Attributes:
        prompt: 'a photo of a X', of a category word X of the run's tasks.
        before: By the pre-trained model theta_0. after: by theta_N.
    """

    prompt: str
    before: ImageSet
    after: ImageSet

    def without(self, k: int) -> BaseImages:
        """The same, less pair k."""
        return replace(self, before=self.before.without(k), after=self.after.without(k))


class Metric:
    """A measure of generated images. Stateless, and a pure function: the same images always give the same figures.

    It defines one of four functions. `of_task`, `of_tasks` and `of_run` are asked for X_{j,j}, just after each task,
    and for X_{N,j}, after the last; rows, tables and files then have `NAME` (after it), `NAME.learned` (just after
    each) and `NAME.forgotten` (what was lost in between, positive where it got worse, of tasks j < N), each with a 95 %
    interval by the delete-one jackknife over generated images, pairs of them in what was forgotten; those of `of_run`
    have none. `of_base` is asked what became of prompts without a token, and has `NAME` alone.

    Class attributes:
        name: As in rows and options: letters, digits and '_'. title: as a heading; by default the name.
        summary: One sentence on what it says. citation: the paper.
        unit: '1', '1e-3', '%' or 'fraction' as printed in tables, or any other short text.
        higher: Whether higher is better.
        digits: Digits after the decimal point in tables.
        data_files: Files beside its own that it reads: part of its results' key.
        edited: Whether it is asked about edited prompts: images of 'a photo of a V* X at night', by the model after the
            last task, instead of those of the task's own prompt. It has `NAME` alone, the mean over edits.
        needs: What it cannot do without: 'truth', of benchmarks that know what each concept is.
        weights_needed: What it needs of its own, 'a timm folder of ...', for a metric that is named NAME=FOLDER.
        packages: What it imports and stamina-bench does not require: module -> what to give to pip. Their versions are
            part of its results' key.

    Attributes:
        weights: That folder; its content is part of the results' key. device: Where the run computes, 'cpu', 'cuda:0'.

    Example:
        >>> class MeanColour(Metric):
        ...     name, unit, summary = "mean_colour", "level", "Distance of mean colours, in levels of 0 to 255."
        ...     def of_task(self, task):
        ...         real, drawn = (each.images.mean(axis=(0, 1, 2)) for each in (task.real, task.generated))
        ...         return float(np.linalg.norm(real - drawn))
    """

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    citation: ClassVar[str] = ""
    unit: ClassVar[str] = "1"
    higher: ClassVar[bool] = False
    digits: ClassVar[int] = 3
    data_files: ClassVar[Sequence[str]] = ()
    edited: ClassVar[bool] = False
    needs: ClassVar[Sequence[str]] = ()
    weights_needed: ClassVar[str] = ""
    packages: ClassVar[Mapping[str, str]] = {}
    weights: Path
    device: str = "cpu"

    def of_task(self, task: TaskImages) -> Values:
        """One task's figure: a number, or one number for each generated image, whose mean is the task's.

        With a number for each image the interval costs nothing; else this is called once more for each image left out.
        """
        raise NotImplementedError

    def parts_of_task(self, task: TaskImages) -> Mapping[str, Values]:
        """What a task's figure is made of, by name: each a number, or one for each generated image. None by default.

        Tables show their means over the tasks that have them; files have them task by task.
        """
        return {}

    def of_tasks(self, tasks: Sequence[TaskImages]) -> Sequence[Values]:
        """The figures of all tasks, drawn by one model each, where a task's depends on the others' images.

        One number for each generated image of each task; a plain number gets no interval. By default `of_task` of each.
        """
        return [self.of_task(task) for task in tasks]

    def of_run(self, tasks: Sequence[TaskImages]) -> float:
        """One figure of all tasks' images together, where a task has too few: no interval, nothing by task."""
        raise NotImplementedError

    def of_base(self, drawn: BaseImages) -> Values:
        """One prompt's figure: a number, or one number for each pair of images, whose mean is the prompt's.

        The figure of the run is the mean over prompts.
        """
        raise NotImplementedError

    @classmethod
    def source_hash(cls) -> str:
        """SHA-256 of the source that it is written in, as of a method: an edited measure is measured anew.

        Raises:
            UsageError: a class has no source that can be read, or one of its `data_files` is missing.
        """
        from harness.sources.method_source import method_source

        return method_source(cls, Metric).digest

    @classmethod
    def source_notes(cls) -> tuple[str, ...]:
        """Sentences on its source, for before a run: what cannot be counted of it (`exec`), and likely mistakes."""
        from harness.sources.method_source import method_source

        return method_source(cls, Metric).notes
