"""Small checkpoints with random weights, of the same classes as the real ones."""

from __future__ import annotations

from pathlib import Path

import torch


def make_tiny_models(folder: Path) -> Path:
    """Fill a folder with `sd` (a Stable Diffusion folder, 16 px) and `clip` (an open_clip folder)."""
    from diffusers import AutoencoderTiny, UNet2DConditionModel
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    from benchmarks.mini.pretrain.clip import clip_config
    from benchmarks.mini.pretrain.convert import save_clip, save_pipeline
    from benchmarks.mini.pretrain.tokenizer import build_tokenizer

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
