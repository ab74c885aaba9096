"""What Adam undoes of a hook on a gradient, and penalties that pull to what is folded already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from faulty_methods import Plain
from tiny_tasks import Course
from torch import Generator, Tensor, nn

from harness.backbones.adapters import attach
from harness.backbones.text_to_image import TextToImage
from harness.method import Batch
from methods import parts

Teach = Callable[..., list[str]]


@pytest.fixture
def second(model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> Teach:
    """What is told of a class's second task."""

    def teach(plugin: type[Plain], **changes: Any) -> list[str]:
        model.reset()
        monkeypatch.setattr("faulty_methods.chosen", plugin, raising=False)
        course = Course("faulty_methods:chosen", model, **changes)
        course.teach()
        return course.teach().done.notes

    return teach


class Hooked(Plain):
    """Its adapters are looked at once they are there."""

    def begin_task(self, model: Any, generator: Generator) -> nn.Module:
        self.low_rank = attach(model, lambda name, projection: parts.LowRank(projection, self.options.rank, generator))
        for adapter in self.low_rank.values():
            self.hooked(adapter)
        return parts.new_token(model, "free", "category", 2, generator)

    def hooked(self, adapter: Any) -> None:
        raise NotImplementedError


class Faster(Hooked):
    def hooked(self, adapter: Any) -> None:
        adapter.A.register_hook(lambda gradient: 16 * gradient)


class FasterAtFirst(Hooked):
    """A factor that changes is none that Adam takes out."""

    def hooked(self, adapter: Any) -> None:
        asked: list[int] = []
        adapter.A.register_hook(lambda gradient: (asked.append(1), gradient / len(asked))[1])


class Bounded(Hooked):
    def hooked(self, adapter: Any) -> None:
        adapter.B.register_hook(lambda gradient: gradient.clamp(-1e-5, 1e-5))


class Projected(Hooked):
    """A direction of the inputs is taken out of the gradient, as for SGD."""

    def direction(self, adapter: Any) -> Tensor:
        size = adapter.B.shape[1]
        return torch.linspace(-1, 2, size) / torch.linspace(-1, 2, size).norm()

    def hooked(self, adapter: Any) -> None:
        v = self.direction(adapter)
        adapter.B.register_hook(lambda gradient: gradient - (gradient @ v)[:, None] * v)


class ProjectedAfter(Projected):
    """So are the steps."""

    def batch(self, lesson: Any, generator: Generator) -> Batch:
        with torch.no_grad():
            for adapter in self.low_rank.values():
                v, rows = self.direction(adapter), adapter.B
                rows -= (rows @ v)[:, None] * v
        return super().batch(lesson, generator)


class RowsLeftOut(Hooked):
    """Adam leaves an entry without gradient where it is."""

    def hooked(self, adapter: Any) -> None:
        keep = torch.ones_like(adapter.B)
        keep[0] = 0
        adapter.B.register_hook(lambda gradient: gradient * keep)


def test_a_gradient_that_is_scaled_is_told(notes: Teach) -> None:
    (note,) = notes(Faster, steps=6)
    assert note.startswith("a hook of Faster multiplies the gradient of ")
    assert " tensors by 16 in every step, which does nothing, as Adam divides a gradient by its usual size" in note


def test_a_direction_that_a_step_has_again_is_told(notes: Teach) -> None:
    (note,) = notes(Projected, steps=6)
    assert note.startswith("a hook of Projected takes a direction out of a gradient, and up to ")
    assert " % of a step is along it nevertheless, as Adam divides each entry by its own usual size" in note


@pytest.mark.parametrize("plugin", [FasterAtFirst, Bounded, ProjectedAfter, RowsLeftOut])
def test_what_adam_leaves_as_it_is_meant_is_not(plugin: type[Plain], notes: Teach) -> None:
    assert [note for note in notes(plugin, steps=6) if "Adam" in note] == []


class Anchored(Hooked):
    """EWC as where parameters live on from task to task: A and B near those of the task before."""

    factors = ("A", "B")

    def hooked(self, adapter: Any) -> None:
        pass

    def penalties(self) -> Mapping[str, Tensor]:
        if not self.memory:
            return {}
        terms = [
            (getattr(adapter, factor) - self.memory[f"{name}.{factor}"]).square().sum()
            for name, adapter in self.low_rank.items()
            for factor in self.factors
        ]
        return {"ewc": torch.stack(terms).sum()}

    def end_task(self, lesson: Any, generator: Generator) -> Mapping[str, Tensor]:
        return {f"{n}.{factor}": getattr(a, factor).detach() for n, a in self.low_rank.items() for factor in "AB"}


class NearRows(Anchored):
    """One factor near the one before is a space that tasks share, and no change."""

    factors = ("B",)


def test_a_penalty_that_pulls_a_change_in_twice_is_told(second: Teach) -> None:
    (note,) = second(Anchored, steps=6)
    assert note.startswith(
        "the penalty 'ewc' of Anchored pulls the adapters to what those of the task before were, which is folded into "
        "the weights already, so that it would be there twice: a task begins with new adapters"
    )
    assert second(NearRows, steps=6) == []
