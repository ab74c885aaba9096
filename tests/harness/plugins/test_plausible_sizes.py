"""Figures of the right kind and the wrong size: scores, masks, merges, sums over tasks, residuals that fade."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from faulty_methods import Plain, RankOptions
from tiny_tasks import Course
from torch import Generator, Tensor, nn
from torch.nn.functional import normalize

from harness.backbones.adapters import Adapter, attach
from harness.backbones.text_to_image import TextToImage
from harness.errors import PluginError
from harness.method import Batch
from harness.plugins.answers import (
    head_company_notes,
    last_alone_notes,
    order_notes,
    reversed_notes,
    turned,
)
from harness.plugins.merged import merge_notes
from methods import parts

Notes = Callable[..., list[str]]


def test_scores_the_wrong_way_round_are_told() -> None:
    labels = torch.arange(4).repeat(12)
    wrong = (labels + 1) % 4
    (note,) = reversed_notes(Plain(RankOptions()), wrong, labels, labels, 4)
    assert note.startswith(
        "the class with the lowest score that Plain.head() gives is the right one for 100 % of the test images, that "
        "with the highest, which counts, for 0 %: give scores of which the highest is the best"
    )
    constant = torch.zeros(48, dtype=torch.long)  # all taken for one class: what forgets everything else
    for highest, lowest in ((labels, wrong), (constant, labels), (wrong, wrong), (wrong, constant)):
        assert reversed_notes(Plain(RankOptions()), highest, lowest, labels, 4) == []
    assert reversed_notes(Plain(RankOptions()), wrong[:3], labels[:3], labels[:3], 4) == []  # too few to tell
    assert reversed_notes(Plain(RankOptions()), 0 * labels, 0 * labels, 0 * labels, 1) == []


def test_columns_in_another_order_than_the_classes_are_told() -> None:
    labels = torch.arange(6).repeat(12)
    newest_first = torch.tensor([4, 5, 2, 3, 0, 1])[labels]
    (note,) = order_notes(Plain(RankOptions()), newest_first, labels, 6)
    assert note.startswith(
        "the scores that Plain.head() gives seem to be in another order than the classes: images of class 0 are taken "
        "for class 4, and so on for 4 of 6 classes, each for one of its own; columns are the classes in the order in"
    )
    draws = torch.Generator().manual_seed(0)
    forgets = torch.where(labels < 4, 4 + labels % 2, labels)  # all earlier classes are taken for new ones
    guesses = torch.randint(6, labels.shape, generator=draws)
    confused = torch.where(labels < 2, torch.where(torch.rand(72, generator=draws) < 0.6, 1 - labels, labels), labels)
    for taken in (labels, forgets, guesses, confused, 0 * labels):
        assert order_notes(Plain(RankOptions()), taken, labels, 6) == []


class Cosines(nn.Module):
    """Nearest class means."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim, self.means = dim, torch.randn(4, 16, generator=torch.Generator().manual_seed(1))

    def forward(self, features: Tensor) -> Tensor:
        return normalize(features, dim=self.dim) @ self.means.T


def test_answers_by_the_last_task_alone_are_told() -> None:
    memory = {"prompts": torch.ones(3, 2), "keys": torch.ones(1, 3), "general": torch.ones(4), "other": torch.ones(3)}
    past = turned(memory, ["general", "keys", "prompts"], 3, last=False)
    assert [past[name].flatten().tolist() for name in ("prompts", "keys")] == [[-1.0] * 4 + [1.0] * 2, [-1, -1, 1]]
    assert past["other"] is memory["other"]
    assert turned(memory, ["keys"], 3, last=True)["keys"].tolist() == [[1, 1, -1]]
    assert turned(memory, ["general"], 3, last=False) == turned({"a": torch.ones(1, 2)}, ["a"], 1, last=True) == {}
    logits, others = torch.eye(3), torch.eye(3).roll(1, 0)
    (note,) = last_alone_notes(Plain(RankOptions()), logits, logits.clone(), others)
    assert note.startswith("the prompt that Plain.recall() gives answers images of all tasks by what the last one left")
    assert last_alone_notes(Plain(RankOptions()), logits, others, others) == []
    assert last_alone_notes(Plain(RankOptions()), logits, logits, logits) == []  # rows that no answer hangs on


def test_a_head_that_normalises_over_the_batch_is_told() -> None:
    features = torch.randn(8, 16, generator=torch.Generator().manual_seed(0))
    (note,) = head_company_notes(Plain(RankOptions()), Cosines(dim=0), features)
    assert note.startswith("the scores that Plain.head() gives are others for an image alone than for the same image")
    assert head_company_notes(Plain(RankOptions()), Cosines(dim=1), features) == []


