"""What a metric of one's own keeps from task to task, and whether it takes rows for pairs: notes, as neither is always
wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from harness.formats.comparable import comparable
from harness.metric import ImageSet, Metric, TaskImages
from harness.metrics.measured import Value
from harness.plugins.hidden_state import VALUES, shared_values, state_of
from harness.plugins.metric_images import SizedSet, is_own

Read = Callable[[], TaskImages]
NEAR = 1e-4  # by which sums in another order may differ, as a share


class MetricState:
    """What a metric, its class and its module hold, while it looks at one task after the other."""

    def __init__(self, metric: Metric) -> None:
        """Begin before it looked at anything."""
        self.metric = metric
        self._places = list(shared_values(type(metric), Metric)) if is_own(metric) else []
        self._reads = 0
        self._settled: dict[str, object] | None = None
        self._drawn = False  # whether it looked at images that were drawn

    def seen(self, tasks: Sequence[Read]) -> list[Read]:
        """The same tasks; that they are read tells how far the metric is."""
        alone = type(self.metric).of_task is not Metric.of_task
        # what is loaded for the first task, or the first time, is there to stay
        at = 2 if alone else len(tasks) + 1

        def read(task: Read) -> TaskImages:
            self._reads += 1
            if self._reads == at and is_own(self.metric):
                self._settled = self._held()
            shown = task()
            return replace(shown, generated=self._told(shown.generated)) if is_own(self.metric) else shown

        return [partial(read, task) for task in tasks]

    def _told(self, drawn: ImageSet) -> ImageSet:
        """The same images; that they are read is remembered."""

        def images() -> NDArray[np.uint8]:
            self._drawn = True
            return drawn.images

        def features() -> NDArray[np.float32]:
            self._drawn = True
            return drawn.features

        return SizedSet(images, features, drawn)

    def notes(self) -> list[str]:
        """A sentence if it never looked at what was drawn, or something changed again after what it saw first."""
        if is_own(self.metric) and self._reads and not self._drawn:
            return [
                f"the metric {type(self.metric).__name__} never looks at the images of task.generated, so that its "
                "figure is the same for every method; is task.real there twice?"
            ]
        if self._settled is None:
            return []
        changed = [place for place, value in self._held().items() if self._settled.get(place) != value]
        if not changed:
            return []
        return [
            f"the metric {type(self.metric).__name__} changes {changed[0]} from task to task, so that a figure may "
            "hang on what was measured before it; let it be a function of the images alone (what is the same for all "
            "of them may be kept by functools.cache)"
        ]

    def _held(self) -> dict[str, object]:
        own = {f"self.{name}": [comparable(v)] for name, v in vars(self.metric).items() if type(v) in VALUES}
        return state_of(self._places) | own


def cosine_notes(metric: Metric, values: Sequence[Value]) -> list[str]:
    """A sentence if a figure that is called a cosine is neither one nor a distance made of one, as both lie in -1 to 2.

    Args:
        values: What the metric said of the tasks.
    """
    words = f"{metric.name} {metric.title} {metric.summary}".lower()
    beyond = [value.value for value in values if not -1 - NEAR <= value.value <= 2 + NEAR]
    if not is_own(metric) or "cosine" not in words or metric.unit != "1" or not beyond:
        return []
    return [
        f"the metric {type(metric).__name__} says {beyond[0]:.4g}, and no cosine is above 1 or below -1: features are "
        "not normalised; divide each row by its norm"
    ]


def pair_notes(metric: Metric, task: Read, value: Value) -> list[str]:
    """A sentence if a task's figure is another one when its real images come in another order.

    Args:
        value: what the metric said of the task.
    """
    from harness.plugins.metric_hooks import task_values

    if not is_own(metric) or type(metric).of_task is Metric.of_task:
        return []
    shown = task()
    turned = ImageSet(lambda: np.roll(shown.real.images, 1, axis=0), lambda: np.roll(shown.real.features, 1, axis=0))
    (other,) = task_values(metric, [lambda: replace(shown, real=turned)])
    if abs(other.value - value.value) <= NEAR * max(abs(other.value), abs(value.value), NEAR):
        return []
    return [
        f"the metric {type(metric).__name__} says {value.value:.4g} of task {shown.index}, and {other.value:.4g} when "
        "its real images come in another order, which means nothing: real image k is not what generated image k was "
        "made of; compare each with all"
    ]
