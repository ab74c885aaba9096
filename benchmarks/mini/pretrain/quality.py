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
from benchmarks.mini.probes import EXTRACTOR, Probe
from benchmarks.mini.world import render
from harness.backbones.hashes import Fingerprints

FIT, TEST = 10_000, 2000  # images of each kind that the probes are fitted on and tested on


def draw(kind: Kind, split: Split, count: int, seed: int) -> tuple[Identities, Tensor, Tensor]:
    """Identities, nuisances and images (count, 3, 64, 64) in [0, 1], one image an identity."""
    generator = torch.Generator().manual_seed(seed)
    identities = draw_identities(kind, split, count, generator)
    nuisance = draw_nuisance(kind, count, generator)
    images = [render(identities[i : i + 50], nuisance[i : i + 50]) for i in range(0, count, 50)]
    return identities, nuisance, torch.cat(images)


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


def caption_following(
    clip: CLIP, probes: Mapping[Kind, Probe], pipeline: Any, count: int = 64, steps: int = 20, guidance: float = 2.0
) -> dict[str, Any]:
    """How often a generated image shows what its caption names, beside the same on real renders.

    Captions name all common factors of unseen identities; the CLIP's linear probes read them off the images.
    """
    result: dict[str, Any] = {}
    for kind in KINDS:
        generator = torch.Generator().manual_seed(14)
        identities, nuisance, renders = draw(kind, "probe", count, 15)
        captions = write_captions(identities, nuisance, generator, short=True, keep=1.0)
        images = sample(pipeline, captions, steps=steps, guidance=guidance)
        named = [f.name for f in WORLDS[kind].discrete if f.common]
        shown, real = (scores(probes[kind], embed(clip, x), identities) for x in (images, renders))
        result[kind] = {name: {"samples": shown[name], "renders": real[name]} for name in named}
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
