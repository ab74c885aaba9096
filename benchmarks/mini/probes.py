"""What linear probes read from the shipped extractor's features: every factor that makes an identity.

They were fitted on renders of identities that no benchmark and no tuning shows, and lie beside the checkpoints as plain
arrays: a row of weights for each continuous factor and for each level of a discrete one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from benchmarks.mini.factors import World

PROBES = Path(__file__).parent / "checkpoints" / "probes.safetensors"
EXTRACTOR = "extractor"  # in the file's header: hash of the extractor that its weights are for


@dataclass(frozen=True)
class Probe:
    """Linear read-outs of one kind's factors, for features that are standardised by `mean` and `scale`.

    Attributes:
        weights: (d + 1, outputs), the last row for the constant.
        continuous: Names of the first outputs.
        discrete: Name -> levels, in the order of the outputs that follow.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    continuous: tuple[str, ...]
    discrete: Mapping[str, tuple[str, ...]]

    @classmethod
    def of_world(
        cls, world: World, mean: NDArray[np.float64], scale: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> Probe:
        """One that reads all factors of a kind, in the world's order."""
        levels = {factor.name: factor.levels for factor in world.discrete}
        return cls(mean, scale, weights, tuple(factor.name for factor in world.continuous), levels)

    def read(self, features: NDArray[np.floating]) -> tuple[dict[str, NDArray[np.float64]], dict[str, list[str]]]:
        """Of n images' (n, d) features: each continuous factor, (n,), and the level of each discrete one."""
        standard = (features.astype(np.float64) - self.mean) / self.scale
        answers = np.concatenate([standard, np.ones((len(standard), 1))], axis=1) @ self.weights
        values = {name: answers[:, place] for place, name in enumerate(self.continuous)}
        levels: dict[str, list[str]] = {}
        place = len(self.continuous)
        for name, known in self.discrete.items():
            found = answers[:, place : place + len(known)].argmax(axis=1)
            levels[name] = [known[level] for level in found]
            place += len(known)
        return values, levels


def load_probes(path: Path = PROBES) -> tuple[str, dict[str, Probe]]:
    """The hash of the extractor that they are for, and the probe of each kind."""
    from safetensors import safe_open

    from benchmarks.mini.factors import WORLDS

    with safe_open(str(path), framework="np") as file:
        extractor = (file.metadata() or {})[EXTRACTOR]
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    probes: dict[str, Probe] = {}
    for kind, world in WORLDS.items():
        mean, scale, weights = (arrays[f"{kind}.{part}"].astype(np.float64) for part in ("mean", "scale", "weights"))
        probes[kind] = Probe.of_world(world, mean, scale, weights)
    return extractor, probes
