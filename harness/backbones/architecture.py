"""What a Stable Diffusion pipeline is made of, without its weights: its parts' configurations. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness.backbones.hub import KNOWN, NAMES, hub_place, is_folder
from harness.errors import UsageError
from harness.spec import Frozen
from harness.store.store import key_of

PIXELS_AT_ONCE: Final = 2**20  # that the VAE sees: four images of 512 px

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

# what a configuration says that changes no count: names, versions, numbers that only scale
SILENT: Final = {
    "architectures", "attention_dropout", "bos_token_id", "dropout", "dtype", "eos_token_id", "force_upcast",
    "initializer_factor", "initializer_range", "latent_magnitude", "latent_shift", "latents_mean", "latents_std",
    "layer_norm_eps", "model_type", "pad_token_id", "projection_dim", "sample_size", "scaling_factor", "shift_factor",
    "torch_dtype", "transformers_version", "upcast_attention", "norm_eps",
}  # fmt: skip
# what later versions of the libraries write out, as it always was
USUAL: Final[Mapping[str, Any]] = {
    "addition_embed_type_num_heads": 64, "attention_type": "default", "conv_in_kernel": 3, "conv_out_kernel": 3,
    "mid_block_add_attention": True, "mid_block_type": "UNetMidBlock2DCrossAttn", "resnet_out_scale_factor": 1.0,
    "resnet_time_scale_shift": "default", "time_embedding_type": "positional", "transformer_layers_per_block": 1,
    "use_post_quant_conv": True, "use_quant_conv": True,
}  # fmt: skip


class Blueprint(Frozen):
    """The configurations of a pipeline's U-Net, text encoder and VAE, and the VAE's class."""

    unet: Mapping[str, Any]
    text: Mapping[str, Any]
    vae: Mapping[str, Any]
    vae_class: str = "AutoencoderKL"

    @property
    def resolution(self) -> int:
        """Pixels along each side, by the U-Net's own size."""
        widths = self.vae.get("block_out_channels") or self.vae["encoder_block_out_channels"]
        if self.vae_class == "AutoencoderTiny":
            widths = self.vae["encoder_block_out_channels"]
        return int(self.unet["sample_size"]) << (len(widths) - 1)

    @property
    def digest(self) -> str:
        """The same for pipelines of the same shapes, whatever version wrote their configurations."""
        parts = {name: _significant(getattr(self, name)) for name in ("unet", "text", "vae")}
        return key_of({**parts, "vae_class": self.vae_class, "size": self.unet["sample_size"]})[:16]


def _significant(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in config.items()
        if name[0] != "_" and name not in SILENT and value not in (None, False) and value != USUAL.get(name)
    }


def blueprint(source: str, *, folder: Path | None = None) -> Blueprint:
    """What a backbone is made of: a known name, a folder, or a hub id that is a known one's or in the local cache.

    Args:
        folder: where its files are, if that is known already.

    Raises:
        UsageError: it is none of these, or its configurations cannot be read.
    """
    if folder is None and not is_folder(source):
        repository = (hub_place(source) or ("", None))[0]
        for known in KNOWN.values():
            if repository == known.repository:
                text = TEXT_2 if known.unet.get("cross_attention_dim") == TEXT_2["hidden_size"] else TEXT
                return Blueprint(unet={**UNET, **known.unet}, text=text, vae=VAE)
        from harness.backbones.hashes import model_folder

        try:
            folder = model_folder(source, offline=True)
        except UsageError:
            raise UsageError(
                f"The shapes of --backbone '{source}' are not known; use {NAMES}, or a folder with a pipeline's "
                "config.json files (its weights are not needed)."
            ) from None
    folder = folder or Path(source).expanduser()
    parts = {part: _config(folder / part / "config.json", source) for part in ("unet", "text_encoder", "vae")}
    made = Blueprint(
        unet=parts["unet"], text=parts["text_encoder"], vae=parts["vae"],
        vae_class=str(parts["vae"].get("_class_name", "AutoencoderKL")),
    )  # fmt: skip
    try:
        made.digest, made.resolution  # noqa: B018
    except (KeyError, TypeError, ValueError):
        raise UsageError(
            f"Backbone '{source}': unet/config.json or vae/config.json does not say its size; give another folder."
        ) from None
    return made


def _config(path: Path, source: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return content
    except (OSError, ValueError):
        pass
    where = path.relative_to(path.parent.parent).as_posix()
    raise UsageError(f"Backbone '{source}': {where} is missing or damaged; give a pipeline's folder.") from None


def images_at_once(size: int) -> int:
    """How many images of that many pixels along a side the VAE is given at a time."""
    return max(1, PIXELS_AT_ONCE // size**2)
