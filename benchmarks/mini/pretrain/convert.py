"""From the trained towers to the two folders that ship: an open_clip folder and a diffusers Stable Diffusion folder."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from open_clip.model import CLIP
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from benchmarks.mini.pretrain.clip import MEAN, STD, clip_config
from benchmarks.mini.pretrain.tokenizer import CONTEXT_LENGTH


def text_encoder_of(clip: CLIP, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """The CLIP's text tower as transformers' CLIPTextModel, with the same arithmetic."""
    width, heads = clip.token_embedding.weight.shape[1], clip.transformer.resblocks[0].attn.num_heads
    model = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=4 * width,
            projection_dim=width,
            num_hidden_layers=len(clip.transformer.resblocks),
            num_attention_heads=heads,
            hidden_act="gelu",
            max_position_embeddings=CONTEXT_LENGTH,
            layer_norm_eps=1e-5,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    renamed: dict[str, Tensor] = {
        "embeddings.token_embedding.weight": clip.token_embedding.weight,
        "embeddings.position_embedding.weight": clip.positional_embedding,
        "final_layer_norm.weight": clip.ln_final.weight,
        "final_layer_norm.bias": clip.ln_final.bias,
    }
    for index, block in enumerate(clip.transformer.resblocks):
        layer = f"encoder.layers.{index}"
        for part in ("weight", "bias"):
            for name, tensor in zip("qkv", getattr(block.attn, f"in_proj_{part}").chunk(3), strict=True):
                renamed[f"{layer}.self_attn.{name}_proj.{part}"] = tensor
            renamed[f"{layer}.self_attn.out_proj.{part}"] = getattr(block.attn.out_proj, part)
            renamed[f"{layer}.layer_norm1.{part}"] = getattr(block.ln_1, part)
            renamed[f"{layer}.layer_norm2.{part}"] = getattr(block.ln_2, part)
            renamed[f"{layer}.mlp.fc1.{part}"] = getattr(block.mlp.c_fc, part)
            renamed[f"{layer}.mlp.fc2.{part}"] = getattr(block.mlp.c_proj, part)
    # transformers before 5.6 nests the tower under `text_model`
    nested = any(key.startswith("text_model.") for key in model.state_dict())
    prefix = "text_model." if nested else ""
    model.load_state_dict({prefix + k: v.detach() for k, v in renamed.items()}, strict=False)
    missing = {k for k in model.state_dict() if not k.endswith("position_ids")} - {prefix + k for k in renamed}
    if missing:
        raise RuntimeError(f"the text tower's conversion left {sorted(missing)} unset")
    return model.eval()


def scheduler() -> DDIMScheduler:
    """Stable Diffusion's noise schedule, with the spacing that suits few sampling steps."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        timestep_spacing="trailing",
        prediction_type="epsilon",
    )


def save_clip(clip: CLIP, tokenizer: CLIPTokenizer, folder: Path) -> None:
    """An ordinary open_clip folder, weights in float16."""
    folder.mkdir(parents=True, exist_ok=True)
    preprocess = {
        "size": [64, 64],
        "mean": list(MEAN),
        "std": list(STD),
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    config = {"model_cfg": clip_config(tokenizer), "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    state = {k: v.half().contiguous() if v.is_floating_point() else v for k, v in clip.state_dict().items()}
    save_file(state, str(folder / "open_clip_model.safetensors"), metadata={"format": "pt"})
    unbounded(tokenizer).save_pretrained(folder)


def unbounded(tokenizer: CLIPTokenizer) -> CLIPTokenizer:
    """The same, without the truncation and padding of its last call, which would be saved with it."""
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


def save_pipeline(
    clip: CLIP, tokenizer: CLIPTokenizer, vae: AutoencoderTiny, unet: UNet2DConditionModel, folder: Path
) -> None:
    """An ordinary Stable Diffusion folder, weights in float16 and nothing but safetensors."""
    tokenizer.model_max_length = CONTEXT_LENGTH
    parts = {"text_encoder": text_encoder_of(clip, tokenizer), "vae": vae, "unet": unet}
    pipeline = StableDiffusionPipeline(
        **{name: part.half().eval() for name, part in parts.items()}, tokenizer=unbounded(tokenizer),
        scheduler=scheduler(),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder, safe_serialization=True)
    for part in parts.values():
        part.float()


def finite(module: torch.nn.Module) -> bool:
    """Whether every weight survived float16."""
    return all(bool(torch.isfinite(p.half()).all()) for p in module.parameters())
