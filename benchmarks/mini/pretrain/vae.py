"""Stage 1: the autoencoder. diffusers' AutoencoderTiny, 64x64 RGB to 8x8 latents of 8 channels."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from benchmarks.mini.factors import KINDS, Split, draw_identities, draw_nuisance
from benchmarks.mini.pretrain.loop import Stage
from benchmarks.mini.world import render

STEPS, BATCH = 7000, 16
LATENT_NOISE = 0.05  # the decoder learns to tolerate latents that a U-Net got slightly wrong


def build_vae() -> AutoencoderTiny:
    """The untrained autoencoder: most of its blocks at low resolution, where they are cheap."""
    return AutoencoderTiny(
        encoder_block_out_channels=(48, 48, 48, 48),
        decoder_block_out_channels=(48, 48, 48, 48),
        num_encoder_blocks=(0, 2, 3, 4),
        num_decoder_blocks=(4, 4, 3, 1),
        latent_channels=8,
    )


def draw_images(split: Split, count: int, generator: torch.Generator) -> Tensor:
    """(count, 3, 64, 64) in [-1, 1], half people, half waterfalls, one image an identity."""
    images = []
    for kind in KINDS:
        identities = draw_identities(kind, split, count // 2, generator)
        images.append(render(identities, draw_nuisance(kind, count // 2, generator)))
    return torch.cat(images) * 2 - 1


def train_vae(folder: Path, device: torch.device) -> AutoencoderTiny:
    """Train (or finish, or load) the autoencoder; its `scaling_factor` brings latents to unit variance."""
    vae = build_vae().to(device, memory_format=torch.channels_last)
    stage = Stage("vae", vae, folder, steps=STEPS, rate=1.5e-3)

    def loss_of(generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        images = draw_images("pretrain", BATCH, generator)
        noise = torch.randn(BATCH, 8, 8, 8, generator=generator) * LATENT_NOISE
        images, noise = images.to(device, memory_format=torch.channels_last), noise.to(device)
        with torch.autocast(device.type, torch.bfloat16):
            latents = vae.encode(images).latents.float()
            decoded = vae.decode(latents + noise).sample.float()
        mse = mse_loss(decoded, images)
        loss = mse + 0.2 * l1_loss(decoded, images) + 1e-4 * latents.square().mean()
        return loss, {"psnr": float(10 * torch.log10(4 / mse.detach())), "latent_std": float(latents.std())}

    stage.train(loss_of)
    stage.use_average()
    with torch.no_grad():
        latents = vae.encode(draw_images("pretrain", 256, torch.Generator().manual_seed(1)).to(device)).latents
    vae.register_to_config(scaling_factor=round(1 / float(latents.std()), 5))
    return vae
