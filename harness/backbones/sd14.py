"""The true architecture of Stable Diffusion 1.4's U-Net, on the meta device: to count parameters without weights."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn

UNET: Final[dict[str, Any]] = {
    "act_fn": "silu", "attention_head_dim": 8, "block_out_channels": (320, 640, 1280, 1280),
    "center_input_sample": False,
    "cross_attention_dim": 768, "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "downsample_padding": 1, "flip_sin_to_cos": True, "freq_shift": 0, "in_channels": 4, "layers_per_block": 2,
    "mid_block_scale_factor": 1, "norm_eps": 1e-5, "norm_num_groups": 32, "out_channels": 4, "sample_size": 64,
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
}  # fmt: skip


class Architecture:
    """An `Adaptable` without weights: what a method attaches to it can be counted, nothing can be run."""

    def __init__(self, unet: nn.Module, token_dim: int) -> None:
        from harness.backbones.text_to_image import ADAPTED

        self.unet = unet
        self.projections: dict[str, nn.Linear] = {
            name: module
            for name, module in unet.named_modules()
            if name.endswith(ADAPTED) and isinstance(module, nn.Linear)
        }
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
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel(**UNET)
    return Architecture(unet, token_dim=768)
