"""How good the checkpoints are, on identities never trained on; the model card prints these figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from open_clip.model import CLIP
from torch import Tensor

from benchmarks.mini.captions import write_captions
from benchmarks.mini.factors import KINDS, WORLDS, Identities, Kind, Split, draw_identities, draw_nuisance
from benchmarks.mini.pretrain.clip import MEAN, STD
from benchmarks.mini.world import render

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


class Probe:
    """Linear read-outs (ridge regression) of every factor of one kind from the CLIP's image features."""

    def __init__(self, clip: CLIP, kind: Kind, ridge: float = 1e-2) -> None:
        self.kind = kind
        identities, _, images = draw(kind, "pretrain", FIT, 12)
        features = embed(clip, images)
        self.mean, self.scale = features.mean(0), features.std(0) + 1e-9
        self.columns: list[tuple[str, int]] = [(f.name, 1) for f in WORLDS[kind].continuous]
        targets = [identities.continuous.double().numpy()]
        for index, factor in enumerate(WORLDS[kind].discrete):
            targets.append(np.eye(len(factor.levels))[identities.discrete[:, index].numpy()])
        x = self._design(features)
        penalty = ridge * len(x) * np.eye(x.shape[1])
        penalty[-1, -1] = 0
        self.weights = np.linalg.solve(x.T @ x + penalty, x.T @ np.concatenate(targets, 1))

    def _design(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([(features - self.mean) / self.scale, np.ones((len(features), 1))], 1)

    def predict(self, features: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[NDArray[np.int64]]]:
        """Continuous factors (n, C), and per discrete factor the predicted levels (n,)."""
        answers = self._design(features) @ self.weights
        world = WORLDS[self.kind]
        position = len(world.continuous)
        levels = []
        for factor in world.discrete:
            levels.append(answers[:, position : position + len(factor.levels)].argmax(1))
            position += len(factor.levels)
        return answers[:, : len(world.continuous)], levels

    def scores(self, features: NDArray[np.float64], identities: Identities) -> dict[str, float]:
        """R2 of each continuous factor, accuracy of each discrete one."""
        continuous, levels = self.predict(features)
        truth = identities.continuous.double().numpy()
        r2 = 1 - ((continuous - truth) ** 2).mean(0) / truth.var(0)
        world = WORLDS[self.kind]
        result = {f.name: float(v) for f, v in zip(world.continuous, r2, strict=True)}
        for index, factor in enumerate(world.discrete):
            result[factor.name] = float((levels[index] == identities.discrete[:, index].numpy()).mean())
        return result


def probe_scores(clip: CLIP, vae: AutoencoderTiny | None) -> dict[str, dict[str, dict[str, float]]]:
    """Per kind: the probes' scores on unseen identities, on renders and (given a VAE) on its reconstructions."""
    result: dict[str, dict[str, dict[str, float]]] = {}
    for kind in KINDS:
        probe = Probe(clip, kind)
        identities, _, images = draw(kind, "probe", TEST, 13)
        result[kind] = {"renders": probe.scores(embed(clip, images), identities)}
        if vae is not None:
            result[kind]["reconstructions"] = probe.scores(embed(clip, reconstruct(vae, images)), identities)
    return result


def caption_following(
    clip: CLIP, pipeline: Any, count: int = 64, steps: int = 20, guidance: float = 2.0
) -> dict[str, Any]:
    """How often a generated image shows what its caption names, beside the same on real renders.

    Captions name all common factors of unseen identities; the CLIP's linear probes read them off the images.
    """
    result: dict[str, Any] = {}
    for kind in KINDS:
        probe = Probe(clip, kind)
        generator = torch.Generator().manual_seed(14)
        identities, nuisance, renders = draw(kind, "probe", count, 15)
        captions = write_captions(identities, nuisance, generator, short=True, keep=1.0)
        images = sample(pipeline, captions, steps=steps, guidance=guidance)
        named = [i for i, f in enumerate(WORLDS[kind].discrete) if f.common]
        shown, real = (probe.predict(embed(clip, x))[1] for x in (images, renders))
        result[kind] = {
            WORLDS[kind].discrete[i].name: {
                "samples": float((shown[i] == identities.discrete[:, i].numpy()).mean()),
                "renders": float((real[i] == identities.discrete[:, i].numpy()).mean()),
            }
            for i in named
        }
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
