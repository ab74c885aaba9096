"""How good the checkpoints are, on identities never trained on; the model card prints these figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from open_clip.model import CLIP
from safetensors.numpy import save_file
from torch import Tensor

from benchmarks.mini.captions import write_captions
from benchmarks.mini.factors import KINDS, WORLDS, Identities, Kind, Split, draw_identities, draw_nuisance
from benchmarks.mini.pretrain.clip import MEAN, STD
from benchmarks.mini.pretrain.pool import render_all
from benchmarks.mini.probes import EXTRACTOR, Probe
from harness.backbones.hashes import Fingerprints
from harness.metrics.mmd import mmd
from harness.metrics.scores import SCALE

FIT, TEST = 10_000, 2000  # images of each kind that the probes are fitted on and tested on


def draw(kind: Kind, split: Split, count: int, seed: int) -> tuple[Identities, Tensor, Tensor]:
    """Identities, nuisances and images (count, 3, 64, 64) in [0, 1], one image an identity."""
    generator = torch.Generator().manual_seed(seed)
    identities = draw_identities(kind, split, count, generator)
    nuisance = draw_nuisance(kind, count, generator)
    return identities, nuisance, render_all(identities, nuisance)


@torch.no_grad()
def reconstruct(vae: AutoencoderTiny, images: Tensor) -> Tensor:
    """What the autoencoder makes of (n, 3, 64, 64) images in [0, 1]."""
    parts = [vae.decode(vae.encode(batch * 2 - 1).latents).sample for batch in images.split(50)]
    return (torch.cat(parts) / 2 + 0.5).clamp(0, 1)


@torch.no_grad()
def embed(clip: CLIP, images: Tensor) -> NDArray[np.float64]:
    """(n, d) image features, of images rounded to 8 bits as the metrics see them."""
    mean, std = (torch.tensor(v)[:, None, None] for v in (MEAN, STD))
    rounded = (images * 255).round() / 255
    return torch.cat([clip.encode_image((b - mean) / std) for b in rounded.split(50)]).double().numpy()


def psnr(vae: AutoencoderTiny, kind: Kind, count: int = 500) -> float:
    """Mean over `count` unseen images of the reconstruction's PSNR, dB."""
    _, _, images = draw(kind, "probe", count, 11)
    error = (reconstruct(vae, images) - images).square().mean(dim=(1, 2, 3))
    return float((-10 * torch.log10(error)).mean())


def fit_probe(clip: CLIP, kind: Kind, ridge: float = 1e-2) -> Probe:
    """Read-outs of every factor of one kind: ridge regression on features of identities of the pre-training split."""
    identities, _, images = draw(kind, "pretrain", FIT, 12)
    features, world = embed(clip, images), WORLDS[kind]
    mean, scale = features.mean(0), features.std(0) + 1e-9
    targets = [identities.continuous.double().numpy()]
    for index, factor in enumerate(world.discrete):
        targets.append(np.eye(len(factor.levels))[identities.discrete[:, index].numpy()])
    x = np.concatenate([(features - mean) / scale, np.ones((len(features), 1))], 1)
    penalty = ridge * len(x) * np.eye(x.shape[1])
    penalty[-1, -1] = 0
    weights = np.linalg.solve(x.T @ x + penalty, x.T @ np.concatenate(targets, 1))
    return Probe.of_world(world, mean, scale, weights)


def save_probes(probes: Mapping[Kind, Probe], extractor: Path, path: Path) -> None:
    """Write them as float32, with the hash of the extractor's folder that they are for."""
    arrays = {
        f"{kind}.{part}": getattr(probe, part).astype(np.float32)
        for kind, probe in probes.items()
        for part in ("mean", "scale", "weights")
    }
    save_file(arrays, str(path), metadata={EXTRACTOR: Fingerprints().folder(extractor)})


