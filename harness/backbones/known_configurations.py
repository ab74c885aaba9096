"""How the networks of the backbones that have a name are made, as their repositories' config.json files have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

# Stable Diffusion 1.4, as its repository's config.json files have it
UNET: Final[dict[str, Any]] = {
    "act_fn": "silu", "attention_head_dim": 8, "block_out_channels": (320, 640, 1280, 1280),
    "center_input_sample": False,
    "cross_attention_dim": 768, "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "downsample_padding": 1, "flip_sin_to_cos": True, "freq_shift": 0, "in_channels": 4, "layers_per_block": 2,
    "mid_block_scale_factor": 1, "norm_eps": 1e-5, "norm_num_groups": 32, "out_channels": 4, "sample_size": 64,
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
}  # fmt: skip
TEXT: Final[dict[str, Any]] = {  # CLIP ViT-L/14's
    "hidden_act": "quick_gelu", "hidden_size": 768, "intermediate_size": 3072, "layer_norm_eps": 1e-5,
    "max_position_embeddings": 77, "num_attention_heads": 12, "num_hidden_layers": 12, "vocab_size": 49408,
}  # fmt: skip
VAE: Final[dict[str, Any]] = {
    "act_fn": "silu", "block_out_channels": (128, 256, 512, 512), "down_block_types": ("DownEncoderBlock2D",) * 4,
    "in_channels": 3, "latent_channels": 4, "layers_per_block": 2, "norm_num_groups": 32, "out_channels": 3,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}  # fmt: skip
# Stable Diffusion 2's text tower: OpenCLIP ViT-H/14's without its last layer
TEXT_2: Final[dict[str, Any]] = {
    **TEXT, "hidden_act": "gelu", "hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16,
    "num_hidden_layers": 23,
}  # fmt: skip
# OpenCLIP ViT-bigG/14's text tower, the second of Stable Diffusion XL
TEXT_BIG: Final[dict[str, Any]] = {
    **TEXT, "hidden_act": "gelu", "hidden_size": 1280, "intermediate_size": 5120, "num_attention_heads": 20,
    "num_hidden_layers": 32, "projection_dim": 1280,
}  # fmt: skip
T5_XXL: Final[dict[str, Any]] = {  # the encoder of T5 1.1 XXL
    "d_ff": 10240, "d_kv": 64, "d_model": 4096, "feed_forward_proj": "gated-gelu", "is_encoder_decoder": True,
    "num_heads": 64, "num_layers": 24, "relative_attention_max_distance": 128, "relative_attention_num_buckets": 32,
    "vocab_size": 32128,
}  # fmt: skip

UNET_XL: Final[dict[str, Any]] = {
    **UNET, "addition_embed_type": "text_time", "addition_time_embed_dim": 256, "attention_head_dim": (5, 10, 20),
    "block_out_channels": (320, 640, 1280), "cross_attention_dim": 2048,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "projection_class_embeddings_input_dim": 2816, "sample_size": 128, "transformer_layers_per_block": (1, 2, 10),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), "use_linear_projection": True,
}  # fmt: skip
PIXART: Final[dict[str, Any]] = {  # XL/2, of 512 px
    "activation_fn": "gelu-approximate", "attention_bias": True, "attention_head_dim": 72, "caption_channels": 4096,
    "cross_attention_dim": 1152, "in_channels": 4, "norm_elementwise_affine": False, "norm_eps": 1e-6,
    "norm_num_groups": 32, "norm_type": "ada_norm_single", "num_attention_heads": 16, "num_embeds_ada_norm": 1000,
    "num_layers": 28, "out_channels": 8, "patch_size": 2, "sample_size": 64,
}  # fmt: skip
SD35_MEDIUM: Final[dict[str, Any]] = {
    "attention_head_dim": 64, "caption_projection_dim": 1536, "dual_attention_layers": tuple(range(13)),
    "in_channels": 16, "joint_attention_dim": 4096, "num_attention_heads": 24, "num_layers": 24, "out_channels": 16,
    "patch_size": 2, "pooled_projection_dim": 2048, "pos_embed_max_size": 384, "qk_norm": "rms_norm",
    "sample_size": 128,
}  # fmt: skip
VAE_16: Final[dict[str, Any]] = {
    **VAE, "latent_channels": 16, "use_post_quant_conv": False, "use_quant_conv": False,
}  # fmt: skip

# those that are no Stable Diffusion 1.x or 2.x: denoiser, text encoders and VAE
LATER: Final[Mapping[str, Mapping[str, Any]]] = {
    "sdxl": {"denoiser": UNET_XL, "texts": (TEXT, TEXT_BIG), "vae": VAE},
    "pixart-alpha": {"denoiser": PIXART, "texts": (T5_XXL,), "vae": VAE},
    "sd-3.5-medium": {
        "denoiser": SD35_MEDIUM, "texts": ({**TEXT, "projection_dim": 768}, TEXT_BIG, T5_XXL), "vae": VAE_16,
    },
}  # fmt: skip
