"""Images that a method keeps without saying so: no comparison with methods that keep none would be told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from harness.method import Method

FAR = 6.0  # standard deviations of the encoder's noise: what lies within them everywhere is a draw of that image
FINE = 0.01  # of the variance of latents, up to which that noise tells images apart
LEVEL = 1.0  # of 255, by which an image that was kept as numbers may differ


def kept_notes(method: Method[Any], memory: Mapping[str, Tensor], lesson: Any) -> list[str]:
    """A sentence if what `end_task` returned holds some of the task's images, as such or as latents.

    Args:
        memory: What it returned. lesson: what was taught.
    """
    if method.keeps_data:
        return []
    for name, tensor in memory.items():
        for what, found in ((each, count(tensor)) for each, count in _looks(lesson)):
            if found:
                return [
                    f"'{name}' that end_task() leaves holds {found} of the task's images ({what}), against the rule "
                    "that no data are kept, and no table says so; name what is kept in the class, keeps_data = '...'"
                ]
    return []


def _looks(lesson: Any) -> Iterator[tuple[str, Callable[[Tensor], int]]]:
    latents, images = getattr(lesson, "latents", None), getattr(lesson, "images", None)
    mean, spread = getattr(latents, "mean", None), getattr(latents, "spread", None)
    if isinstance(mean, Tensor):
        known = mean.detach().cpu().float()
        noise = spread.detach().cpu().float() if isinstance(spread, Tensor) else torch.zeros(())
        far = FAR * noise if float(noise.square().mean()) < FINE * float(known.var()) else torch.zeros(())
        yield "latents", lambda tensor: _of(tensor, known, far + 1e-4)
    if images is not None and getattr(images, "ndim", 0) == 4:
        shown = torch.as_tensor(images).float()
        yield "images", lambda tensor: max(_of(each, shown, torch.tensor(LEVEL)) for each in _as_bytes(tensor))


def _as_bytes(tensor: Tensor) -> Iterator[Tensor]:
    """What a tensor may be as (n, h, w, 3) of 0 to 255: values so, in [0, 1] or [-1, 1], channels first or last."""
    numbers = tensor.float()
    for each in (numbers, numbers.movedim(-3, -1) if numbers.dim() > 2 else numbers):
        if each.dim() > 2 and each.shape[-1] == 3:
            yield each
            yield from () if tensor.dtype is torch.uint8 else (255 * each, 127.5 * (each + 1))
    yield torch.zeros(0)


def _of(tensor: Tensor, known: Tensor, far: Tensor) -> int:
    """How many of some examples are in a tensor, each entry no further off than `far`."""
    shape = known.shape[1:]
    fits = tensor.shape[-len(shape) :] == shape or tensor.shape[-1:] == (shape.numel(),)
    if not tensor.is_floating_point() or not tensor.numel() or not fits:
        return 0
    rows = tensor.detach().cpu().float().reshape(-1, *shape)
    limits = far.expand_as(known)
    near = [((rows - each).abs() <= limit).flatten(1).all(dim=1) for each, limit in zip(known, limits, strict=True)]
    return sum(bool(each.any()) for each in near)