def scores(probe: Probe, features: NDArray[np.floating], identities: Identities) -> dict[str, float]:
    """R2 of each continuous factor, accuracy of each discrete one, over images of different identities."""
    values, levels = probe.read(features)
    world, result = WORLDS[identities.kind], dict[str, float]()
    for index, name in enumerate(values):
        truth = identities.continuous[:, index].double().numpy()
        result[name] = float(1 - ((values[name] - truth) ** 2).mean() / truth.var())
    for index, factor in enumerate(world.discrete):
        right = [factor.levels[k] for k in identities.discrete[:, index].tolist()]
        result[factor.name] = float(np.mean([a == b for a, b in zip(levels[factor.name], right, strict=True)]))
    return result


def probe_scores(
    clip: CLIP, probes: Mapping[Kind, Probe], vae: AutoencoderTiny | None
) -> dict[str, dict[str, dict[str, float]]]:
    """Per kind: the probes' scores on unseen identities, on renders and (given a VAE) on its reconstructions."""
    result: dict[str, dict[str, dict[str, float]]] = {}
    for kind in KINDS:
        identities, _, images = draw(kind, "probe", TEST, 13)
        result[kind] = {"renders": scores(probes[kind], embed(clip, images), identities)}
        if vae is not None:
            made = embed(clip, reconstruct(vae, images))
            result[kind]["reconstructions"] = scores(probes[kind], made, identities)
    return result


def codec_floor(clip: CLIP, vae: AutoencoderTiny, kind: Kind, count: int = 25, images: int = 16) -> dict[str, float]:
    """A_mmd (times 1000, as the tables print it) of each unseen identity's images against something else's, mean.

    `floor`: against their own reconstructions; `self`: between two draws of its images; `other`: against another
    identity's images. All sets have `images` images.
    """
    generator = torch.Generator().manual_seed(16)
    identities = draw_identities(kind, "probe", count, generator).repeat(2 * images)
    renders = render_all(identities, draw_nuisance(kind, len(identities), generator))
    real = embed(clip, renders).reshape(count, 2, images, -1)
    first = renders.reshape(count, 2, images, *renders.shape[1:])[:, 0].flatten(0, 1)
    made = embed(clip, reconstruct(vae, first)).reshape(count, images, -1)
    pairs = {
        "floor": [mmd(real[i, 0], made[i], "v") for i in range(count)],
        "self": [mmd(real[i, 0], real[i, 1], "v") for i in range(count)],
        "other": [mmd(real[i, 0], real[i - 1, 0], "v") for i in range(count)],
    }
    return {name: float(np.mean(values)) * SCALE for name, values in pairs.items()}


def caption_following(
    clip: CLIP, probes: Mapping[Kind, Probe], pipeline: Any, count: int = 96, steps: int = 20, guidance: float = 2.0
) -> dict[str, Any]:
    """How well a generated image shows what its caption says, beside the same on real renders.

    Captions name every factor of unseen identities. The probes read them off the images: R2 of each continuous factor
    against the middle of the level that was named, accuracy of each discrete one.
    """
    result: dict[str, Any] = {}
    for kind in KINDS:
        generator = torch.Generator().manual_seed(14)
        identities, nuisance, renders = draw(kind, "probe", count, 15)
        captions = write_captions(identities, nuisance, generator, keep=1.0, scene=False)
        images = sample(pipeline, captions, steps=steps, guidance=guidance)
        levels = torch.tensor([len(f.words) for f in WORLDS[kind].continuous])
        named = ((identities.continuous * levels).floor().clamp(max=levels - 1) + 0.5) / levels
        spoken = Identities(kind, named, identities.discrete)
        shown, real = (scores(probes[kind], embed(clip, x), spoken) for x in (images, renders))
        result[kind] = {name: {"samples": shown[name], "renders": real[name]} for name in shown}
    return result


@torch.no_grad()
def sample(pipeline: Any, captions: Sequence[str], *, steps: int, guidance: float) -> Tensor:
    """(n, 3, 64, 64) in [0, 1]: one image a caption, seeded by its place."""
    images = []
    for first in range(0, len(captions), 32):
        chunk = list(captions[first : first + 32])
        generators = [torch.Generator().manual_seed(first + i) for i in range(len(chunk))]
        output = pipeline(
            chunk, num_inference_steps=steps, guidance_scale=guidance, generator=generators, output_type="pt"
        )
        images.append(output.images.float().cpu())
    return torch.cat(images)
