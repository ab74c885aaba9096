"""Stage 4: the U-Net, conditioned on short captions that name only the common factors."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from open_clip.model import CLIP
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPTokenizer

from benchmarks.mini.captions import write_captions
from benchmarks.mini.factors import KINDS, Identities, draw_identities, draw_nuisance
from benchmarks.mini.pretrain.convert import PROMPT_LENGTH, scheduler, text_encoder_of
from benchmarks.mini.pretrain.loop import Stage, console, step_generator, write_safetensors
from benchmarks.mini.world import render

STEPS, BATCH = 4000, 64
IMAGES_PER_KIND, CHUNK = 20_000, 250
KEEP, DROP = 0.75, 0.1  # share of phrases in a caption; share of empty captions, for classifier-free guidance
SNR_CAP = 5.0  # min-SNR weighting (Hang et al., 2023)


def build_unet() -> UNet2DConditionModel:
    """The untrained U-Net: 8x8 and 4x4, cross-attention at both: 14 K/V matrices."""
    return UNet2DConditionModel(
        sample_size=8, in_channels=8, out_channels=8, block_out_channels=(80, 128), layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=128, attention_head_dim=16, norm_num_groups=16,
    )  # fmt: skip


def _chunk(index: int) -> list[tuple[Identities, Tensor]]:
    generator = step_generator("unet-images", index)
    draws = []
    for kind in KINDS:
        identities = draw_identities(kind, "pretrain", CHUNK, generator)
        draws.append((identities, draw_nuisance(kind, CHUNK, generator)))
    return draws


def encode_images(folder: Path, vae: AutoencoderTiny, device: torch.device) -> Tensor:
    """(2, IMAGES_PER_KIND, 8, 8, 8) float16 latents of the training images, encoded once and kept in `folder`."""
    path = folder / "latents.safetensors"
    if path.exists():
        return torch.as_tensor(load_file(str(path))["latents"])
    parts: tuple[list[Tensor], list[Tensor]] = ([], [])
    for index in range(IMAGES_PER_KIND // CHUNK):
        for kind_index, (identities, nuisance) in enumerate(_chunk(index)):
            images = (render(identities, nuisance) * 2 - 1).to(device, memory_format=torch.channels_last)
            with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
                latents = vae.encode(images).latents.float() * vae.config["scaling_factor"]
            parts[kind_index].append(latents.half().cpu())
        if index % 10 == 0:
            console.print(f"unet: encoding images {index * CHUNK * 2}/{IMAGES_PER_KIND * 2}")
    latents = torch.stack([torch.cat(p) for p in parts])
    write_safetensors({"latents": latents}, path)
    return latents


def train_unet(
    folder: Path, tokenizer: CLIPTokenizer, clip: CLIP, vae: AutoencoderTiny, device: torch.device
) -> UNet2DConditionModel:
    """Train (or finish, or load) the U-Net with the denoising loss of Stable Diffusion."""
    unet = build_unet().to(device)
    stage = Stage("unet", unet, folder, steps=STEPS, rate=8e-4, decay=0.01)
    if stage.step < stage.steps:
        latents = encode_images(folder, vae, device)
        draws = [_chunk(index) for index in range(IMAGES_PER_KIND // CHUNK)]
        text_encoder = text_encoder_of(clip, tokenizer).to(device).requires_grad_(False)
        schedule = scheduler()
        alphas = schedule.alphas_cumprod

        def loss_of(generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
            rows, captions = [], []
            for kind_index in range(len(KINDS)):
                chosen = torch.randint(IMAGES_PER_KIND, (BATCH // 2,), generator=generator)
                rows.append(latents[kind_index, chosen].float())
                for index in chosen.tolist():
                    identities, nuisance = draws[index // CHUNK][kind_index]
                    at = [index % CHUNK]
                    captions += write_captions(identities[at], nuisance[at], generator, short=True, keep=KEEP)
            dropped = (torch.rand(BATCH, generator=generator) < DROP).tolist()
            captions = ["" if drop else caption for caption, drop in zip(captions, dropped, strict=True)]
            clean = torch.cat(rows)
            noise = torch.randn(clean.shape, generator=generator)
            times = torch.randint(schedule.config["num_train_timesteps"], (BATCH,), generator=generator)
            noisy = schedule.add_noise(clean, noise, times)
            snr = alphas[times] / (1 - alphas[times])
            weight = (snr.clamp(max=SNR_CAP) / snr).to(device)
            tokens = tokenizer(
                captions, padding="max_length", truncation=True, max_length=PROMPT_LENGTH, return_tensors="pt"
            ).input_ids
            with torch.no_grad():
                text = text_encoder(tokens.to(device)).last_hidden_state
            predicted = unet(noisy.to(device), times.to(device), text).sample
            error = (predicted - noise.to(device)).square().mean(dim=(1, 2, 3))
            return (weight * error).mean(), {"mse": float(error.mean().detach())}

        stage.train(loss_of)
    stage.use_average()
    return unet
