"""What a family of text-to-image models must say of itself, so that every method runs on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from harness.backbones.adapters import cross_attention
from harness.backbones.layouts import PIPELINES
from harness.backbones.noise import Diffusion, NoiseSchedule
from harness.backbones.text import Reader, Text
from harness.errors import UsageError


class Family(ABC):
    """One family: how prompts are read, what is adapted, how noise is predicted, and how its pipeline is asked.

    Attributes:
        settings: The denoiser's configuration.
    """

    def __init__(
        self, pipeline: str, settings: Mapping[str, Any], resolution: int, *, empty_is_zero: bool = False
    ) -> None:
        """Of one model.

        Args:
            pipeline: The class of its pipeline in diffusers. settings: See the class.
            resolution: Pixels along each side.
            empty_is_zero: Whether guidance is away from zeros, by the pipeline's word, and not from an empty prompt.
        """
        self.pipeline, self.settings, self.resolution = pipeline, settings, resolution
        self.empty_is_zero = empty_is_zero

    @property
    def shares_text(self) -> bool:
        """Whether all that is adapted is given the same features of a prompt, in every layer, at any time.

        It is what methods that solve for keys and values ask.
        """
        return not PIPELINES[self.pipeline].unshared

    def lengths(self, tokenizers: Sequence[Any]) -> list[int]:
        """How many tokens each text encoder reads."""
        return [int(tokenizer.model_max_length) for tokenizer in tokenizers]

    def projections(self, denoiser: nn.Module) -> dict[str, nn.Linear]:
        """What is adapted, by name: the keys and values of the text.

        Raises:
            UsageError: the denoiser has none.
        """
        found = cross_attention(denoiser)
        if not found:
            noun = PIPELINES[self.pipeline].noun
            raise UsageError(f"The backbone's {noun} has no cross-attention (attn2.to_k, attn2.to_v); use another one.")
        return found

    @abstractmethod
    def read(self, readers: Sequence[Reader], prompts: Sequence[str]) -> Text:
        """What the denoiser is shown of prompts."""

    def without_prompt(self, readers: Sequence[Reader]) -> Text:
        """What guidance is away from, of one row."""
        return self.read(readers, [""])

    def noise_schedule(self, scheduler: Any) -> NoiseSchedule:
        """How noise is added, by the pipeline's scheduler."""
        return Diffusion(scheduler)

    @abstractmethod
    def denoise(self, denoiser: nn.Module, noisy: Tensor, times: Tensor, text: Text) -> Tensor:
        """What the denoiser predicts for (b, c, h, w) latents, the same shape.

        Args:
            times: (b,), as `NoiseSchedule.told` has them.
        """

    def asked(self, text: Text, empty: Text) -> dict[str, Any]:
        """The arguments by which the family's pipeline takes text and what guidance is away from, row by row."""
        found = {"prompt_embeds": text.features, "negative_prompt_embeds": empty.features}
        if text.pooled is None or empty.pooled is None:
            return found
        return {**found, "pooled_prompt_embeds": text.pooled, "negative_pooled_prompt_embeds": empty.pooled}

    def shared_features(self, denoiser: nn.Module, text: Text) -> Tensor:
        """(n, length, dim): what all that is adapted is given of a text.

        Raises:
            UsageError: it is not the same everywhere.
        """
        return text.features
