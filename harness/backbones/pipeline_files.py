"""The files of a Stable Diffusion pipeline, and of the metrics' feature extractor; only headers of weights are read."""

from __future__ import annotations

import json
from pathlib import Path

from harness.backbones.checks import check_part, check_parts, hub_weights, layout_of, texts_of
from harness.backbones.hashes import model_folder
from harness.backbones.hub import KNOWN, NAMES, hub_place
from harness.errors import UsageError, reason

DRAWN = 8  # what diffusers' pipelines want the sides of images to be divided by


def check_pipeline(folder: Path, source: str) -> int:
    """Pixels along each side that a pipeline folder was made for; only headers of its weights are read.

    Raises:
        UsageError: the folder is not a whole pipeline of a known family in safetensors, or needs code of its own.
    """
    layout = layout_of(folder, source)
    texts = texts_of(folder, source)
    needed = ["scheduler", layout.denoiser, "vae", *(name for text in texts for name in (text.tokenizer, text.encoder))]
    missing = [name for name in sorted(needed) if not (folder / name).exists()]
    if missing:
        parts = ", no ".join(missing)
        raise UsageError(f"Backbone '{source}' is not a {layout.title} folder: it has no {parts}; give a whole one.")
    check_parts(folder, source)
    where = f"{layout.denoiser}/config.json"
    try:
        denoiser = json.loads((folder / where).read_text(encoding="utf-8"))
        vae = json.loads((folder / "vae" / "config.json").read_text(encoding="utf-8"))
        widths = vae.get("block_out_channels") or vae["encoder_block_out_channels"]
        scale, sizes = 2 ** (len(widths) - 1), denoiser["sample_size"]
        height, width = (int(size * scale) for size in (sizes if isinstance(sizes, list) else (sizes, sizes)))
        patch = int(denoiser.get("patch_size") or 1)
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"Backbone '{source}': {where} or vae/config.json does not say its size; give another folder."
        ) from None
    if not isinstance(sizes, list):
        if height % DRAWN or sizes % patch:
            raise UsageError(
                f"Backbone '{source}' is made for images of {width} px (sample_size {sizes} in {where}), which its own "
                f"pipeline cannot draw: {DRAWN} must divide them, and its patches of {patch} the latents; give another "
                "folder."
            )
        return width
    raise UsageError(
        f"Backbone '{source}' is made for images of {width} x {height} px (sample_size in {where}); give one "
        "for square images, whose sample_size is one number."
    )


def cached_extractor(source: str, *, offline: bool = True) -> Path:
    """The weights of an open_clip 'architecture/pretrained' in the local hub cache (fetched first if not `offline`).

    Raises:
        UsageError: they are not there, cannot be downloaded, or are no safetensors.
    """
    from huggingface_hub import hf_hub_download

    repository, file = hub_weights(source)
    if not file:
        raise UsageError(
            f"The extractor '{source}' is neither a folder nor 'architecture/pretrained' with weights in safetensors "
            "that open_clip knows; give a folder, or ViT-B-32-quickgelu/openai."
        )
    try:
        return Path(hf_hub_download(repository, file, local_files_only=offline))
    except Exception as error:
        if not offline:
            raise UsageError(
                f"The extractor '{source}' cannot be downloaded in safetensors from {repository} ({reason(error)}); "
                "check the network, or give a folder."
            ) from error
        raise UsageError(
            f"The extractor '{source}' is not in the local hub cache; give a folder or allow downloads with "
            f"--no-offline, or fetch it with `hf download {repository} {file}`; the mini tier needs none of this."
        ) from error


def check_denoiser(source: str) -> Path | None:
    """Make sure that there is a denoiser whose parameters can be counted: a known backbone's, or that of a pipeline.

    Returns: the pipeline's folder; None of a known backbone, whose architecture is counted without weights.

    Raises:
        UsageError: there is none, or its weights are not whole as far as their headers tell.
    """
    if source in KNOWN:
        return None
    try:
        folder = model_folder(source, offline=True)
    except UsageError as error:
        if hub_place(source) is None and not Path(source).is_file():
            raise UsageError(
                f"Unknown --backbone '{source}'; use {NAMES}, or a diffusers pipeline's folder."
            ) from error
        raise
    if not any((folder / part).is_dir() for part in ("unet", "transformer")):
        raise UsageError(
            f"--backbone '{source}' holds no U-Net or transformer; use {NAMES}, or a diffusers pipeline's folder."
        )
    check_part(folder / layout_of(folder, source).denoiser, source)
    return folder
