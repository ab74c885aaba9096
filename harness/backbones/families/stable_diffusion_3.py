"""Stable Diffusion 3 and 3.5: a rectified flow, in a transformer where text and image attend to each other.

Two CLIP encoders' features stand side by side, T5's behind them along the prompt; T5 may be absent, and its features
are zeros then. What is adapted are the keys and values of the text's own stream, which changes from layer to layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from harness.backbones.families.family import Family
from harness.backbones.layouts import PIPELINES, T5_LENGTHS
from harness.backbones.noise import NoiseSchedule, RectifiedFlow
from harness.backbones.text import Reader, Text, side_by_side
from harness.errors import UsageError

CLIPS = 2


class StableDiffusion3(Family):
    """Esser et al. (2024, arXiv 2403.03206)."""

    def lengths(self, tokenizers: Sequence[Any]) -> list[int]:
        """The first tokenizer's for both CLIP encoders, as the pipeline has it."""
        clip = int(tokenizers[0].model_max_length)
        return [clip, clip, T5_LENGTHS[self.pipeline]][: len(tokenizers)]

    def projections(self, denoiser: nn.Module) -> dict[str, nn.Linear]:
        """Joint attention's keys and values of the text."""
        return {
            name: module for name, module in denoiser.named_modules()
            if name.endswith(("attn.add_k_proj", "attn.add_v_proj")) and isinstance(module, nn.Linear)
        }  # fmt: skip

    def read(self, readers: Sequence[Reader], prompts: Sequence[str]) -> Text:
        """See the module."""
        clip, wholes = side_by_side(readers[:CLIPS], prompts)
        width = int(self.settings["joint_attention_dim"])
        clip = pad(clip, (0, width - clip.shape[-1]))
        if len(readers) > CLIPS:
            t5 = readers[CLIPS].encode(readers[CLIPS].ids(prompts)[0])[0]
        else:
            t5 = clip.new_zeros(len(prompts), T5_LENGTHS[self.pipeline], width)
        return Text(torch.cat([clip, t5.to(clip)], dim=1), pooled=torch.cat(wholes, dim=-1))

    def noise_schedule(self, scheduler: Any) -> NoiseSchedule:
        """See `Family.noise_schedule`."""
        return RectifiedFlow(scheduler)

    def denoise(self, denoiser: nn.Module, noisy: Tensor, times: Tensor, text: Text) -> Tensor:
        """The velocity."""
        predicted: Tensor = denoiser(
            hidden_states=noisy, timestep=times, encoder_hidden_states=text.features, pooled_projections=text.pooled
        ).sample
        return predicted

    def shared_features(self, denoiser: nn.Module, text: Text) -> Tensor:
        """There are none."""
        raise UsageError(
            f"In {self.pipeline} {PIPELINES[self.pipeline].unshared}, so that no features are those that all "
            "projections are given; ask the model's shares_text first."
        )
