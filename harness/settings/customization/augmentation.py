"""Custom Diffusion's augmentation: a concept seen from afar or close up, and the words for it (Kumari et al., 2023).

As in adobe-research/custom-diffusion, src/finetune_data.py, lines 213-256. What is drawn here decides what trainings
give, and no method's source hash counts this file: a change raises the version of the `train` step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from harness.method import Batch
from harness.prompts import FAR, NEAR

if TYPE_CHECKING:
    from harness.settings.customization.task_data import Lesson

SMALL = 0.6  # below this scale the image is pasted on a grey canvas
GREY = 0.5


def augmented(lesson: Lesson, size: int, generator: torch.Generator) -> Batch:
    """`size` of the task's images, drawn with replacement, each rescaled anew, with its prompt and loss mask.

    The images are encoded at every step: latents of other scales cannot be cached. All of it happens on the model's
    device.
    """
    chosen = torch.randint(len(lesson.images), (size,), generator=generator)
    cells = lesson.latents.mean.shape[-1]
    drawn = [rescale(lesson.pixels[index], cells, generator) for index in chosen.tolist()]
    encoded = lesson.model.posterior(torch.stack([image for image, _, _ in drawn]))
    latents = encoded.draw(torch.arange(size), generator)
    masks = torch.stack([mask for _, mask, _ in drawn])[:, None]
    prompts = tuple(prefix + lesson.prompt.removeprefix("a ") for _, _, prefix in drawn)
    return Batch(latents, prompts, mask=masks.to(latents))


def rescale(image: Tensor, cells: int, generator: torch.Generator) -> tuple[Tensor, Tensor, str]:
    """One image at a random scale, flipped half of the time.

    With probability 2/3 the scale is uniform in [1/3, 1], else in [1.2, 1.4]. Below 0.6 the image is pasted at a random
    place on a grey canvas, "a far away ..."; above 1 it is cropped, "a zoomed in ..."; in between it stays as it is.

    Args:
        image: (3, size, size) uint8, on any device. cells: side of its latent. generator: on the CPU.

    Returns:
        (3, size, size) uint8; the (cells, cells) mask of latent cells that show the image alone, on the CPU; the
        prompt's start.
    """
    if torch.rand((), generator=generator) < 0.5:
        image = image.flip(2)
    draw = float(torch.rand((), generator=generator))
    scale = 1 / 3 + draw * 2 / 3 if torch.rand((), generator=generator) < 2 / 3 else 1.2 + 0.2 * draw
    words = int(torch.randint(2, (), generator=generator))
    places = torch.rand(2, generator=generator)
    size = image.shape[-1]
    everywhere = torch.ones(cells, cells)
    if SMALL <= scale <= 1:
        return image, everywhere, "a "
    side = round(scale * size)
    resized = interpolate(image[None] / 255, (side, side), mode="bilinear", antialias=True)[0]
    top, left = (int(place) for place in (places * (abs(size - side) + 1)).floor())
    if scale > 1:
        return _uint8(resized[:, top : top + size, left : left + size]), everywhere, NEAR[words]
    canvas = torch.full((3, size, size), GREY, device=image.device)
    canvas[:, top : top + side, left : left + side] = resized
    return _uint8(canvas), _inside(top, left, side, size // cells, cells), FAR[words]


def _inside(top: int, left: int, side: int, factor: int, cells: int) -> Tensor:
    """Latent cells that lie wholly in the pasted square, one cell in from its border where that leaves any.

    Where the square holds no whole cell it is the cell at its middle.
    """
    rows, columns = (range(-(-start // factor), (start + side) // factor) for start in (top, left))
    mask = torch.zeros(cells, cells)
    for inset in (1, 0):
        mask[rows.start + inset : rows.stop - inset, columns.start + inset : columns.stop - inset] = 1
        if mask.any():
            return mask
    mask[(top + side // 2) // factor, (left + side // 2) // factor] = 1
    return mask


def _uint8(pixels: Tensor) -> Tensor:
    return (pixels.clamp(0, 1) * 255).round().to(torch.uint8)
