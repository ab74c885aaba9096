"""Stable Diffusion 1.4's architecture with random weights, in full or scaled down, made on the device itself."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from harness.backbones.known_configurations import UNET

VAE: dict[str, Any] = {
    "act_fn": "silu", "block_out_channels": (128, 256, 512, 512), "down_block_types": ("DownEncoderBlock2D",) * 4,
    "in_channels": 3, "latent_channels": 4, "layers_per_block": 2, "norm_num_groups": 32, "out_channels": 3,
    "scaling_factor": 0.18215, "up_block_types": ("UpDecoderBlock2D",) * 4,
}  # fmt: skip
TEXT: dict[str, Any] = {
    "hidden_act": "quick_gelu", "hidden_size": 768, "intermediate_size": 3072, "layer_norm_eps": 1e-5,
    "num_attention_heads": 12, "num_hidden_layers": 12, "projection_dim": 768,
}  # fmt: skip


def clip_tokenizer() -> CLIPTokenizer:
    """CLIP's own vocabulary, 49,408 tokens, from the open_clip package; 77 tokens a prompt."""
    from open_clip.tokenizer import SimpleTokenizer

    ours = SimpleTokenizer()
    marks = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {marks.get(token, token): number for token, number in ours.encoder.items()}
    return CLIPTokenizer(vocab=vocabulary, merges=list(ours.bpe_ranks), model_max_length=77)


def sd14_pipeline(
    tokenizer: CLIPTokenizer, device: torch.device, dtype: torch.dtype, *, size: int = 512, narrower: int = 1
) -> StableDiffusionPipeline:
    """Random weights; every width divided by `narrower`, 1, 2, 4 or 8, so that the VAE's share of the work stays.

    Args:
        size: pixels along each side. The text encoder loses layers besides width, for it does not shrink with `size`.
    """

    def widths(full: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(width // narrower for width in full)

    text_width = TEXT["hidden_size"] // narrower
    unet = {
        **UNET, "block_out_channels": widths(UNET["block_out_channels"]), "norm_num_groups": 32 // narrower,
        "cross_attention_dim": text_width, "sample_size": size // 8,
    }  # fmt: skip
    vae = {
        **VAE, "block_out_channels": widths(VAE["block_out_channels"]), "norm_num_groups": 32 // narrower,
        "sample_size": size,
    }  # fmt: skip
    text = {
        **TEXT, "hidden_size": text_width, "projection_dim": text_width, "intermediate_size": 4 * text_width,
        "num_attention_heads": max(1, 12 // narrower), "num_hidden_layers": 12 // narrower,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": tokenizer.model_max_length, "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(0)
        parts: dict[str, torch.nn.Module] = {
            "unet": UNet2DConditionModel(**unet),
            "vae": AutoencoderKL(**vae),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**text)),
        }
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1,
    )  # fmt: skip
    pipeline = StableDiffusionPipeline(
        **{name: part.to(device=device, dtype=dtype).eval().requires_grad_(False) for name, part in parts.items()},
        tokenizer=tokenizer, scheduler=scheduler, safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
