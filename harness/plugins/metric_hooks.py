"""What a metric answers, checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from harness.errors import PluginError
from harness.metric import Metric, TaskImages, Values
from harness.metrics.measured import Value
from harness.plugins.hooks import described, no_global_draws

PURE = "let it be a function of the images alone, or seed a generator of its own with a constant"


def values_of(metric: Metric, tasks: Sequence[Callable[[], TaskImages]]) -> list[Value]:
    """What a measure says of each task.

    Args:
        tasks: Give each task's images, anew each time: those of all tasks may be more than memory holds.

    Raises:
        PluginError: an answer of another kind, or that is not finite; or it drew from a global generator.
    """
    with no_global_draws(f"The metric {type(metric).__name__}", remedy=PURE):
        if type(metric).of_tasks is Metric.of_tasks:
            return [_alone(metric, task()) for task in tasks]
        given = [task() for task in tasks]
        answers: object = metric.of_tasks(given)
        if not isinstance(answers, Sequence | np.ndarray) or len(answers) != len(given):
            raise PluginError(
                f"{type(metric).__name__}.of_tasks() must return the figures of each of {len(given)} tasks; it "
                f"returned {described(answers)}."
            )
        return [_value(metric, "of_tasks", task, answer) for task, answer in zip(given, answers, strict=True)]


def _alone(metric: Metric, task: TaskImages) -> Value:
    value = _value(metric, "of_task", task, metric.of_task(task))
    if value.without is not None:
        return value
    return Value.left_out(
        value.value, value.n, lambda k: _value(metric, "of_task", task, metric.of_task(task.without(k))).value
    )


def _value(metric: Metric, hook: str, task: TaskImages, given: Values | object) -> Value:
    found = np.asarray(given) if isinstance(given, np.ndarray | np.generic | Sequence | float | int) else None
    count = len(task.generated)
    fits = found is not None and found.dtype.kind in "fiub" and (found.ndim == 0 or found.shape == (count,))
    if found is None or not fits or not np.isfinite(found).all():
        raise PluginError(
            f"{type(metric).__name__}.{hook}() must give a finite number for a task, or one for each of its {count} "
            f"generated images; for task {task.index} ({task.name}) it gave {described(given)}."
        )
    numbers = found.astype(np.float64)
    return Value.of_images(numbers) if found.ndim else Value(float(numbers), count)
