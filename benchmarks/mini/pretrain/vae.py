"""Stage 2: the autoencoder. diffusers' AutoencoderTiny, 64x64 RGB to 8x8 latents of 16 channels.

Pixels alone do not say what matters: a nose or an eyebrow is a handful of them. So its reconstructions are also
compared in the extractor's eyes, at three depths of the image tower, after the same small blur and noise on both
sides, so that nothing can be written into an image that only this very tower reads.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from open_clip.model import CLIP
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from benchmarks.mini.factors import KINDS
from benchmarks.mini.pretrain.clip import MEAN, STD, FactorHeads, resample
from benchmarks.mini.pretrain.loop import Stage
from benchmarks.mini.pretrain.pool import Pools

STEPS, BATCH = 1200, 8  # left out where a finished autoencoder is gone on with
FACTOR_STEPS = 1800  # then as many that also ask the factor heads, mostly on people, whose parts are smaller
CHANNELS = 16
LATENT_NOISE = 0.1  # of a latent's spread: the decoder learns to tolerate latents that a U-Net got slightly wrong
FEATURES, EMBEDDING, FACTORS, SPREAD = 0.08, 0.1, 0.2, 0.02  # weights beside the pixels' error


def build_vae() -> AutoencoderTiny:
    """The untrained autoencoder: most of its blocks at low resolution, where they are cheap."""
    return AutoencoderTiny(
        encoder_block_out_channels=(48, 48, 48, 48),
        decoder_block_out_channels=(48, 48, 48, 48),
        num_encoder_blocks=(0, 2, 3, 4),
        num_decoder_blocks=(4, 4, 3, 1),
        latent_channels=CHANNELS,
    )


def start_from(vae: AutoencoderTiny, checkpoint: Path) -> None:
    """Copy the weights of a finished autoencoder; latent channels that it lacks start near zero."""
    state = vae.state_dict()
    for name, value in load_file(str(checkpoint)).items():
        target = state[name]
        if target.shape == value.shape:
            target.copy_(value.float())
            continue
        target.mul_(0.3)
        target[tuple(slice(n) for n in value.shape)] = value.float()
    vae.load_state_dict(state)


class Eyes:
    """The extractor's image tower as a judge of reconstructions: (layers, embedding), each (B, ...)."""

    def __init__(self, clip: CLIP, device: torch.device) -> None:
        self.tower = clip.visual.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
        self.mean, self.std = (torch.tensor(v, device=device)[:, None, None] for v in (MEAN, STD))
        self.layers: list[Tensor] = []
        self.hooks = [
            layer.register_forward_hook(lambda module, given, output: self.layers.append(output))
            for layer in (self.tower.layer1, self.tower.layer2, self.tower.layer3)
        ]

    def __call__(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Of (B, 3, 64, 64) images in [-1, 1]."""
        self.layers = []
        embedding = self.tower((images / 2 + 0.5 - self.mean) / self.std)
        return self.layers, embedding

    def close(self) -> None:
        """Leave the tower as it was found."""
        for hook in self.hooks:
            hook.remove()


def train_vae(
    folder: Path,
    clip: CLIP,
    heads: FactorHeads,
    pools: Pools | None,
    device: torch.device,
    *,
    start: Path | None = None,
) -> AutoencoderTiny:
    """Train (or finish, or load) the autoencoder; its `scaling_factor` brings latents to unit variance.

    Args:
        folder: where the state is kept.
        clip, heads: the extractor and its read-outs, finished.
        pools: the training images; None where the stage is finished.
        device: where to train.
        start: weights of a finished autoencoder to start from, instead of random ones.
    """
    vae = build_vae()
    if start is not None:
        start_from(vae, start)
    vae = vae.to(device, memory_format=torch.channels_last)
    parts = [("vae", STEPS, 7e-4)] if start is None else []
    parts.append(("vae-factors", FACTOR_STEPS, 3e-4))
    eyes = Eyes(clip, device)
    heads.eval().requires_grad_(False)

    def loss_with(people: int, factors: float) -> Callable[[torch.Generator], tuple[Tensor, dict[str, float]]]:
        counts = {KINDS[0]: people, KINDS[1]: BATCH - people}

        def loss_of(generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
            assert pools is not None
            places = {kind: pools[kind].pick(counts[kind], generator) for kind in KINDS}
            images = torch.cat([pools[kind].images(p) for kind, p in places.items()]) * 2 - 1
            images = images.to(device, memory_format=torch.channels_last)
            latents = vae.encode(images).latents
            noise = torch.randn(latents.shape, generator=generator).to(device) * LATENT_NOISE
            decoded = vae.decode(latents + noise * latents.detach().std()).sample
            mse = mse_loss(decoded, images)
            both = resample(torch.cat([images, decoded]), 48, generator)
            with torch.no_grad():
                real, meant = eyes(both[:BATCH])
            made, found = eyes(both[BATCH:])
            features = torch.stack([_distance(*pair) for pair in zip(real, made, strict=True)]).sum()
            embedded = _distance(meant, found)
            means, spreads = latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3))
            shape = means.square().mean() + (spreads - 1).square().mean()
            read = [
                heads.loss(part, pools[kind].identities[places[kind]], focus=False)
                for part, kind in zip(found.split(list(counts.values())), KINDS, strict=True)
            ]
            misread = torch.stack([error + 0.3 * entropy for error, entropy in read]).mean()
            loss = mse + 0.2 * l1_loss(decoded, images) + FEATURES * features + EMBEDDING * embedded
            return loss + SPREAD * shape + factors * misread, {
                "psnr": float(10 * torch.log10(4 / mse.detach())),
                "features": float(features.detach()),
                "embedding": float(embedded.detach()),
                "misread": float(misread.detach()),
            }

        return loss_of

    for name, steps, rate in parts:
        stage = Stage(name, vae, folder, steps=steps, rate=rate, ema=0.995)
        people, factors = (BATCH // 2, 0.0) if name == "vae" else (3 * BATCH // 4, FACTORS)
        stage.train(loss_with(people, factors))
        stage.use_average()
    eyes.close()
    vae.register_to_config(scaling_factor=_scale(vae, pools, device) if pools is not None else _kept_scale(folder))
    (folder / "vae-scale.txt").write_text(f"{vae.config['scaling_factor']}\n", encoding="utf-8")
    return vae


def _distance(real: Tensor, made: Tensor) -> Tensor:
    """Mean squared error, in units of the real one's variance."""
    return (real - made).square().mean() / real.var().clamp(min=1e-6)


@torch.no_grad()
def _scale(vae: AutoencoderTiny, pools: Pools, device: torch.device) -> float:
    images = torch.cat([pools[kind].images(torch.arange(128)) for kind in KINDS]) * 2 - 1
    return round(1 / float(vae.encode(images.to(device)).latents.std()), 5)


def _kept_scale(folder: Path) -> float:
    return float((folder / "vae-scale.txt").read_text(encoding="utf-8"))
