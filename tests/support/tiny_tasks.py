"""Tasks of random images on the tiny checkpoint, taught by any registered method as a run would teach them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness import registry
from harness.backbones.adapters import Adapter, by_name
from harness.backbones.text_to_image import TextToImage
from harness.method import Method
from harness.settings.customization.task_data import Lesson
from harness.settings.customization.training import TrainedTask, train_task

CONCEPTS = (("<v1>", "person"), ("<v2>", "waterfall"))
# short and violent: what must not move is to be pushed hard
CHANGES: Mapping[str, Any] = {
    "steps": 4, "batch_size": 2, "learning_rate": 0.05, "token_learning_rate": 0.05, "weight_decay": 0.1,
    "prior_images": 2, "fisher_samples": 4, "ridge": 1e-6,
}  # fmt: skip


def tiny_model(folder: Path) -> TextToImage:
    """The tiny checkpoint, with a final layer norm that leaves no text dimension empty, as a trained one's does.

    An untrained norm has no bias: the entries of its features sum to 0, and the closed-form merge needs them to span.
    """
    model = TextToImage.load(str(folder / "sd"), torch.device("cpu"))
    norm = next(m for name, m in model.text_encoders[0].named_modules() if name.endswith("final_layer_norm"))
    with torch.no_grad():
        norm.bias.copy_(0.1 * torch.randn(model.token_dim, generator=torch.Generator().manual_seed(0)))
    return model


@dataclass
class Taught:
    """What one task left.

    before: W_{t-1} that it started from. adapters: as trained, off the model again. folded: W_t by the adapters alone.
    weights: W_t that the task ends with, after a merge if the method has one.
    """

    done: TrainedTask
    prompt: str
    before: dict[str, Tensor]
    adapters: dict[str, Adapter]
    folded: dict[str, Tensor]
    weights: dict[str, Tensor]


class Course:
    """One method's tasks, one after another, at the paper tier's options with `CHANGES`."""

    def __init__(self, name: str, model: TextToImage, **changes: Any) -> None:
        self.plugin: type[Method[Any]] = registry.methods().get(name)
        fields = self.plugin.options_class.model_fields
        self.options = self.plugin.options_class.for_tier(
            "paper", {key: value for key, value in {**CHANGES, **changes}.items() if key in fields}
        )
        self.model = model
        model.adapt(self.plugin.adapts)
        self.memory: Mapping[str, Tensor] = {}  # the last task's, or the last merge's
        self.taught: list[Taught] = []

    def teach(self) -> Taught:
        """The next task."""
        number = len(self.taught)
        token, category = CONCEPTS[number]
        model = self.model
        method = self.plugin(self.options)
        learner = method
        if self.plugin.base_method is not None:
            other: type[Method[Any]] = registry.methods().get(self.plugin.base_method)
            values = self.options.model_dump()
            learner = other(other.options_class(**{k: values[k] for k in other.options_class.model_fields}))
        # a test's method may begin at a later place
        method.memory, method.task_index = self.memory, max(method.task_index, number + 1)
        if learner.independent:
            learner.task_index = 1
            model.load_weights(model.initial)
        before = model.weights()
        draw = np.random.default_rng(number)
        images, prior = (draw.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8) for _ in range(2))
        lesson = Lesson(
            model, images, model.posterior(images), token, category, self.options.category_word,
            prior=model.posterior(prior) if learner.prior_images() else None,
        )  # fmt: skip
        with _adapters_kept(model) as adapters:
            done = train_task(learner, lesson, 0, f"concept {number}")
        folded = weights = model.weights()
        if learner is method:
            self.memory = done.memory
        else:
            model.load_weights(model.initial)
            merged, self.memory = method.merge(model, folded, token, category)
            model.load_weights(merged)
            weights = model.weights()
        self.taught.append(Taught(done, lesson.prompt, before, adapters, folded, weights))
        return self.taught[-1]


@contextmanager
def _adapters_kept(model: TextToImage) -> Iterator[dict[str, Adapter]]:
    """Remember the adapters that the next `fold` removes."""
    kept: dict[str, Adapter] = {}
    fold = model.fold

    def keep_and_fold() -> None:
        kept.update(by_name(model.projections))
        fold()

    model.fold = keep_and_fold  # type: ignore[method-assign]
    try:
        yield kept
    finally:
        del model.fold


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two sets of tensors are equal bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
