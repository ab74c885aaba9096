"""What a text-to-image pipeline is made of, without its weights: its parts' configurations. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness.backbones.checks import INDEX, layout_of, read_index
from harness.backbones.hub import KNOWN, NAMES, Backbone, hub_place, is_folder
from harness.backbones.known_configurations import LATER, TEXT, TEXT_2, UNET, VAE
from harness.backbones.layouts import PIPELINES, STABLE_DIFFUSION, Layout
from harness.errors import UsageError
from harness.spec import Frozen
from harness.store.store import key_of

PIXELS_AT_ONCE: Final = 2**20  # that the VAE sees: four images of 512 px

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
    """The configurations of a pipeline's denoiser, text encoders and VAE, the VAE's class, and the pipeline's."""

    denoiser: Mapping[str, Any]
    texts: tuple[Mapping[str, Any], ...]
    vae: Mapping[str, Any]
    vae_class: str = "AutoencoderKL"
    pipeline: str = STABLE_DIFFUSION.pipeline

    @property
    def layout(self) -> Layout:
        """Its family."""
        return PIPELINES[self.pipeline]

    @property
    def resolution(self) -> int:
        """Pixels along each side, by the denoiser's own size."""
        widths = self.vae.get("block_out_channels") or self.vae["encoder_block_out_channels"]
        if self.vae_class == "AutoencoderTiny":
            widths = self.vae["encoder_block_out_channels"]
        return int(self.denoiser["sample_size"]) << (len(widths) - 1)

    @property
    def token_widths(self) -> tuple[int, ...]:
        """Width of a token's embedding in each text encoder."""
        return tuple(int(text.get("d_model") or text["hidden_size"]) for text in self.texts)

    @property
    def digest(self) -> str:
        """The same for pipelines of the same shapes, whatever version wrote their configurations."""
        parts: dict[str, Any] = {"unet": _significant(self.denoiser), "vae": _significant(self.vae)}
        if self.layout is STABLE_DIFFUSION:
            parts["text"] = _significant(self.texts[0])
        else:
            parts |= {"pipeline": self.pipeline, "texts": [_significant(text) for text in self.texts]}
        return key_of({**parts, "vae_class": self.vae_class, "size": self.denoiser["sample_size"]})[:16]


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
                return _of_known(known)
        from harness.backbones.hashes import model_folder

        try:
            folder = model_folder(source, offline=True)
        except UsageError:
            raise UsageError(
                f"The shapes of --backbone '{source}' are not known; use {NAMES}, or a folder with a pipeline's "
                "config.json files (its weights are not needed)."
            ) from None
    folder = folder or Path(source).expanduser()
    index = read_index(folder, source) if (folder / INDEX).exists() else {}
    layout = layout_of(folder, source) if index else STABLE_DIFFUSION
    vae = _config(folder / "vae" / "config.json", source)
    made = Blueprint(
        denoiser=_config(folder / layout.denoiser / "config.json", source),
        texts=tuple(_config(folder / text.encoder / "config.json", source) for text in layout.texts_of(index)),
        vae=vae,
        vae_class=str(vae.get("_class_name", "AutoencoderKL")), pipeline=index.get("_class_name", layout.pipeline),
    )  # fmt: skip
    try:
        made.digest, made.resolution, made.token_widths  # noqa: B018
    except (KeyError, TypeError, ValueError):
        raise UsageError(
            f"Backbone '{source}': {layout.denoiser}/config.json or vae/config.json does not say its size; give "
            "another folder."
        ) from None
    return made


def _of_known(known: Backbone) -> Blueprint:
    if known.pipeline != STABLE_DIFFUSION.pipeline:
        return Blueprint(**LATER[known.name], pipeline=known.pipeline)
    text = TEXT_2 if known.unet.get("cross_attention_dim") == TEXT_2["hidden_size"] else TEXT
    return Blueprint(denoiser={**UNET, **known.unet}, texts=(text,), vae=VAE)


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
