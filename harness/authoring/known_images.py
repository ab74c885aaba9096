"""Images of which one knows what a metric should say: shown in the place of those that a model would have drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness import api
from harness.errors import UsageError
from harness.metric import BaseImages, ImageSet, Metric, TaskImages
from harness.metrics.measured import LEAST, Value
from harness.plugins.metric_hooks import base_values, part_values, task_values, values_of
from harness.prompts import class_prompt, edited_prompt, prompt_for
from harness.spec import Known, Task

if TYPE_CHECKING:
    from harness.backbones.extractor import Extractor

TASKS = 6
# fewer generated ones than real ones, so that an answer along the wrong axis has another shape
REAL, GENERATED = 16, 12
THEMSELVES, OTHERS, ANOTHER, NOISE = STAND_INS = (
    "the real images themselves", "other images of the concept", "another concept's images", "noise",
)  # fmt: skip


@dataclass(frozen=True)
class Concept:
    """A task's images.

    Attributes:
        real: What it is measured by. noise: as many images of noise. shown: stand-in -> what is shown as generated.
    """

    task: Task
    real: ImageSet
    noise: ImageSet
    shown: dict[str, ImageSet]


@dataclass(frozen=True)
class Changes:
    """In which way the same images are shown once more.

    Attributes:
        renamed: tasks have other names and places, and come last one first. mixed: generated images in another order.
        exchanged: noise in the place of the real images.
        generated, real: of the first half of these images, how many copies there are; 0 for all images as they are.
        bounded: without black and white; features stay. touched: but for two pixels of one generated image.
    """

    renamed: bool = False
    mixed: bool = False
    exchanged: bool = False
    generated: int = 0
    real: int = 0
    bounded: bool = False
    touched: bool = False


AS_THEY_ARE = Changes()


class KnownImages:
    """The first tasks of a benchmark, with what is shown in the place of generated images, and what a metric says."""

    def __init__(self, plugin: type[Metric], prepared: api.Prepared) -> None:
        """Read images, and load the tier's extractor.

        Raises:
            UsageError: the benchmark has one concept alone, or too few images.
        """
        from harness.backbones.extractor import loaded_extractor

        context, self.plugin = prepared.plan.context, plugin
        self.device = api.slots_of(prepared)[0].device
        self.extractor: Extractor = loaded_extractor(context.extractor, self.device)
        self.extractor_hash = context.extractor_hash
        self.of_base = plugin.of_base is not Metric.of_base
        # of all tasks together, concepts that change places are the same images
        self.stand_ins = [name for name in STAND_INS if name != ANOTHER or plugin.of_run is Metric.of_run]
        self.edits = prepared.benchmark.edits if plugin.edited else {}
        self.read_text = cache(lambda wording: self.extractor.text_features([wording])[0])
        tasks, size = prepared.benchmark.tasks(context.tier.name)[:TASKS], context.tier.resolution
        images = [_real_and_others(task, size) for task in tasks]
        least = min(len(each) for pair in images for each in pair)
        if len(tasks) < 2 or least < LEAST:
            raise UsageError(
                f"To check a metric takes two concepts of {2 * LEAST} images each; '{prepared.benchmark.name}' has "
                "fewer: leave out --benchmark."
            )
        count = min(GENERATED, max(LEAST, least - 1))
        draws = np.random.default_rng(0)
        self.concepts = []
        for place, (task, (real, others)) in enumerate(zip(tasks, images, strict=True)):
            another = images[_another(tasks, place)][0]
            noise = draws.integers(0, 256, real[:REAL].shape, np.uint8)
            stand_ins = zip(STAND_INS, (real, others, another, noise), strict=True)
            shown = {name: self._set(each[:count]) for name, each in stand_ins}
            self.concepts.append(Concept(task, self._set(real[:REAL]), self._set(noise), shown))

    def _set(self, images: NDArray[np.uint8]) -> ImageSet:
        features = cache(lambda: self.extractor.features(images))
        return ImageSet(lambda: images, features)

    def values(self, name: str, changes: Changes = AS_THEY_ARE) -> list[Value]:
        """What the metric, made anew, says of each task (each prompt, or in all) when it is shown a stand-in.

        Raises:
            PluginError: as of `harness.plugins.metric_hooks.values_of`.
        """
        metric = self.plugin()
        metric.device = self.device
        if self.of_base:
            pairs = [partial(self._pair, place, name, changes) for place in self._order(changes)]
            return self._in_place(base_values(metric, pairs), changes)
        tasks = [partial(self._task, place, name, changes) for place in self._order(changes)]
        found = task_values(metric, tasks) if self.plugin.edited else values_of(metric, tasks)
        part_values(metric, tasks)
        return [found] if isinstance(found, Value) else self._in_place(found, changes)

    def _order(self, changes: Changes) -> list[int]:
        places = list(range(len(self.concepts)))
        return places[::-1] if changes.renamed else places

    def _in_place(self, values: list[Value], changes: Changes) -> list[Value]:
        return values[::-1] if changes.renamed else values

    def _task(self, place: int, name: str, changes: Changes) -> TaskImages:
        concept = self.concepts[place]
        task, real, shown = concept.task, concept.real, concept.shown[name]
        if changes.exchanged:
            real = concept.noise
        if changes.mixed:
            shown = mixed(shown)
        real, shown = self._probed(real, shown, changes)
        token, wording = prompt_for(task.token, task.category, True), class_prompt(task.category)
        if words := self.edits.get(task.category, self.edits.get("", ())):
            token, wording = edited_prompt(token, words[0]), edited_prompt(wording, words[0])
        drawn = TaskImages(
            task.index, task.name, task.category, token, real, shown, wording, partial(self.read_text, wording),
            truth=task.images.truth() if isinstance(task.images, Known) else {}, extractor=self.extractor_hash,
        )  # fmt: skip
        if not changes.renamed:
            return drawn
        index = len(self.concepts) - place
        return replace(drawn, index=index, name=f"renamed {index}")

    def _probed(self, real: ImageSet, shown: ImageSet, changes: Changes) -> tuple[ImageSet, ImageSet]:
        """What is real and what is shown, with changes to how many there are and to their pixels."""
        real, shown = copies(real, changes.real), copies(shown, changes.generated)
        if changes.bounded:
            real, shown = bounded(real), bounded(shown, touched=changes.touched)
        return real, shown

    def _pair(self, place: int, name: str, changes: Changes) -> BaseImages:
        """The stand-in as what a prompt shows after the last task; before, it showed the real images."""
        concept = self.concepts[place]
        before, after = concept.shown[THEMSELVES], concept.shown[name]
        if changes.mixed:  # pairs stay pairs
            before, after = mixed(before), mixed(after)
        before, after = self._probed(before, after, replace(changes, real=changes.generated))  # pairs stay pairs
        number = len(self.concepts) - place if changes.renamed else place + 1
        return BaseImages(f"{class_prompt(concept.task.category)} {number}", before, after)


def _real_and_others(task: Task, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """What a task is measured by, and other images of its concept: training images, or half of all that there are."""
    images = task.images.load(size)
    if task.reference is None:
        return images[: len(images) // 2], images[len(images) // 2 :]
    return task.reference.load(size)[:REAL], images[:REAL]


def mixed(images: ImageSet) -> ImageSet:
    """The same images in another order: not only backwards, in which neighbours stay neighbours."""
    order = np.random.default_rng(0).permutation(len(images))
    return ImageSet(lambda: images.images[order], lambda: images.features[order])


def copies(images: ImageSet, count: int) -> ImageSet:
    """The first half of some images, each there a number of times; all as they are for 0."""
    if not count:
        return images
    half = max(LEAST, len(images) // 2)
    return ImageSet(
        lambda: np.tile(images.images[:half], (count, 1, 1, 1)), lambda: np.tile(images.features[:half], (count, 1))
    )


def bounded(images: ImageSet, *, touched: bool = False) -> ImageSet:
    """The same in fewer grey levels, 32 to 223; with `touched` one pixel of the first is black, and one is white."""

    def made() -> NDArray[np.uint8]:
        found: NDArray[np.uint8] = (32 + (images.images * 0.75).round()).astype(np.uint8)
        if touched:
            found[0, 0, 0], found[0, -1, -1] = 0, 255
        return found

    return ImageSet(made, lambda: images.features)


def _another(tasks: Sequence[Task], place: int) -> int:
    """The next task of another concept, of the same category where there is one."""
    others = [(place + step) % len(tasks) for step in range(1, len(tasks))]
    return next((k for k in others if tasks[k].category == tasks[place].category), others[0])
