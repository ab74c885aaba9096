"""Small checkpoints with random weights, of the same classes as the real ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

FAMILIES = ("sd1", "sd2")


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


def make_tiny_families(folder: Path) -> Path:
    """Fill a folder with `sd1`, `sd2` (32 px) and `sdxl`: random checkpoints in the layout that the hub has them in.

    That is: a tokenizer of vocab.json and merges.txt, settings as those repositories hold them, weights under the names
    that the libraries of their time gave, an entry for a safety checker that is not there.
    """
    for family in FAMILIES:
        _make_family(folder / family, second=family == "sd2")
    _make_xl(folder / "sdxl", folder / "sd1")
    return folder


def _make_family(folder: Path, *, second: bool) -> None:
    """Stable Diffusion 1.x; or 2.x: another text tower, linear projections, heads by block, v-prediction, pads '!'."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    from benchmarks.mini.pretrain.tokenizer import BOS, EOS, build_tokenizer

    words = len(build_tokenizer(folder / "tokenizer"))
    token = {
        name: {"__type": "AddedToken", "content": text, "lstrip": False, "normalized": True, "rstrip": False,
               "single_word": False} for name, text in (("bos_token", BOS), ("eos_token", EOS), ("unk_token", EOS))
    }  # fmt: skip
    pad = "!" if second else EOS
    put(folder / "tokenizer" / "tokenizer_config.json", {
        "add_prefix_space": False, **token, "do_lower_case": True, "errors": "replace", "model_max_length": 77,
        "name_or_path": "openai/clip-vit-large-patch14", "pad_token": pad, "tokenizer_class": "CLIPTokenizer",
        "special_tokens_map_file": "./special_tokens_map.json",
    })  # fmt: skip
    plain = {name: {k: v for k, v in value.items() if k != "__type"} for name, value in token.items()}
    put(folder / "tokenizer" / "special_tokens_map.json", {**plain, "pad_token": pad})
    with torch.random.fork_rng():
        torch.manual_seed(2 if second else 1)
        text = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=words, hidden_size=32, intermediate_size=64, projection_dim=16 if second else 32,
                num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=77,
                hidden_act="gelu" if second else "quick_gelu", bos_token_id=0, eos_token_id=2, pad_token_id=1,
            )
        )  # fmt: skip
        # as of a trained norm: without a bias the entries of its features sum to 0, and the merge needs them to span
        norm = next(m for name, m in text.named_modules() if name.endswith("final_layer_norm"))
        torch.nn.init.normal_(norm.bias, std=0.1)
        vae = AutoencoderKL(
            block_out_channels=(8, 16), down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=4, norm_num_groups=4, sample_size=32,
        )  # fmt: skip
        unet = UNet2DConditionModel(
            sample_size=16, block_out_channels=(8, 16), layers_per_block=1, cross_attention_dim=32, norm_num_groups=4,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            **({"attention_head_dim": [1, 2], "use_linear_projection": True, "upcast_attention": True}
               if second else {"attention_head_dim": 2}),
        )  # fmt: skip
    nested = {f"text_model.{k.removeprefix('text_model.')}": v for k, v in text.state_dict().items()}
    nested["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    text.config.save_pretrained(folder / "text_encoder")
    save_file(nested, str(folder / "text_encoder" / "model.safetensors"), metadata={"format": "pt"})
    unet.save_pretrained(folder / "unet")
    vae.save_pretrained(folder / "vae")
    old = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    renamed = {
        reduce(lambda name, pair: name.replace(*pair), old.items(), name): tensor.contiguous()
        for name, tensor in vae.state_dict().items()
    }
    save_file(renamed, str(folder / "vae" / "diffusion_pytorch_model.safetensors"), metadata={"format": "pt"})
    common = {
        "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "clip_sample": False,
        "num_train_timesteps": 1000, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1,
        "trained_betas": None,
    }  # fmt: skip
    scheduler = "DDIMScheduler" if second else "PNDMScheduler"
    put(folder / "scheduler" / "scheduler_config.json", {
        "_class_name": scheduler, "_diffusers_version": "0.8.0", **common,
        **({"prediction_type": "v_prediction"} if second else {}),
    })  # fmt: skip
    checker = [None, None] if second else ["stable_diffusion", "StableDiffusionSafetyChecker"]
    put(folder / "model_index.json", {
        "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.8.0",
        "feature_extractor": ["transformers", "CLIPImageProcessor"], "requires_safety_checker": not second,
        "safety_checker": checker, "scheduler": ["diffusers", scheduler],
        "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
    })  # fmt: skip


def _make_xl(folder: Path, first: Path) -> None:
    """A whole Stable Diffusion XL that diffusers loads: two text towers, and a U-Net that is told the image's size."""
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(first / "tokenizer")
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, projection_dim=32, num_hidden_layers=2,
        num_attention_heads=2, bos_token_id=0, eos_token_id=2, pad_token_id=1,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(3)
        unet = UNet2DConditionModel(
            sample_size=16, block_out_channels=(8, 16), layers_per_block=1, cross_attention_dim=64, norm_num_groups=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=(1, 2), use_linear_projection=True, addition_embed_type="text_time",
            addition_time_embed_dim=8, transformer_layers_per_block=(1, 2), projection_class_embeddings_input_dim=80,
        )  # fmt: skip
        StableDiffusionXLPipeline(
            vae=AutoencoderKL.from_pretrained(first / "vae"), unet=unet, text_encoder=CLIPTextModel(config),
            text_encoder_2=CLIPTextModelWithProjection(config), tokenizer=tokenizer, tokenizer_2=tokenizer,
            scheduler=EulerDiscreteScheduler(),
        ).save_pretrained(folder, safe_serialization=True)  # fmt: skip


def put(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
