"""What a metric's figures say of themselves: images that were never looked at, and cosines that are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.metric import ImageSet, Metric, TaskImages
from harness.metrics.measured import Value
from harness.plugins.metric_hooks import values_of
from harness.plugins.metric_state import MetricState, cosine_notes


def task() -> TaskImages:
    some = ImageSet(lambda: np.ones((3, 2, 2, 3), np.uint8), lambda: np.ones((3, 4), np.float32))
    return TaskImages(1, "cat", "animal", "a photo of a V* animal", some, some)


class Distance(Metric):
    name, summary = "distance", "Distance of mean features."

    def of_task(self, task: TaskImages) -> float:
        return float(np.linalg.norm(task.real.features.mean(0) - task.generated.features.mean(0)))


class Typo(Distance):
    def of_task(self, task: TaskImages) -> float:
        return float(np.linalg.norm(task.real.features.mean(0) - task.real.features.mean(0))) * len(task.generated)


class Retrieval(Metric):
    name = "retrieval"

    def of_tasks(self, tasks: Any) -> list[float]:
        return [float(each.generated.images.mean()) for each in tasks]


class OfRun(Metric):
    name = "of_run_typo"

    def of_run(self, tasks: Any) -> float:
        return float(sum(each.real.images.mean() for each in tasks))


@pytest.mark.parametrize(("metric", "wrong"), [(Distance, 0), (Typo, 1), (Retrieval, 0), (OfRun, 1)])
def test_a_metric_that_never_looks_at_what_was_drawn_is_told(metric: type[Metric], wrong: bool) -> None:
    mine = metric()
    state = MetricState(mine)
    assert state.notes() == []  # nothing was measured yet
    values_of(mine, state.seen([task, task]))
    told = [f"the metric {metric.__name__} never looks at the images of task.generated, so that its figure is the "
            "same for every method; is task.real there twice?"]  # fmt: skip
    assert state.notes() == told * wrong


class Similarity(Metric):
    name, summary, higher = "likeness", "Mean Cosine similarity of features.", True


def test_a_cosine_that_is_none_is_told() -> None:
    (note,) = cosine_notes(Similarity(), [Value(0.5, 3), Value(2.667, 3)])
    assert note.startswith("the metric Similarity says 2.667, and no cosine is above 1 or below -1: features are not")
    assert cosine_notes(Similarity(), [Value(-1.0, 3), Value(1.9, 3)]) == []  # 1 - cosine may be up to 2
    assert cosine_notes(Distance(), [Value(7.0, 3)]) == []
    percent = type("Percent", (Similarity,), {"unit": "%"})()
    assert cosine_notes(percent, [Value(80.0, 3)]) == []
