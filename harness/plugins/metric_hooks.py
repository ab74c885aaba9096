"""What a metric answers, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

from harness.errors import PluginError
from harness.formats.figure_text import counted
from harness.metric import BaseImages, Metric, TaskImages, Values
from harness.metrics.measured import Value
from harness.plugins.hooks import described, no_global_draws
from harness.plugins.metric_images import tensors_watched, watched_images

PURE = "let it be a function of the images alone, or seed a generator of its own with a constant"


def values_of(metric: Metric, tasks: Sequence[Callable[[], TaskImages]]) -> list[Value] | Value:
    """What a measure says of each task; or of all together, if it has `of_run`.

    Args:
        tasks: Give each task's images, anew each time: those of all tasks may be more than memory holds.

    Raises:
        PluginError: an answer of another kind, or that is not finite; or it drew from a global generator.
    """
    if type(metric).of_task is not Metric.of_task:
        return task_values(metric, tasks)
    with _as_it_should(metric):
        given = [watched_images(metric, task()) for task in tasks]
        if type(metric).of_run is not Metric.of_run:
            return _value(metric, "of_run", "the run", sum(len(task.generated) for task in given), metric.of_run(given))
        answers: object = metric.of_tasks(given)
        if not isinstance(answers, Sequence | np.ndarray) or len(answers) != len(given):
            raise PluginError(
                f"{type(metric).__name__}.of_tasks() must return the figures of each of "
                f"{counted(len(given), 'task')}; it "
                f"returned {described(answers)}."
            )
        return [
            _value(metric, "of_tasks", _called(task), len(task.generated), answer)
            for task, answer in zip(given, answers, strict=True)
        ]


def task_values(metric: Metric, tasks: Sequence[Callable[[], TaskImages]]) -> list[Value]:
    """What `of_task` says of each of some sets of images.

    Raises:
        PluginError: as of `values_of`.
    """
    with _as_it_should(metric):
        return [_alone(metric, "of_task", _called(one), one) for one in (watched_images(metric, t()) for t in tasks)]


def part_values(metric: Metric, tasks: Sequence[Callable[[], TaskImages]]) -> list[dict[str, Value]]:
    """What a measure says each task's figure is made of; nothing of most measures.

    Raises:
        PluginError: as of `values_of`, or a name that is no text.
    """
    if type(metric).parts_of_task is Metric.parts_of_task:
        return []
    found: list[dict[str, Value]] = []
    with _as_it_should(metric):
        for task in (watched_images(metric, read()) for read in tasks):
            parts: object = metric.parts_of_task(task)
            of = _called(task)
            if not isinstance(parts, Mapping) or not all(isinstance(name, str) and name for name in parts):
                raise PluginError(
                    f"{type(metric).__name__}.parts_of_task() must return a dict of names and figures; for {of} it "
                    f"gave {described(parts)}."
                )
            count = len(task.generated)
            found.append({k: _value(metric, "parts_of_task", f"'{k}' of {of}", count, v) for k, v in parts.items()})
    return found


def base_values(metric: Metric, prompts: Sequence[Callable[[], BaseImages]]) -> list[Value]:
    """What a measure says of each prompt without a token.

    Raises:
        PluginError: as of `values_of`.
    """
    shown = (watched_images(metric, prompt()) for prompt in prompts)
    with _as_it_should(metric):
        return [_alone(metric, "of_base", f"'{one.prompt}'", one) for one in shown]


@contextmanager
def _as_it_should(metric: Metric) -> Iterator[None]:
    """Within it a metric's code draws from no global generator, and tells mistakes with images.

    Raises:
        PluginError: it draws, or makes one.
    """
    with no_global_draws(f"The metric {type(metric).__name__}", remedy=PURE), tensors_watched(metric):
        yield


def _called(task: TaskImages) -> str:
    return f"task {task.index} ({task.name})"


Images = TypeVar("Images", TaskImages, BaseImages)


def _alone(metric: Metric, hook: str, of: str, images: Images) -> Value:
    """With its values less one image each, for the interval."""
    count = len(images.generated if isinstance(images, TaskImages) else images.after)

    def asked(given: Images, of_images: int) -> Value:
        return _value(metric, hook, of, of_images, getattr(metric, hook)(given))

    value = asked(images, count)
    if value.without is not None:
        return value
    return Value.left_out(value.value, count, lambda k: asked(images.without(k), count - 1).value)


def _value(metric: Metric, hook: str, of: str, count: int, given: Values | object) -> Value:
    found = np.asarray(given) if isinstance(given, np.ndarray | np.generic | Sequence | float | int) else None
    each = hook != "of_run"
    fits = found is not None and found.dtype.kind in "fiub" and (found.ndim == 0 or (each and found.shape == (count,)))
    if found is None or not fits or not np.isfinite(found).all():
        wanted = f"a finite number, or one for each of {count} images" if each else "one finite number"
        raise PluginError(f"{type(metric).__name__}.{hook}() must give {wanted}; for {of} it gave {described(given)}.")
    numbers = found.astype(np.float64)
    return Value.of_images(numbers) if found.ndim else Value(float(numbers), count)
