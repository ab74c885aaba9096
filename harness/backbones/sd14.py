"""The true architecture of Stable Diffusion's U-Nets, on the meta device: to count parameters without weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from harness.backbones.adapters import cross_attention
from harness.backbones.architecture import UNET


class Architecture:
    """An `Adaptable` without weights: what a method attaches to it can be counted, nothing can be run."""

    def __init__(self, unet: nn.Module, token_dim: int) -> None:
        self.unet = unet
        self.projections = cross_attention(unet)
        self.shapes = {name: projection.weight.shape for name, projection in self.projections.items()}
        self.token_dim = token_dim

    def change(self, name: str) -> Tensor:
        """A tensor of the projection's shape, without content."""
        return torch.empty(self.shapes[name], device="meta")

    def token_start(self, kind: str) -> Tensor:
        """Zeros, (token_dim,)."""
        return torch.zeros(self.token_dim)

    def token_scale(self) -> float:
        """The scale of a token embedding (irrelevant to a count)."""
        return 1.0


def sd14() -> Architecture:
    """Stable Diffusion 1.4: 859,520,964 parameters, 32 K/V matrices with 19,169,280 entries."""
    return architecture({})


def architecture(changes: Mapping[str, Any]) -> Architecture:
    """A U-Net with these changes from Stable Diffusion 1.4's configuration."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel(**{**UNET, **changes})
    return Architecture(unet, token_dim=int({**UNET, **changes}["cross_attention_dim"]))
