"""Two tasks of one method, trained again and again with other options: what `stamina-bench calibrate` measures on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from harness.backbones.pipeline_files import check_pipeline
from harness.backbones.precision import DTYPES
from harness.backbones.text_to_image import TextToImage
from harness.method import Method
from harness.plugins.method_checks import made
from harness.seeds import derive_seed
from harness.settings.base import Rehearsed
from harness.settings.customization.task_data import Lesson
from harness.settings.customization.training import train_task
from harness.spec import Task

EXAMPLES = 64  # (image, time, noise), the same for all trainings of a task, that the denoising loss is a mean of


class Rehearsal:
    """A backbone and two tasks. Class images are left out: they take minutes, and are no part of what is weighed."""

    def __init__(
        self, plugin: type[Method[Any]], tasks: Sequence[Task], folder: Path, name: str, *, device: str, dtype: str,
        seed: int,
    ) -> None:  # fmt: skip
        """Load the backbone.

        Args:
            plugin: The method. tasks: two. folder: the backbone's, of that name.
            device: 'cpu' or 'cuda:0'. dtype: of all that is frozen. seed: of all draws.
        """
        self.plugin, self.tasks, self.seed = plugin, tasks, seed
        self.resolution = check_pipeline(folder, name)
        self.model = TextToImage.load(str(folder), torch.device(device), DTYPES[dtype])
        self._learnt: dict[int, tuple[Any, dict[str, torch.Tensor], Mapping[str, torch.Tensor]]] = {}

    def teach(self, number: int, options: Any, before: Any, draw: int = 0) -> Rehearsed:
        """Train task 1 from the pre-trained weights, or task 2 from what task 1 left under the options `before`.

        draw: which images, times and noise both tasks are trained with.
        """
        if number == 1:
            self._reset()
            return self._train(1, options, {}, draw)[0]
        if draw not in self._learnt or self._learnt[draw][0] != before:
            self._reset()
            _, memory = self._train(1, before, {}, draw)
            self._learnt[draw] = (before, self.model.weights(), memory)
        _, weights, memory = self._learnt[draw]
        self.model.load_weights(weights)
        return self._train(2, options, memory, draw)[0]

    def _reset(self) -> None:
        self.model.adapt(self.plugin.adapts)
        self.model.load_weights(self.model.initial)

    def _train(
        self, number: int, options: Any, memory: Mapping[str, torch.Tensor], draw: int
    ) -> tuple[Rehearsed, Mapping[str, torch.Tensor]]:
        task = self.tasks[number - 1]
        if "prior_images" in type(options).model_fields:
            options = options.model_copy(update={"prior_images": 0})
        method = made(self.plugin, options)
        method.memory, method.task_index = memory, number
        images = task.images.load(self.resolution)
        lesson = Lesson(
            self.model, images, self.model.posterior(images), task.token, task.category, options.category_word
        )
        seed = derive_seed(self.seed, "again", draw) if draw else self.seed
        done = train_task(method, lesson, seed, f"{task.category} {number}")
        draws = torch.Generator().manual_seed(derive_seed(self.seed, "calibrate", number))
        with torch.no_grad():
            sizes = [options.batch_size] * max(1, EXAMPLES // options.batch_size)
            losses = [lesson.loss(lesson.plain(size, draws), draws) for size in sizes]
        last = {name: value for name, value in done.losses[-1].items() if name not in ("step", "sd")}
        return Rehearsed(float(torch.stack(losses).mean()), last), done.memory
