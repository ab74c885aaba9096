"""Stage 5: the U-Net. Its captions name each factor with a chance of its own, so that words can steer all of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from open_clip.model import CLIP
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPTokenizer

from benchmarks.mini.captions import write_captions
from benchmarks.mini.factors import KINDS, Kind
from benchmarks.mini.pretrain.clip import tokenize
from benchmarks.mini.pretrain.convert import scheduler, text_encoder_of
from benchmarks.mini.pretrain.loop import Stage, console, write_safetensors
from benchmarks.mini.pretrain.pool import CHUNK, CHUNKS, Pools
from benchmarks.mini.pretrain.vae import CHANNELS

STEPS, BATCH, FIRST_BATCH, FIRST_STEPS = 6000, 64, 32, 2000  # half the batch at first, when more steps help more
WHOLE, DROP = 0.25, 0.1  # share of captions that name everything, and of empty ones, for classifier-free guidance
SNR_CAP = 5.0  # min-SNR weighting (Hang et al., 2023)
NOISIER = 0.75  # time steps are drawn as u ** NOISIER: what an identity is made of is decided in the noisier half
FIRST_CHUNKS, STEPS_PER_CHUNK = 4, 100  # latents are made as the training goes on


def build_unet() -> UNet2DConditionModel:
    """The untrained U-Net: 8x8 and 4x4, cross-attention of eight heads at both: 14 K/V matrices."""
    return UNet2DConditionModel(
        sample_size=8, in_channels=CHANNELS, out_channels=CHANNELS, block_out_channels=(80, 128), layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=128, attention_head_dim=8, norm_num_groups=16,
    )  # fmt: skip


def start_from(unet: UNet2DConditionModel, checkpoint: Path) -> None:
    """Copy the weights of a finished U-Net, all but those that read text; latent channels that it lacks stay random."""
    state = unet.state_dict()
    for name, value in load_file(str(checkpoint)).items():
        if "attn2" not in name:
            state[name][tuple(slice(n) for n in value.shape)] = value.float()
    unet.load_state_dict(state)


class Latents:
    """The pools' latents (CHUNK, C, 8, 8) float16, encoded chunk by chunk when first needed, and kept in a folder."""

    def __init__(self, folder: Path, vae: AutoencoderTiny, pools: Pools, device: torch.device) -> None:
        # another encoder makes other latents
        weights = b"".join(p.detach().cpu().numpy().tobytes() for p in vae.encoder.parameters())
        self.folder = folder / f"latents-{hashlib.sha256(weights).hexdigest()[:12]}"
        self.vae, self.pools, self.device = vae, pools, device
        self.folder.mkdir(parents=True, exist_ok=True)
        self.kept: dict[Kind, list[Tensor]] = {kind: [] for kind in KINDS}

    def grow(self, chunks: int) -> None:
        """Have the first `chunks` of each kind ready."""
        for kind in KINDS:
            while len(self.kept[kind]) < chunks:
                index = len(self.kept[kind])
                path = self.folder / f"{kind}-{index:03d}.safetensors"
                if not path.exists():
                    write_safetensors({"latents": self._encode(kind, index)}, path)
                self.kept[kind].append(load_file(str(path))["latents"])

    @torch.no_grad()
    def _encode(self, kind: Kind, index: int) -> Tensor:
        console.print(f"unet: encoding {kind} {index + 1}/{CHUNKS}")
        places = torch.arange(index * CHUNK, (index + 1) * CHUNK).split(50)
        images = ((self.pools[kind].images(p) * 2 - 1).to(self.device) for p in places)
        parts = [self.vae.encode(x.to(memory_format=torch.channels_last)).latents.cpu() for x in images]
        latents: Tensor = torch.cat(parts) * self.vae.config["scaling_factor"]
        return latents.half()

    def pick(self, kind: Kind, places: Tensor) -> Tensor:
        """(n, C, 8, 8) float32 latents at (n,) places of the pool."""
        return torch.stack([self.kept[kind][p // CHUNK][p % CHUNK] for p in places.tolist()]).float()


def train_unet(
    folder: Path,
    tokenizer: CLIPTokenizer,
    clip: CLIP,
    vae: AutoencoderTiny,
    pools: Pools | None,
    device: torch.device,
    *,
    start: Path | None = None,
) -> UNet2DConditionModel:
    """Train (or finish, or load) the U-Net with the denoising loss of Stable Diffusion.

    Args:
        folder: where the state is kept.
        tokenizer, clip, vae: finished.
        pools: the training images; None where the stage is finished.
        device: where to train.
        start: weights of a finished U-Net to start from, instead of random ones.
    """
    unet = build_unet()
    if start is not None:
        start_from(unet, start)
    unet = unet.to(device, memory_format=torch.channels_last)
    stage = Stage("unet", unet, folder, steps=STEPS, rate=8e-4, decay=0.01)
    if stage.step < stage.steps:
        assert pools is not None
        latents = Latents(folder, vae, pools, device)
        text_encoder = text_encoder_of(clip, tokenizer).to(device).requires_grad_(False)
    schedule = scheduler()
    alphas = schedule.alphas_cumprod

    def loss_of(generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        assert pools is not None
        batch = BATCH if stage.step >= FIRST_STEPS else FIRST_BATCH
        chunks = min(CHUNKS, FIRST_CHUNKS + stage.step // STEPS_PER_CHUNK)
        latents.grow(chunks)
        rows, captions = [], []
        for kind in KINDS:
            places = torch.randint(chunks * CHUNK, (batch // 2,), generator=generator)
            rows.append(latents.pick(kind, places))
            keep = torch.rand(batch // 2, generator=generator)
            keep[torch.rand(batch // 2, generator=generator) < WHOLE] = 1.0
            pool = pools[kind]
            captions += write_captions(pool.identities[places], pool.nuisance[places], generator, keep=keep)
        dropped = (torch.rand(batch, generator=generator) < DROP).tolist()
        captions = ["" if drop else caption for caption, drop in zip(captions, dropped, strict=True)]
        clean = torch.cat(rows)
        noise = torch.randn(clean.shape, generator=generator)
        even = (torch.randperm(batch, generator=generator) + torch.rand(batch, generator=generator)) / batch
        times = (even**NOISIER * schedule.config["num_train_timesteps"]).long().clamp(max=999)
        noisy = schedule.add_noise(clean, noise, times).to(device, memory_format=torch.channels_last)
        snr = alphas[times] / (1 - alphas[times])
        weight = (snr.clamp(max=SNR_CAP) / snr).to(device)
        with torch.no_grad():
            text = text_encoder(tokenize(tokenizer, captions).to(device)).last_hidden_state
        predicted = unet(noisy, times.to(device), text).sample
        error = (predicted - noise.to(device)).square().mean(dim=(1, 2, 3))
        return (weight * error).mean(), {"mse": float(error.mean().detach())}

    stage.train(loss_of)
    stage.use_average()
    return unet
