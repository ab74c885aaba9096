"""What a plugin's own batches may get wrong about class images: that their prompt is of another category."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from harness.method import Batch
from harness.prompts import class_prompt

if TYPE_CHECKING:
    from harness.settings.customization.task_data import Lesson

NEAR = 0.5  # of the distance to the task's own latents: nearer than that, latents are draws of a class image


def other_class_notes(hook: str, batch: Batch, lesson: Lesson) -> list[str]:
    """A sentence if class images, which `lesson.prior` has, are under a prompt that does not name their category.

    A prompt with a custom token is told elsewhere, and an empty one is meant so.
    """
    given = batch.latents.detach().float()
    if lesson.prior is None or given.shape[1:] != lesson.prior.mean.shape[1:]:
        return []
    prompts = batch.prompts if len(batch.prompts) == len(given) else batch.prompts * len(given)
    far = [torch.cdist(given.flatten(1), each.mean.to(given).flatten(1)).amin(1) for each in
           (lesson.prior, lesson.latents)]  # fmt: skip
    for prompt, is_class in zip(prompts, (far[0] < NEAR * far[1]).tolist(), strict=True):
        if is_class and prompt.strip() and "<" not in prompt and lesson.category.lower() not in prompt.lower():
            return [
                f"{hook} gives class images of lesson.prior, drawn as '{class_prompt(lesson.category)}', under "
                f"'{prompt}': tasks have categories of their own; make the prompt of lesson.category"
            ]
    return []
