"""What a method's own batches may get wrong without any error: the latents' scale, and images that hang together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from harness.method import Batch, Method

if TYPE_CHECKING:
    from harness.settings.customization.task_data import Lesson

SCALES = (0.5, 2.0)  # of a batch's spread to that of all the task's latents: beyond, they are hardly the same scale


def latent_notes(method: Method[Any], batch: Batch, lesson: Lesson) -> list[str]:
    """A sentence if a batch's latents are hardly the lesson's, which the U-Net was trained on."""
    hook, given, known = f"{type(method).__name__}.batch()", batch.latents.detach().float(), lesson.latents.mean.float()
    if given.shape[1:] != known.shape[1:] or len(known) < 2:
        return []
    spread, usual = float(given.std()), float(known.std())
    remedy = "give what lesson.latents.draw() gives, or what is made of it at the same scale"
    if not SCALES[0] * usual <= spread <= SCALES[1] * usual:
        return [
            f"{hook} gives latents with a standard deviation of {spread:.3g}, the lesson's have {usual:.3g}: {remedy}"
        ]
    centred = [len(given) > 1 and _zero(given.mean(0), spread), _zero(given.mean((2, 3)), spread)]
    usually = [_zero(known.mean(0), usual), _zero(known.mean((2, 3)), usual)]
    for what, now, before in zip(("over the batch", "of each example's channels"), centred, usually, strict=True):
        if now and not before:
            return [f"{hook} gives latents whose mean {what} is 0, which the lesson's is not: {remedy}"]
    return []


def company_notes(method: Method[Any], among: torch.Tensor, alone: torch.Tensor) -> list[str]:
    """A sentence if an image's logits, (classes,), hang on which other images are looked at with it."""
    if torch.allclose(among.float(), alone.float(), rtol=0, atol=0.02 * float(alone.float().std()) + 1e-6):
        return []
    return [
        f"the prompt that {type(method).__name__}.recall() gives answers otherwise for an image alone than for "
        "the same image among others, so that accuracies hang on the batch; let each answer be a function of one image"
    ]


def _zero(means: torch.Tensor, spread: float) -> bool:
    return float(means.abs().max()) < 1e-3 * spread