MERGES: dict[str, tuple[Callable[[Tensor, Tensor, Tensor], Tensor], str]] = {
    "a sum of weights": (lambda start, one, two: 2 * start + one + two, "2 times"),
    "a mean over too few": (lambda start, one, two: 2**0.5 * start + (one + two) / 2**0.5, "1.4 times"),
    "half of them": (lambda start, one, two: 0.5 * start + one, "0.5 times"),
    "a mean": (lambda start, one, two: start + (one + two) / 2, ""),
    "a sum of changes": (lambda start, one, two: start + one + two, ""),
    "far away": (lambda start, one, two: start + 200 * one, ""),
}


@pytest.mark.parametrize(("give", "told"), MERGES.values(), ids=MERGES)
def test_a_merge_holds_the_pre_trained_weights_once(
    model: TextToImage, give: Callable[[Tensor, Tensor, Tensor], Tensor], told: str
) -> None:
    draw = Generator().manual_seed(0)
    merged = {
        name: give(start, *(0.1 * start.std() * torch.randn(start.shape, generator=draw) for _ in range(2)))
        for name, start in model.initial.items()
    }
    notes = merge_notes(Plain(RankOptions()), merged, model.initial)
    assert len(notes) == bool(told)
    for note in notes:
        assert note.startswith(f"Plain.merge() gives weights that hold the pre-trained ones {told}: add up what")


class Annealed(Adapter):
    def __init__(self, low: Adapter, gate: Callable[[float], float]) -> None:
        super().__init__()
        self.low, self.gate = low, gate

    def compute(self) -> Tensor:
        return self.gate(self.progress) * self.low.compute()


def annealed(gate: Callable[[float], float]) -> type[Plain]:
    class Own(Plain):
        def begin_task(self, model: Any, generator: Generator) -> nn.Module:
            attach(model, lambda name, projection: Annealed(parts.LowRank(projection, 2, generator), gate))
            return parts.new_token(model, "free", "category", 2, generator)

    return Own


GATES: dict[str, tuple[Callable[[float], float], bool]] = {
    "down": (lambda progress: 1 - progress, True),
    "a bump": (lambda progress: 4 * progress * (1 - progress), True),
    "a little": (lambda progress: 1 - progress / 2, False),
    "up": (lambda progress: min(1.0, 0.1 + progress), False),
    "none": (lambda progress: 1.0, False),
}


@pytest.mark.parametrize(("gate", "faded"), GATES.values(), ids=GATES)
def test_what_has_faded_by_the_last_step_is_told(notes: Notes, gate: Callable[[float], float], faded: bool) -> None:
    told = notes(annealed(gate), steps=20)
    assert len(told) == faded
    for note in told:
        assert note.startswith("Annealed.compute() gives what is folded 0.")
        assert note.endswith("what was learnt has faded by the last one")


def adds(of: Callable[[Plain, Any, str], Tensor]) -> type[Plain]:
    """A method whose memory is a sum over tasks."""

    class Adds(Plain):
        def end_task(self, lesson: Any, generator: Generator) -> Mapping[str, Tensor]:
            held = dict(self.memory.items())
            return {f"{n}.sum": of(self, lesson.model, n) + held.get(f"{n}.sum", 0) for n in self.adapters}

    return Adds


SUMS: dict[str, tuple[Callable[[Any, Any, str], Tensor], bool]] = {
    "all changes": (lambda method, model, name: model.change(name), True),
    "their sizes": (lambda method, model, name: model.change(name).abs(), True),
    "their squares": (lambda method, model, name: model.change(name).square(), True),
    "this task's": (lambda method, model, name: method.adapters[name].residual().detach().abs(), False),
    "weights": (lambda method, model, name: model.projections[name].weight.detach().clone(), False),
}


@pytest.mark.parametrize(("of", "twice"), SUMS.values(), ids=SUMS)
def test_a_sum_that_counts_earlier_tasks_again_is_told(
    model: TextToImage, monkeypatch: pytest.MonkeyPatch, of: Callable[[Any, Any, str], Tensor], twice: bool
) -> None:
    model.reset()
    monkeypatch.setattr("faulty_methods.chosen", adds(of), raising=False)
    course = Course("faulty_methods:chosen", model)
    assert course.teach().done.notes == []
    told = course.teach().done.notes
    assert len(told) == twice
    for note in told:
        assert ".sum' that end_task() leaves is self.memory['" in note
        assert note.endswith("is residual(), of this task alone, meant?")


class BelowZero(Plain):
    def batch(self, lesson: Any, generator: Generator) -> Batch:
        given = super().batch(lesson, generator)
        mask = torch.ones_like(given.latents[:, :1])
        mask[:, :, 0] = -0.5
        return replace(given, mask=mask)


def test_a_mask_below_zero_ends_the_training(notes: Notes) -> None:
    with pytest.raises(
        PluginError, match=r"batch\(\) gives a mask with values below 0 \(-0\.5\), where an error of the"
    ):
        notes(BelowZero)
