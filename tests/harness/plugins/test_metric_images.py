"""A metric of one's own that works with bytes, mixes up axes, keeps state, or takes rows for pairs is told."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from harness.errors import PluginError
from harness.metric import ImageSet, Metric, TaskImages
from harness.plugins.metric_hooks import values_of
from harness.plugins.metric_state import MetricState, pair_notes
from harness.sources.metric_texts import metric_notes

Answer = Callable[[Metric, TaskImages], Any]
SEEN: dict[str, float] = {}
LOADED: list[float] = []


def images(seed: int) -> ImageSet:
    draws = np.random.default_rng(seed)
    bytes_, features = draws.integers(0, 256, (4, 8, 8, 3), np.uint8), draws.normal(size=(4, 5)).astype(np.float32)
    return ImageSet(lambda: bytes_, lambda: features)


def task(index: int = 1) -> TaskImages:
    name = f"cat {index}"
    return TaskImages(index, name, "cat", "a photo of a V* cat", images(2 * index), images(2 * index + 1))


def metric(answer: Answer, **given: Any) -> Metric:
    return type("Mine", (Metric,), {"name": "mine", "of_task": answer, **given})()


def tensors(given: TaskImages) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(given.real.images), torch.from_numpy(given.generated.images)


ROUND: list[Answer] = [
    lambda self, t: float(((t.real.images[:1] - t.generated.images) ** 2).mean()),
    lambda self, t: float((t.real.images[0] * 2).mean()),
    lambda self, t: float(np.subtract(t.real.images[:1], t.generated.images).mean()),
    lambda self, t: float((tensors(t)[0] - tensors(t)[1]).float().mean()),
    lambda self, t: float(tensors(t)[0].square().float().mean()),
]


@pytest.mark.parametrize("answer", ROUND)
def test_bytes_that_come_round_end_it(answer: Answer) -> None:
    with pytest.raises(PluginError, match=r"^The metric Mine works with images in eight bits \(.*make numbers of them"):
        values_of(metric(answer), [task])


MIXED: list[Answer] = [
    lambda self, t: float(t.real.images.reshape(4, 3, 8, 8)[:, 0].mean()),
    lambda self, t: float(np.reshape(t.real.images.astype(float), (-1, 3, 8, 8))[:, 0].mean()),
    lambda self, t: float(tensors(t)[0].float().view(4, 3, 8, 8)[:, 0].mean()),
    lambda self, t: float(torch.reshape(tensors(t)[0], (4, 3, 8, 8)).float().mean()),
]


@pytest.mark.parametrize("answer", MIXED)
def test_axes_that_are_mixed_up_end_it(answer: Answer) -> None:
    with pytest.raises(
        PluginError, match=r"^The metric Mine gives images \(h, w, 3\) the shape \(3, h, w\) by reshape"
    ):
        values_of(metric(answer), [task])


SOUND: list[Answer] = [
    lambda self, t: float(np.abs(t.real.images.mean(axis=0) - t.generated.images).mean()),
    lambda self, t: float((t.real.images[:, None].astype(int) - t.generated.images).mean()),
    lambda self, t: float((255 - t.real.images).mean() + (t.real.images // 2 + 3).mean() + t.real.images.std()),
    lambda self, t: float(t.real.images.transpose(0, 3, 1, 2).reshape(4, 3, 64).mean()),
    lambda self, t: float((tensors(t)[0].permute(0, 3, 1, 2).float() - 3).square().mean()),
    lambda self, t: np.float64(t.generated.images.reshape(4, -1).max()),
    lambda self, t: t.generated.images.mean(axis=(1, 2, 3)),
]


@pytest.mark.parametrize("answer", SOUND)
def test_what_is_sound_is_what_it_was(answer: Answer) -> None:
    found = values_of(metric(answer), [task])
    assert isinstance(found, list)
    assert found[0].value == pytest.approx(float(np.mean(answer(metric(answer), task()))))
    assert pair_notes(metric(answer), task, found[0]) == []


def cosine(given: TaskImages) -> float:
    return float((given.real.features @ given.generated.features.T).mean())


def cached(self: Any, given: TaskImages) -> float:
    return SEEN.setdefault(given.name, cosine(given))


def running(self: Any, given: TaskImages) -> float:
    self.seen = [*getattr(self, "seen", []), cosine(given)]
    return float(np.mean(self.seen))


def loaded_once(self: Any, given: TaskImages) -> float:
    if not LOADED:
        LOADED.append(2.0)
    self.weight = LOADED[0]
    return cosine(given) * LOADED[0]


@pytest.mark.parametrize(("answer", "what"), [(cached, "SEEN, a variable of "), (running, "self.seen")])
def test_state_that_grows_from_task_to_task_is_told(answer: Answer, what: str) -> None:
    SEEN.clear()
    mine = metric(answer, __module__=__name__)
    state = MetricState(mine)
    values_of(mine, state.seen([task, partial(task, 2)]))
    (said,) = state.notes()
    assert said.startswith(f"the metric Mine changes {what}")
    assert "from task to task" in said


def test_what_is_loaded_for_the_first_task_is_no_state() -> None:
    LOADED.clear()
    mine = metric(loaded_once, __module__=__name__)
    state = MetricState(mine)
    values_of(mine, state.seen([task, partial(task, 2)]))
    assert state.notes() == []


def test_rows_taken_for_pairs_are_told() -> None:
    mine = metric(
        lambda self, t: float(np.mean([a @ b for a, b in zip(t.real.features, t.generated.features, strict=False)]))
    )
    found = values_of(mine, [task])
    assert isinstance(found, list)
    (said,) = pair_notes(mine, task, found[0])
    assert said.startswith("the metric Mine says ")
    assert "when its real images come in another order" in said


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"name": "similarity"}, True), ({"name": "mine", "summary": "Mean cosine of features."}, True),
        ({"name": "dog_accuracy"}, True), ({"name": "similarity", "higher": False}, False),
        ({"name": "mine", "summary": "Mean cosine distance."}, False), ({"name": "mean_colour"}, False),
        ({"name": "mine", "summary": "1 less the cosine of features."}, False),
    ],
)  # fmt: skip
def test_a_likeness_that_does_not_say_which_way_is_better_is_told(given: dict[str, Any], told: bool) -> None:
    said = list(metric_notes(type(metric(cached, **given)), Metric))
    assert bool(said) is told
    assert all("say higher = True or higher = False" in each for each in said)
