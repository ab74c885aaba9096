"""Prior preservation: class images of the pre-trained model beside the concept's own (Kumari et al., 2023).

As in adobe-research/custom-diffusion, src/diffusers_training.py, lines 978-991. No method's source hash counts this
file: a change of what it gives raises the version of the `train` step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from harness.method import Batch
from harness.prompts import class_prompt

if TYPE_CHECKING:
    from harness.settings.customization.task_data import Lesson


def with_prior(own: Batch, lesson: Lesson, weight: float, generator: torch.Generator) -> Batch:
    """As many class images, under 'a photo of a X', as there are own ones: L_SD(own) + weight L_SD(class).

    Raises:
        ValueError: the lesson has no class images.
    """
    if lesson.prior is None:
        raise ValueError("the lesson has no class images; Method.prior_images asks for them")
    count = len(own.latents)
    chosen = torch.randint(len(lesson.prior), (count,), generator=generator)
    prompts = own.prompts if len(own.prompts) == count else own.prompts * count
    mask = own.mask
    if mask is not None:
        mask = torch.cat([mask, torch.ones_like(mask)])
    return Batch(
        torch.cat([own.latents, lesson.prior.draw(chosen, generator)]),
        (*prompts, *[class_prompt(lesson.category)] * count),
        mask=mask,
        share=torch.tensor([1 / count] * count + [weight / count] * count),
    )
