"""Images as the VAE's encoder gives them, kept so that no image is encoded twice."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Posterior:
    """q(z | x) of n images, in the U-Net's scale: independent normal distributions, or points without `spread`.

    mean: (n, c, h, w) float32. spread: standard deviations, same shape; None if the VAE gives none (AutoencoderTiny).
    """

    mean: Tensor
    spread: Tensor | None = None
    drawn: set[int] = field(default_factory=set, compare=False, repr=False)  # numbers of the images drawn so far

    def __len__(self) -> int:
        return len(self.mean)

    def draw(self, chosen: Tensor, generator: torch.Generator) -> Tensor:
        """(b, c, h, w) latents of the images numbered `chosen`, (b,) on the CPU, each drawn anew.

        Training on draws, as encoding at every step would give, is what the scripts of the baselines do.
        """
        self.drawn.update(chosen.tolist())
        rows = chosen.to(self.mean.device)
        mean = self.mean[rows]
        if self.spread is None:
            return mean
        return mean + self.spread[rows] * torch.randn(mean.shape, generator=generator).to(mean)
