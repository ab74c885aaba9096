"""Stable Diffusion XL: two text encoders side by side, and a U-Net that is told the image's size and the whole prompt.

A custom token has an embedding in each encoder. Images are said to be of the model's own size, and not cropped, in
training as in sampling: that is what they are here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from harness.backbones.families.family import Family
from harness.backbones.text import Reader, Text, side_by_side


class StableDiffusionXL(Family):
    """Podell et al. (2023, arXiv 2307.01952)."""

    def read(self, readers: Sequence[Reader], prompts: Sequence[str]) -> Text:
        """The features before each encoder's last layer, side by side; the second one's of the whole prompt."""
        features, (_, second) = side_by_side(readers, prompts)
        return Text(features, pooled=second)

    def without_prompt(self, readers: Sequence[Reader]) -> Text:
        """Zeros, where the pipeline says so, as Stable Diffusion XL's does."""
        found = super().without_prompt(readers)
        return found.zeros() if self.empty_is_zero else found

    def denoise(self, denoiser: nn.Module, noisy: Tensor, times: Tensor, text: Text) -> Tensor:
        """See `Family.denoise`."""
        side = self.resolution
        size = torch.tensor([side, side, 0, 0, side, side], device=noisy.device)  # original, crop, target
        told = {"text_embeds": text.pooled, "time_ids": size.to(noisy.dtype).expand(len(noisy), -1)}
        predicted: Tensor = denoiser(noisy, times, text.features, added_cond_kwargs=told).sample
        return predicted
