"""The factors of the procedural world: what makes an identity, and what varies from photo to photo.

An *identity* (a person or a waterfall) is a vector of continuous factors in [0, 1] and of discrete ones. A *nuisance*
vector (pose, light, background, ...) is drawn afresh for every image. Each identity factor can be put into words, but
words name only the slice of its range that a value falls into: the value within it is what words cannot tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor

Kind = Literal["person", "waterfall"]
Split = Literal["pretrain", "probe", "tuning", "benchmark"]

KINDS: Final[tuple[Kind, ...]] = ("person", "waterfall")


@dataclass(frozen=True)
class Continuous:
    """A factor in [0, 1]. `words` name equal slices of the range; a caption uses the slice the value falls into."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Discrete:
    """A factor with `len(levels)` equally likely levels, each with its caption phrase ('' is never named)."""

    name: str
    levels: tuple[str, ...]


@dataclass(frozen=True)
class World:
    """The factors of one kind. The first continuous factor also separates the splits (see `draw_identities`)."""

    kind: Kind
    continuous: tuple[Continuous, ...]
    discrete: tuple[Discrete, ...]
    nuisance: tuple[str, ...]

    def index(self, name: str) -> int:
        """Position of a continuous factor in `Identities.continuous`; `ValueError` if there is none of that name."""
        return [f.name for f in self.continuous].index(name)


PERSON = World(
    kind="person",
    continuous=(
        Continuous("face_width", ("narrow face", "average face", "wide face")),
        Continuous("face_length", ("short face", "medium face", "long face")),
        Continuous("jaw", ("pointed jaw", "round jaw", "square jaw")),
        Continuous("skin", ("pale skin", "tan skin", "dark skin")),
        Continuous("eye_size", ("small eyes", "medium eyes", "large eyes")),
        Continuous("eye_spacing", ("close eyes", "even eyes", "distant eyes")),
        Continuous("eye_height", ("low eyes", "level eyes", "high eyes")),
        Continuous("brow_thickness", ("thin brows", "medium brows", "thick brows")),
        Continuous("brow_tilt", ("sad brows", "straight brows", "angry brows")),
        Continuous("nose_length", ("short nose", "medium nose", "long nose")),
        Continuous("nose_width", ("narrow nose", "average nose", "wide nose")),
        Continuous("mouth_width", ("small mouth", "medium mouth", "broad mouth")),
        Continuous("lip_fullness", ("thin lips", "medium lips", "full lips")),
        Continuous("hairline", ("low hairline", "medium hairline", "high hairline")),
    ),
    discrete=(
        Discrete("hair_colour", ("black hair", "brown hair", "blond hair", "red hair", "grey hair")),
        Discrete("hair_length", ("short hair", "medium hair", "long hair")),
        Discrete("eye_colour", ("brown eyes", "blue eyes", "green eyes")),
        Discrete("glasses", ("no glasses", "round glasses", "square glasses")),
        Discrete("beard", ("no beard", "moustache", "beard")),
    ),
    nuisance=("dx", "dy", "roll", "yaw", "zoom", "light", "shade", "smile", "background", "background_value", "shirt"),
)

WATERFALL = World(
    kind="waterfall",
    continuous=(
        Continuous("cliff_height", ("low cliff", "medium cliff", "high cliff")),
        Continuous("skyline_slope", ("left slope", "level skyline", "right slope")),
        Continuous("skyline_bumps", ("smooth skyline", "wavy skyline", "jagged skyline")),
        Continuous("strata_thickness", ("fine strata", "medium strata", "coarse strata")),
        Continuous("strata_tilt", ("falling strata", "flat strata", "rising strata")),
        Continuous("strata_contrast", ("faint strata", "visible strata", "strong strata")),
        Continuous("fall_width", ("narrow falls", "medium falls", "wide falls")),
        Continuous("fall_offset", ("left falls", "central falls", "right falls")),
        Continuous("pool_width", ("small pool", "medium pool", "large pool")),
        Continuous("pool_level", ("high pool", "middle pool", "deep pool")),
        Continuous("tree_size", ("small plants", "medium plants", "large plants")),
        Continuous("tree_density", ("few plants", "some plants", "many plants")),
    ),
    discrete=(
        Discrete("cliff_colour", ("grey cliff", "red cliff", "dark cliff", "sandy cliff")),
        Discrete("count", ("single stream", "two streams", "three streams")),
        Discrete("steps", ("straight drop", "stepped drop")),
        Discrete("vegetation", ("bushes", "pines", "leafy trees")),
        Discrete("season", ("green leaves", "autumn leaves")),
        Discrete("pool_colour", ("blue water", "green water", "brown water")),
    ),
    nuisance=("dx", "dy", "zoom", "time", "light", "mist", "cloud", "streaks"),
)

WORLDS: Final[dict[Kind, World]] = {"person": PERSON, "waterfall": WATERFALL}

# The range of the first continuous factor is cut into 64 thin slabs; a slab's number modulo 8 says which split owns it.
# Two identities of different splits therefore differ in that factor, by construction.
SLABS: Final = 64
SPLIT_RESIDUES: Final[dict[Split, tuple[int, ...]]] = {
    "pretrain": (0, 1, 2, 3, 4),
    "probe": (5,),
    "tuning": (6,),
    "benchmark": (7,),
}


@dataclass(frozen=True)
class Identities:
    """A batch of identities of one kind: `continuous` (B, C) float32 in [0, 1], `discrete` (B, D) int64."""

    kind: Kind
    continuous: Tensor
    discrete: Tensor

    def __len__(self) -> int:
        return self.continuous.shape[0]

    def __getitem__(self, index: slice | Tensor | Sequence[int]) -> Identities:
        return Identities(self.kind, self.continuous[index], self.discrete[index])

    def repeat(self, times: int) -> Identities:
        """Each identity `times` times in a row."""
        return Identities(
            self.kind, self.continuous.repeat_interleave(times, 0), self.discrete.repeat_interleave(times, 0)
        )


def split_of(identities: Identities) -> list[Split]:
    """Which split owns each identity, from its first continuous factor."""
    slabs = (identities.continuous[:, 0] * SLABS).long().clamp(max=SLABS - 1)
    owner: dict[int, Split] = {residue: split for split, residues in SPLIT_RESIDUES.items() for residue in residues}
    return [owner[int(slab) % 8] for slab in slabs]


def draw_identities(kind: Kind, split: Split, count: int, generator: torch.Generator) -> Identities:
    """`count` identities of one split; the same generator state gives the same identities."""
    world = WORLDS[kind]
    continuous = torch.rand(count, len(world.continuous), generator=generator)
    residues = torch.tensor(SPLIT_RESIDUES[split])
    residue = residues[torch.randint(len(residues), (count,), generator=generator)]
    group = torch.randint(SLABS // 8, (count,), generator=generator)
    # stay off the slab's edges, so that float rounding can never move an identity into a neighbouring split
    inside = 0.05 + 0.9 * continuous[:, 0]
    continuous[:, 0] = (group * 8 + residue + inside) / SLABS
    discrete = torch.stack(
        [torch.randint(len(factor.levels), (count,), generator=generator) for factor in world.discrete], dim=1
    )
    return Identities(kind, continuous, discrete)


def draw_nuisance(kind: Kind, count: int, generator: torch.Generator) -> Tensor:
    """(count, n) float32 in [0, 1]: what varies from image to image of the same identity."""
    return torch.rand(count, len(WORLDS[kind].nuisance), generator=generator)
