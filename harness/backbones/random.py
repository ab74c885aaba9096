"""Random numbers on a device, from a generator on the CPU whose state a checkpoint keeps."""

from __future__ import annotations

import torch
from torch import Tensor


def uniform(shape: torch.Size, device: torch.device, generator: torch.Generator) -> Tensor:
    """U[0, 1), float32. On the CPU these are `generator`'s own numbers, the same on every machine.

    Elsewhere `generator` (on the CPU) gives one number, which seeds the device's: masks take two numbers for every
    entry of the projections, 38 million a step on Stable Diffusion, too many to be drawn here and moved.
    """
    if device.type == "cpu":
        return torch.rand(shape, generator=generator)
    if device.type == "meta":  # there only sizes are of interest
        return torch.empty(shape, device=device)
    return torch.rand(shape, generator=seeded_by(generator, device), device=device)


def seeded_by(generator: torch.Generator, device: torch.device) -> torch.Generator:
    """A generator on `device`, seeded by the next draw of `generator`."""
    seed = int(torch.randint(2**63 - 1, (), generator=generator))
    return torch.Generator(device).manual_seed(seed)
