"""Small checkpoints with random weights, of the same classes as the real ones, made once a session."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.spec import Sampling, Tier


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `sd` (a Stable Diffusion folder, 16 px) and `clip` (an open_clip folder), random weights."""
    from diffusers import AutoencoderTiny, UNet2DConditionModel
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    from benchmarks.mini.pretrain.clip import clip_config
    from benchmarks.mini.pretrain.convert import save_clip, save_pipeline
    from benchmarks.mini.pretrain.tokenizer import build_tokenizer

    folder = tmp_path_factory.mktemp("models")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokenizer = build_tokenizer(folder / "tokenizer")
        config = clip_config(tokenizer)
        clip = CLIP(256, CLIPVisionCfg(**config["vision_cfg"]), CLIPTextCfg(**config["text_cfg"])).eval()
        vae = AutoencoderTiny(
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            num_encoder_blocks=(1, 1),
            num_decoder_blocks=(1, 1),
            latent_channels=4,
        )
        unet = UNet2DConditionModel(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            block_out_channels=(16, 32),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=128,
            attention_head_dim=8,
            norm_num_groups=8,
        )
    save_clip(clip, tokenizer, folder / "clip")
    save_pipeline(clip, tokenizer, vae, unet, folder / "sd")
    return folder


@pytest.fixture
def tiny_tier(tiny_models: Path) -> Tier:
    """A tier on the tiny models: 3 sampling steps, 4 images."""
    return Tier(
        name="mini",
        summary="tiny random models",
        backbone=str(tiny_models / "sd"),
        extractor=str(tiny_models / "clip"),
        resolution=16,
        device="cpu",
        sampling=Sampling(images=4, steps=3, guidance_scale=2.0, eta=0.0, batch_size=4),
    )
