"""Hooks that later methods needed: a look at a task before it begins, a head of one's own, and what is kept of data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_classifier import ClassCourse
from tiny_tasks import Course, tiny_model
from torch import Tensor, nn

from harness.errors import PluginError
from harness.method import Method
from harness.metrics.scores import memory_figures
from harness.plugins import hooks
from harness.spec import ClassOptions, MethodOptions
from methods import parts


class Looking(Method[MethodOptions]):
    """Writes down in which order it is called."""

    options_class = MethodOptions
    keeps_data = "a thumbnail of each image"
    called: list[tuple[str, Any]]

    def prepare(self, lesson: Any, generator: torch.Generator) -> None:
        self.called = [("prepare", lesson.prompt)]

    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        from harness.backbones.adapters import attach

        self.called.append(("begin_task", None))
        attach(model, lambda name, projection: parts.FullResidual(projection))
        return parts.new_token(model, "free", "random", 4, generator)

    def measures(self) -> dict[str, float]:
        return {"in_order": float(self.called == [("prepare", "a photo of a <v1> person"), ("begin_task", None)])}


class Careless(Looking):
    def prepare(self, lesson: Any, generator: torch.Generator) -> None:
        torch.randn(1)


class Meddling(Looking):
    def prepare(self, lesson: Any, generator: torch.Generator) -> None:
        super().prepare(lesson, generator)
        with torch.no_grad():
            next(iter(lesson.model.projections.values())).weight.add_(1)


def course_of(plugin: type[Method[Any]], folder: Path) -> Course:
    course = Course("cd", tiny_model(folder))
    course.plugin, course.options = plugin, MethodOptions(steps=2, batch_size=2, prior_images=0, augment=False)
    return course


def test_prepare_sees_the_lesson_before_anything_is_attached(tiny_models: Path) -> None:
    done = course_of(Looking, tiny_models).teach().done
    assert done.measures["in_order"] == 1
    assert "Looking keeps a thumbnail of each image, against the rule that no data are kept" in done.notes


@pytest.mark.parametrize(("plugin", "words"), [(Careless, "prepare() draws from"), (Meddling, "prepare")])
def test_prepare_leaves_all_as_it_is(tiny_models: Path, plugin: type[Method[Any]], words: str) -> None:
    with pytest.raises(PluginError) as error:
        course_of(plugin, tiny_models).teach()
    assert words in str(error.value)


class Scorer(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, features: Tensor) -> Tensor:
        return features[:, : self.classes]


class Headed(Method[ClassOptions]):
    options_class = ClassOptions
    given: Any = None

    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        return nn.Module()

    def head(self, model: Any) -> Any:
        return self.given


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (torch.ones(2, 2), "an nn.Module from features to scores, or None; it gave a tensor of shape (2, 2)"),
        (Scorer(3), "(1, 2) scores of a (1, 32) tensor of features; it gave a tensor of shape (1, 3) and float32"),
    ],
)
def test_a_head_scores_every_class_seen(given: Any, words: str) -> None:
    course = ClassCourse("seqlora")
    course.teach()
    method = Headed(ClassOptions())
    method.given = given
    with pytest.raises(PluginError) as error:
        hooks.head(method, course.model)
    assert str(error.value).startswith("Headed.head() must give ")
    assert words in str(error.value)
    method.given = Scorer(2)
    assert hooks.head(method, course.model) is method.given
    method.given = None
    assert hooks.head(method, course.model) is None


def test_memory_is_counted_and_so_is_its_growth() -> None:
    figures = memory_figures([1_000_000, 3_000_000, 4_000_000, 6_000_000])
    assert [(f.metric, f.value, f.task) for f in figures] == [
        ("memory", 1.0, 1), ("memory", 3.0, 2), ("memory", 4.0, 3), ("memory", 6.0, 4), ("memory", 6.0, None),
        ("memory_growth", 1.5, None),
    ]  # fmt: skip
    assert [f.metric for f in memory_figures([5])] == ["memory", "memory"]
    assert {f.unit for f in figures} == {"MB"}
