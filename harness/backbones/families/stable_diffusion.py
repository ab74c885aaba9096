"""Stable Diffusion 1.x and 2.x: one text encoder, whose last features a U-Net attends to."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from harness.backbones.families.family import Family
from harness.backbones.text import Reader, Text


class StableDiffusion(Family):
    """Rombach et al. (2022, arXiv 2112.10752)."""

    def read(self, readers: Sequence[Reader], prompts: Sequence[str]) -> Text:
        """See `Family.read`."""
        (reader,) = readers
        return Text(reader.encode(reader.ids(prompts)[0])[0])

    def denoise(self, denoiser: nn.Module, noisy: Tensor, times: Tensor, text: Text) -> Tensor:
        """See `Family.denoise`."""
        predicted: Tensor = denoiser(noisy, times, text.features).sample
        return predicted
