"""The model card that ships with the checkpoints: how each was trained, and how good it is, as measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.mini.pretrain import clip, unet, vae, vision

TEXT = """# The embedded checkpoints of the mini tier

Trained from random weights on renders of the procedural world (`benchmarks/mini/world.py`) by
`python -m benchmarks.mini.pretrain`, on a CPU. No photograph of any person, no other data set and no other model's
weights went into them. Licence: MIT, as the project. Weights are float16 safetensors.

- `stable-diffusion-mini/vae`: AutoencoderTiny, 64x64 RGB to 8x8x8 latents. {vae_steps} steps of {vae_batch} images.
- `clip-mini`: open_clip CLIP, ResNet image tower and text transformer. {clip_steps} steps of {clip_batch} images with
  captions that can name every factor, and linear factor heads beside the contrastive loss. Then the image tower
  goes on alone for {vision_steps} steps of {vision_batch}: text tower locked, factor heads leading; and for
  {sharpen_steps} more with each factor weighted by its own error.
- `stable-diffusion-mini/text_encoder`: the CLIP's text tower as CLIPTextModel; converted, not trained.
- `stable-diffusion-mini/unet`: UNet2DConditionModel on 8x8 and 4x4, 14 K/V matrices. {unet_steps} steps of {unet_batch}
  latents of {unet_images} renders; captions name the common factors only.

Identities of the splits `pretrain`, `probe`, `tuning` and `benchmark` are disjoint by construction
(`benchmarks/mini/factors.py`). All figures below are on the split `probe`, never trained on.

## Autoencoder

Reconstruction PSNR over 500 images: people {psnr[person]:.1f} dB, waterfalls {psnr[waterfall]:.1f} dB.

## CLIP image features: linear probes

Ridge regression on 10,000 images of training identities, tested on 2,000 of unseen ones: R2 of continuous factors,
accuracy of discrete ones; on renders, and on the autoencoder's reconstructions of them. What a reconstruction loses
(brows, nose, lips at this size) no generated image can show: the metrics' codec floor says how much that costs.

| kind | factor | renders | reconstructions |
|---|---|---|---|
{probes}

## U-Net: does a sample show what its caption names?

64 captions a kind, naming every common factor of an unseen identity; DDIM 20 steps, guidance 2. The CLIP's probes read
each named factor off the samples, and off real renders of the same identities.

| kind | factor | samples | renders |
|---|---|---|---|
{captions}
"""


def write_card(folder: Path, measured: Mapping[str, Any]) -> None:
    """Write `README.md` into the checkpoints' folder."""
    probes = [
        f"| {kind} | {name} | {value:.2f} | {scores['reconstructions'][name]:.2f} |"
        for kind, scores in measured["probes"].items()
        for name, value in scores["renders"].items()
    ]
    captions = [
        f"| {kind} | {name} | {pair['samples']:.2f} | {pair['renders']:.2f} |"
        for kind, factors in measured["captions"].items()
        for name, pair in factors.items()
    ]
    text = TEXT.format(
        vae_steps=f"{vae.STEPS:,}", vae_batch=vae.BATCH, clip_steps=f"{clip.STEPS:,}", clip_batch=clip.BATCH,
        vision_steps=f"{vision.STEPS:,}", vision_batch=vision.BATCH, sharpen_steps=f"{vision.SHARPEN_STEPS:,}",
        unet_steps=f"{unet.STEPS:,}", unet_batch=unet.BATCH, unet_images=f"{2 * unet.IMAGES_PER_KIND:,}",
        psnr=measured["psnr_db"], probes="\n".join(probes), captions="\n".join(captions),
    )  # fmt: skip
    (folder / "README.md").write_text(text, encoding="utf-8")
