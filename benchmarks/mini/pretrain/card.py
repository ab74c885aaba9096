"""The model card that ships with the checkpoints: how each was trained, and how good it is, as measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.mini.pretrain import pool, text, unet, vae, vision

TEXT = """# The embedded checkpoints of the mini tier

Trained on {images} renders of the procedural world (`benchmarks/mini/world.py`), one of each identity, by
`python -m benchmarks.mini.pretrain`, on a CPU. No photograph of any person, no other data set and no other model's
weights went into them. Licence: MIT, as the project. Weights are float16 safetensors.

{start}
- `clip-mini`: open_clip CLIP, ResNet image tower and text transformer. The image tower learns to read every factor
  (linear heads, each factor weighted by its own error): {vision}. Then the text tower learns against it, locked:
  {text_steps} steps of {text_batch} captions, the contrastive loss beside heads that ask each word for its phrase.
- `stable-diffusion-mini/vae`: AutoencoderTiny, 64x64 RGB to 8x8x16 latents. {vae_steps} steps of {vae_batch} images;
  its reconstructions are compared in pixels and in the image tower's eyes.
- `stable-diffusion-mini/text_encoder`: the CLIP's text tower as CLIPTextModel; converted, not trained.
- `stable-diffusion-mini/unet`: UNet2DConditionModel on 8x8 and 4x4, 14 K/V matrices. {unet_steps} steps of {unet_batch}
  latents ({first_batch} in the first {first_steps}); each factor is named in its captions with a chance of its own.

Identities of the splits `pretrain`, `probe`, `tuning` and `benchmark` are disjoint by construction
(`benchmarks/mini/factors.py`). All figures below are on the split `probe`, never trained on.

## Autoencoder

Reconstruction PSNR over 500 images: people {psnr[person]:.1f} dB, falls {psnr[waterfall]:.1f} dB. A_mmd (times 1000) of
16 images of an identity against their own reconstructions (the codec floor), against other images of the same
identity, and against those of another one, mean over 25 identities:

| kind | codec floor | same identity | another identity |
|---|---|---|---|
{floors}

## CLIP image features: linear probes

Ridge regression on 10,000 images of training identities, tested on 2,000 of unseen ones: R2 of continuous factors,
accuracy of discrete ones; on renders, and on the autoencoder's reconstructions of them. What a reconstruction loses no
generated image can show.

| kind | factor | renders | reconstructions |
|---|---|---|---|
{probes}

## U-Net: does a sample show what its caption says?

96 captions a kind, naming every factor of an unseen identity; DDIM 20 steps, guidance 2. The CLIP's probes read each
factor off the samples, and off real renders of the same identities: R2 of continuous factors against the middle of the
level that was named, accuracy of discrete ones.

| kind | factor | samples | renders |
|---|---|---|---|
{captions}
"""
STARTED = """The image tower, the autoencoder and the U-Net (all but the layers that read text) started from the first
version of these checkpoints, which was trained from random weights on an earlier version of the same world.
"""


def write_card(folder: Path, measured: Mapping[str, Any], *, started: bool) -> None:
    """Write `README.md` into the checkpoints' folder; `started`: from earlier checkpoints, not from random weights."""
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
    floors = [
        f"| {kind} | {floor['floor']:.0f} | {floor['self']:.0f} | {floor['other']:.0f} |"
        for kind, floor in measured["codec_floor"].items()
    ]
    alone = f"{vision.ADAPT_STEPS:,} steps of {vision.BATCH} images"
    whole = f"{vision.STEPS + vision.SHARPEN_STEPS:,} steps of {vision.BATCH} images"
    vae_steps = vae.FACTOR_STEPS if started else vae.STEPS + vae.FACTOR_STEPS
    card = TEXT.format(
        images=f"{2 * pool.CHUNKS * pool.CHUNK:,}", start=STARTED if started else "",
        vision=alone if started else whole, text_steps=f"{text.STEPS:,}", text_batch=text.BATCH,
        vae_steps=f"{vae_steps:,}", vae_batch=vae.BATCH, unet_steps=f"{unet.STEPS:,}", unet_batch=unet.BATCH,
        first_batch=unet.FIRST_BATCH, first_steps=f"{unet.FIRST_STEPS:,}", psnr=measured["psnr_db"],
        floors="\n".join(floors), probes="\n".join(probes), captions="\n".join(captions),
    )  # fmt: skip
    (folder / "README.md").write_text(card, encoding="utf-8")
