"""The paper tier: Stable Diffusion 1.4 at 512 px, CLIP ViT-B/32 features, a GPU."""

from __future__ import annotations

from harness.spec import Sampling, Tier

PAPER = Tier(
    name="paper",
    summary="Stable Diffusion 1.4, 512 px, a GPU",
    backbone="sd-1.4",
    extractor="ViT-B-32-quickgelu/openai",
    resolution=512,
    device="auto",
    dtype="bfloat16",
    sampling=Sampling(images=50, steps=200, guidance_scale=6.0, eta=1.0, batch_size=10),
    classifier="timm/vit_base_patch16_224.augreg_in21k_ft_in1k",
)
