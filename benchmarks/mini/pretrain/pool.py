"""The training images, rendered once: every stage draws from the same pool instead of rendering for itself.

Rendering costs as much as a step of the extractor; a pool of some ten thousand identities a kind is used several times
over by four stages. It lies in the work folder as files of `CHUNK` images, each written when it is missing, so that
a killed run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.mini.factors import KINDS, Identities, Kind, draw_identities, draw_nuisance
from benchmarks.mini.pretrain.loop import console, step_generator, write_safetensors
from benchmarks.mini.world import render

CHUNKS, CHUNK = 30, 1000  # files of each kind, and images in each; one image an identity


@dataclass(frozen=True)
class Pool:
    """N images of one kind: identities, nuisance (N, n) and pixels (N, 3, 64, 64) uint8."""

    identities: Identities
    nuisance: Tensor
    pixels: Tensor

    def __len__(self) -> int:
        return len(self.identities)

    def pick(self, count: int, generator: torch.Generator) -> Tensor:
        """(count,) places drawn with replacement."""
        return torch.randint(len(self), (count,), generator=generator)

    def images(self, places: Tensor) -> Tensor:
        """(n, 3, 64, 64) float32 in [0, 1]."""
        return self.pixels[places].float() / 255


Pools = Mapping[Kind, Pool]


def render_all(identities: Identities, nuisance: Tensor) -> Tensor:
    """(n, 3, 64, 64) in [0, 1], fifty at a time."""
    count = len(identities)
    return torch.cat([render(identities[i : i + 50], nuisance[i : i + 50]) for i in range(0, count, 50)])


def _chunk(kind: Kind, index: int, path: Path) -> None:
    generator = step_generator(f"pool-{kind}", index)
    identities = draw_identities(kind, "pretrain", CHUNK, generator)
    nuisance = draw_nuisance(kind, CHUNK, generator)
    pixels = (render_all(identities, nuisance) * 255).round().byte()
    write_safetensors(
        {"continuous": identities.continuous, "discrete": identities.discrete, "nuisance": nuisance, "pixels": pixels},
        path,
    )


def load_pools(folder: Path, chunks: int = CHUNKS) -> dict[Kind, Pool]:
    """The pools of both kinds, from `folder`/images; what is missing there is rendered first."""
    target = folder / "images"
    target.mkdir(parents=True, exist_ok=True)
    pools: dict[Kind, Pool] = {}
    paths = {kind: [target / f"{kind}-{index:03d}.safetensors" for index in range(chunks)] for kind in KINDS}
    for index in range(chunks):
        for kind in KINDS:
            if not paths[kind][index].exists():
                _chunk(kind, index, paths[kind][index])
                console.print(f"images: {kind} {(index + 1) * CHUNK}/{chunks * CHUNK}")
    for kind in KINDS:
        parts = [load_file(str(path)) for path in paths[kind]]
        whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        identities = Identities(kind, whole["continuous"], whole["discrete"])
        pools[kind] = Pool(identities, whole["nuisance"], whole["pixels"])
    return pools
