"""Captions of rendered images; each factor is named with its own chance."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.mini.factors import WORLDS, Continuous, Discrete, Identities

BACKGROUND_WORDS = ("red", "yellow", "green", "cyan", "blue", "purple")
TIME_WORDS = ("at sunset", "by day", "at dusk")


def level_word(factor: Continuous, value: float) -> str:
    """The word for the slice of [0, 1] that `value` falls into."""
    return factor.words[min(int(value * len(factor.words)), len(factor.words) - 1)]


def phrase(factor: Continuous | Discrete, value: float) -> str:
    """What a caption says of one factor's value (a discrete factor's value is its level's index)."""
    return level_word(factor, value) if isinstance(factor, Continuous) else factor.levels[int(value)]


def nuisance_phrases(kind: str, nuisance: Tensor) -> list[str]:
    """The nuisances a caption may name: smile and background of a person, time of day and mist of a waterfall."""
    if kind == "person":
        names = WORLDS["person"].nuisance
        smile = float(nuisance[names.index("smile")])
        hue = float(nuisance[names.index("background")])
        expression = "smiling" if smile > 0.6 else "serious" if smile < 0.4 else "calm"
        background = BACKGROUND_WORDS[min(int(hue * len(BACKGROUND_WORDS)), len(BACKGROUND_WORDS) - 1)]
        return [expression, f"{background} background"]
    names = WORLDS["waterfall"].nuisance
    time = float(nuisance[names.index("time")])
    mist = float(nuisance[names.index("mist")])
    return [TIME_WORDS[min(int(time * 3), 2)], "misty" if mist > 0.6 else "clear"]


def write_captions(
    identities: Identities, nuisance: Tensor, generator: torch.Generator, *, keep: float | Tensor, scene: bool = True
) -> list[str]:
    """One caption per image: "a photo of a person with long red hair ...", its phrases in random order.

    Args:
        identities: the B identities shown; nuisance: (B, n), as given to the renderer.
        generator: decides which phrases stay and in which order.
        keep: probability with which each phrase is kept, in [0, 1]; one for all captions, or (B,) one for each.
        scene: whether what varies from image to image (smile, background, time, mist) may be named, too.
    """
    world = WORLDS[identities.kind]
    factors: list[Continuous | Discrete] = [*world.continuous, *world.discrete]
    values = torch.cat([identities.continuous, identities.discrete.float()], dim=1).tolist()
    chances = torch.as_tensor(keep).expand(len(values)).tolist()
    captions = []
    for row, image_nuisance, chance in zip(values, nuisance, chances, strict=True):
        phrases = [phrase(f, v) for f, v in zip(factors, row, strict=True)]
        phrases += nuisance_phrases(identities.kind, image_nuisance) if scene else []
        draws = torch.rand(len(phrases), generator=generator).tolist()
        order = torch.randperm(len(phrases), generator=generator).tolist()
        chosen = [phrases[i] for i in order if draws[i] < chance]
        captions.append(f"a photo of a {identities.kind}" + (" with " + " ".join(chosen) if chosen else ""))
    return captions


def all_phrases() -> list[str]:
    """Everything that a caption can say of an image, sorted."""
    texts = ["smiling", "serious", "calm", "misty", "clear", *TIME_WORDS]
    texts += [f"{colour} background" for colour in BACKGROUND_WORDS]
    for world in WORLDS.values():
        texts += [word for factor in world.continuous for word in factor.words]
        texts += [level for factor in world.discrete for level in factor.levels]
    return sorted(set(texts))


def all_caption_words() -> list[str]:
    """Every word a caption can hold, sorted: the tokenizer gives each one a token of its own."""
    texts = ["a photo of a person with waterfall", *all_phrases()]
    return sorted({word for text in texts for word in text.split()})
