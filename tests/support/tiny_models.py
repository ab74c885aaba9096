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
LATER = ("sdxl", "pixart", "sd3", "sd3-no-t5")


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
    """Fill a folder with random checkpoints of 32 px, `FAMILIES` and `LATER`, in the layout that the hub has them in.

    That is: a tokenizer of vocab.json and merges.txt, settings as those repositories hold them, weights under the names
    that the libraries of their time gave, an entry for a safety checker that is not there.
    """
    for family in FAMILIES:
        _make_family(folder / family, second=family == "sd2")
    make_later_families(folder, folder / "sd1")
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


def make_later_families(folder: Path, first: Path) -> None:
    """Stable Diffusion XL, PixArt-alpha and Stable Diffusion 3, the latter also without T5, as diffusers saves them.

    Args:
        first: A Stable Diffusion 1.x, for its tokenizer and VAE.
    """
    from diffusers import AutoencoderKL
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(first / "tokenizer")
    with torch.random.fork_rng():
        torch.manual_seed(3)
        _make_xl(folder / "sdxl", tokenizer, AutoencoderKL.from_pretrained(first / "vae"))
        _make_pixart(folder / "pixart", AutoencoderKL.from_pretrained(first / "vae"))
        _make_sd3(folder / "sd3", tokenizer, with_t5=True)
        _make_sd3(folder / "sd3-no-t5", tokenizer, with_t5=False)


def _clip(words: int, width: int, projected: int, end: int) -> dict[str, Any]:
    return {
        "vocab_size": words, "hidden_size": width, "intermediate_size": 64, "projection_dim": projected,
        "num_hidden_layers": 2, "num_attention_heads": 2, "bos_token_id": 0, "eos_token_id": end, "pad_token_id": 1,
    }  # fmt: skip


def _make_xl(folder: Path, tokenizer: Any, vae: Any) -> None:
    """Two text towers of different widths, and a U-Net that is told the image's size."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    first = CLIPTextConfig(**_clip(len(tokenizer), 24, 24, tokenizer.eos_token_id))
    second = CLIPTextConfig(**_clip(len(tokenizer), 40, 32, 2))  # as the hub's has it: an end that no tokenizer has
    unet = UNet2DConditionModel(
        sample_size=16, block_out_channels=(8, 16), layers_per_block=1, cross_attention_dim=64, norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(1, 2), use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=8, transformer_layers_per_block=(1, 2), projection_class_embeddings_input_dim=80,
    )  # fmt: skip
    StableDiffusionXLPipeline(
        vae=vae, unet=unet, text_encoder=CLIPTextModel(first), text_encoder_2=CLIPTextModelWithProjection(second),
        tokenizer=tokenizer, tokenizer_2=tokenizer, scheduler=EulerDiscreteScheduler(**BETAS),
    ).save_pretrained(folder, safe_serialization=True)  # fmt: skip


BETAS: Mapping[str, Any] = {
    "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "steps_offset": 1,
    "timestep_spacing": "leading",
}  # fmt: skip


def _t5(width: int) -> tuple[Any, Any]:
    """A tokenizer by pieces of words, and an encoder whose table has more rows than the tokenizer has words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import T5Config, T5EncoderModel, T5TokenizerFast

    words = ["a", "photo", "of", "person", "waterfall", "at", "night", "the", "close", "up", "far", "away", "very"]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    pieces += [(f"\u2581{word}", -1.0) for word in words]
    pieces += [(letter, -5.0) for letter in "abcdefghijklmnopqrstuvwxyz0123456789-,.'"]
    whole = Tokenizer(models.Unigram(pieces, unk_id=2))
    whole.pre_tokenizer = pre_tokenizers.Metaspace()
    whole.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer = T5TokenizerFast(tokenizer_object=whole, extra_ids=4)
    config = T5Config(
        vocab_size=len(tokenizer) + 8, d_model=width, d_kv=8, d_ff=64, num_layers=2, num_heads=2,
        feed_forward_proj="gated-gelu",
    )  # fmt: skip
    return tokenizer, T5EncoderModel(config)


def _make_pixart(folder: Path, vae: Any) -> None:
    from diffusers import DPMSolverMultistepScheduler, PixArtAlphaPipeline, PixArtTransformer2DModel

    tokenizer, encoder = _t5(32)
    transformer = PixArtTransformer2DModel(
        num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=2, sample_size=16,
        cross_attention_dim=16, caption_channels=32, patch_size=2,
    )  # fmt: skip
    PixArtAlphaPipeline(
        tokenizer=tokenizer, text_encoder=encoder, vae=vae, transformer=transformer,
        scheduler=DPMSolverMultistepScheduler(beta_start=0.0001, beta_end=0.02, beta_schedule="linear"),
    ).save_pretrained(folder, safe_serialization=True)  # fmt: skip


def _make_sd3(folder: Path, tokenizer: Any, *, with_t5: bool) -> None:
    """Stable Diffusion 3.5 Medium's kind: norms of queries and keys, and a first layer of two attentions."""
    from diffusers import (
        AutoencoderKL,
        FlowMatchEulerDiscreteScheduler,
        SD3Transformer2DModel,
        StableDiffusion3Pipeline,
    )
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    first = CLIPTextConfig(**_clip(len(tokenizer), 24, 24, 2))
    second = CLIPTextConfig(**_clip(len(tokenizer), 40, 32, 2))
    words, encoder = _t5(72) if with_t5 else (None, None)
    transformer = SD3Transformer2DModel(
        sample_size=16, patch_size=2, in_channels=4, out_channels=4, num_layers=2, attention_head_dim=8,
        num_attention_heads=2, caption_projection_dim=16, joint_attention_dim=72, pooled_projection_dim=56,
        pos_embed_max_size=16, qk_norm="rms_norm", dual_attention_layers=(0,),
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8, 16), down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=4, norm_num_groups=4, sample_size=32,
        use_quant_conv=False, use_post_quant_conv=False, scaling_factor=1.5305, shift_factor=0.0609,
    )  # fmt: skip
    StableDiffusion3Pipeline(
        vae=vae, transformer=transformer, text_encoder=CLIPTextModelWithProjection(first), tokenizer=tokenizer,
        text_encoder_2=CLIPTextModelWithProjection(second), tokenizer_2=tokenizer, text_encoder_3=encoder,
        tokenizer_3=words, scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    ).save_pretrained(folder, safe_serialization=True)  # fmt: skip


def put(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
