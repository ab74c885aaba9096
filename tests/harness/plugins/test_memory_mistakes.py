"""What `end_task` keeps that is hardly what it is meant to keep, and penalties of a part of the adapters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from faulty_methods import Plain, RankOptions
from tiny_tasks import Course, tiny_model
from torch import Tensor, nn

from harness.backbones.text_to_image import TextToImage
from harness.plugins.batches import confused_tokens
from harness.plugins.hooks import vanished

Generator = torch.Generator
Weights = Mapping[str, Tensor]


@pytest.fixture(scope="module")
def model(tiny_models: Path) -> TextToImage:
    return tiny_model(tiny_models)


@pytest.fixture
def second(model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Plain]], list[str]]:
    """What is told of a class's second task."""

    def teach(plugin: type[Plain]) -> list[str]:
        model.reset()
        monkeypatch.setattr("faulty_methods.chosen", plugin, raising=False)
        course = Course("faulty_methods:chosen", model)
        course.teach()
        return course.teach().done.notes

    return teach


def keeps(of: Callable[[Any, Weights, Weights], Weights]) -> type[Plain]:
    """A method that keeps what a function makes of it and of the weights before and after its task."""

    class Keeps(Plain):
        def begin_task(self, model: Any, generator: Generator) -> nn.Module:
            self.model, self.before = model, {n: p.weight.detach().clone() for n, p in model.projections.items()}
            return super().begin_task(model, generator)

        def end_task(self, lesson: Any, generator: Generator) -> Mapping[str, Tensor]:
            return of(self, self.before, {n: p.weight.detach() for n, p in self.model.projections.items()})

    return Keeps


def late_change(method: Any, before: Weights, after: Weights) -> Weights:
    return {n: before[n] - method.model.initial[n] for n in before}


LATE = {"weights": lambda method, before, after: before, "changes": late_change}
RIGHT: dict[str, Callable[[Any, Weights, Weights], Weights]] = {
    "weights": lambda method, before, after: after,
    "what was learnt": lambda method, before, after: {n: after[n] - before[n] for n in after},
    "both": lambda method, before, after: {**before, **{f"{n}.now": after[n] for n in after}},
    "the first task's": lambda method, before, after: dict(method.memory.items()) if method.memory else after,
    "a mean": lambda method, before, after: {n: (before[n] + after[n]) / 2 for n in after},
}


@pytest.mark.parametrize("of", LATE.values(), ids=LATE)
def test_what_was_before_the_task_is_told(second: Any, of: Any) -> None:
    (note,) = [note for note in second(keeps(of)) if "before this task" in note]
    assert note.startswith("what end_task() leaves of the projections ('")
    assert note.endswith("take projection.weight.clone() in end_task(), where the task is folded")


@pytest.mark.parametrize("of", RIGHT.values(), ids=RIGHT)
def test_what_holds_the_task_is_not(second: Any, of: Any) -> None:
    assert not [note for note in second(keeps(of)) if "before this task" in note]


def test_a_memory_of_too_few_bits_is_told() -> None:
    method, draw = Plain(RankOptions()), Generator().manual_seed(0)
    small = 1e-4 * torch.randn(50, 50, generator=draw)
    (note,) = vanished(method, {"fisher": small.square().half()})
    assert note.startswith("Plain.end_task() leaves 'fisher' in float16, where ")
    assert note.endswith("float16 loses what is below 6e-05; keep it in float32, or scale it first")
    sparse = torch.randn(50, 50, generator=draw) * (torch.rand(50, 50, generator=draw) > 0.9)
    fine = {
        "all bits": small.square(), "long": small.square().bfloat16(), "weights": (100 * small).half(),
        "sparse": (0.02 * sparse).half(), "mask": (sparse != 0).half(), "nothing": torch.zeros(3).half(),
        "empty": torch.zeros(0).half(), "places": torch.arange(4),
    }  # fmt: skip
    assert vanished(method, fine) == []


def test_another_concepts_embedding_is_told() -> None:
    method, last, old = Plain(RankOptions()), torch.ones(4), torch.zeros(4)
    (note,) = confused_tokens(method, {"<v1>": last.clone(), "<v3>": old}, last, place=2)
    assert note.startswith("Plain gives <v1> the embedding that <v2> was left with, so that another concept is")
    assert confused_tokens(method, {"<v1>": old, "<v2>": last, "<v3>": last}, last, place=2) == []


def of_some(chosen: Callable[[str], bool]) -> type[Plain]:
    class Some(Plain):
        def penalties(self) -> Mapping[str, Tensor]:
            own = [a.residual().square().sum() for name, a in self.adapters.items() if chosen(name)]
            return {"stay": torch.stack(own).sum()}

    return Some


PARTS = {
    "a kind": (lambda name: name.endswith("to_k"), "the penalty 'stay' is of 4 of 8 adapters, and of none in to_v; is"),
    "a block": (
        lambda name: not name.startswith("down_blocks.0"),
        "the penalty 'stay' is of 6 of 8 adapters, and of none in down_blocks.0; is that meant?",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("chosen", "told"), PARTS.values(), ids=PARTS)
def test_a_penalty_without_one_kind_or_block_is_told(second: Any, chosen: Callable[[str], bool], told: str) -> None:
    (note,) = second(of_some(chosen))
    assert note.startswith(told)


def test_a_penalty_of_all_or_of_mixed_ones_is_not(second: Any) -> None:
    assert second(of_some(lambda name: True)) == []
    mixed = ("down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k", "mid_block")
    assert second(of_some(lambda name: not name.startswith(mixed))) == []
