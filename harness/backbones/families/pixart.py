"""PixArt-alpha and PixArt-Sigma: T5's features, with a mask, in the cross-attention of a transformer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from harness.backbones.families.family import Family
from harness.backbones.layouts import PIPELINES, T5_LENGTHS
from harness.backbones.text import Reader, Text

TOLD_SIZE = 128  # of a latent's side: only alpha's model of 1024 px is told the image's size


class PixArt(Family):
    """Chen et al. (2023, arXiv 2310.00426; 2024, arXiv 2403.04692)."""

    def lengths(self, tokenizers: Sequence[Any]) -> list[int]:
        """What each pipeline reads, whatever the tokenizer says: T5's names no length."""
        return [T5_LENGTHS[self.pipeline]]

    def read(self, readers: Sequence[Reader], prompts: Sequence[str]) -> Text:
        """Prompts in lower case, as the pipelines clean them."""
        (reader,) = readers
        ids, mask = reader.ids([PIPELINES[self.pipeline].as_read(prompt) for prompt in prompts])
        return Text(reader.encode(ids, attention_mask=mask)[0], mask=mask)

    def denoise(self, denoiser: nn.Module, noisy: Tensor, times: Tensor, text: Text) -> Tensor:
        """The noise; of a model that gives its variance, too, without that."""
        size: dict[str, Tensor | None] = {"resolution": None, "aspect_ratio": None}
        if self.settings["sample_size"] == TOLD_SIZE and self.settings.get("use_additional_conditions") is not False:
            rows = torch.ones(len(noisy), 2, device=noisy.device, dtype=noisy.dtype)
            size = {"resolution": float(self.resolution) * rows, "aspect_ratio": rows[:, :1]}
        predicted: Tensor = denoiser(
            noisy, encoder_hidden_states=text.features, encoder_attention_mask=text.mask, timestep=times,
            added_cond_kwargs=size,
        ).sample  # fmt: skip
        return predicted[:, : noisy.shape[1]]

    def asked(self, text: Text, empty: Text) -> dict[str, Any]:
        """See `Family.asked`."""
        return {
            "prompt_embeds": text.features, "prompt_attention_mask": text.mask, "negative_prompt": None,
            "negative_prompt_embeds": empty.features, "negative_prompt_attention_mask": empty.mask,
            "use_resolution_binning": False,
        }  # fmt: skip

    def shared_features(self, denoiser: nn.Module, text: Text) -> Tensor:
        """T5's features as the transformer first projects them, once for all its layers."""
        projected: Tensor = denoiser.caption_projection(text.features)  # type: ignore[operator]
        return projected
