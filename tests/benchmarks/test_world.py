from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.mini.captions import all_caption_words, all_phrases, write_captions
from benchmarks.mini.factors import (
    KINDS,
    SPLIT_RESIDUES,
    WORLDS,
    Identities,
    Kind,
    draw_identities,
    draw_nuisance,
    split_of,
)
from benchmarks.mini.world import render

SPLITS = sorted(SPLIT_RESIDUES)


def draw(kind: Kind, count: int = 4, seed: int = 0, split: str = "pretrain") -> tuple[Identities, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return draw_identities(kind, split, count, generator), draw_nuisance(kind, count, generator)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_renders_are_finite_images_and_repeat(kind: Kind) -> None:
    images = render(*draw(kind))
    assert images.shape == (4, 3, 64, 64)
    assert images.dtype == torch.float32
    assert images.min() >= 0
    assert images.max() <= 1
    assert images.std(dim=(2, 3)).min() > 0.02
    assert torch.equal(images, render(*draw(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_does_not_depend_on_its_batch(kind: Kind) -> None:
    identities, nuisance = draw(kind, 5)
    alone = torch.cat([render(identities[i : i + 1], nuisance[i : i + 1]) for i in range(5)])
    assert torch.allclose(render(identities, nuisance), alone, atol=1e-5)


@given(st.integers(0, 2**31), st.sampled_from(KINDS), st.sampled_from(SPLITS))
@settings(max_examples=40, deadline=None)
def test_every_identity_belongs_to_the_split_it_was_drawn_for(seed: int, kind: Kind, split: str) -> None:
    identities, _ = draw(kind, 16, seed, split)
    assert split_of(identities) == [split] * 16
    assert identities.continuous.min() >= 0
    assert identities.continuous.max() <= 1


def test_the_splits_share_no_residue() -> None:
    residues = [r for part in SPLIT_RESIDUES.values() for r in part]
    assert sorted(residues) == list(range(8))


@pytest.mark.parametrize("kind", KINDS)
def test_every_identity_factor_is_visible(kind: Kind) -> None:
    """Moving one factor from end to end changes the picture of someone who shows it, by at least twenty grey levels."""
    world = WORLDS[kind]
    middle = Identities(kind, torch.full((1, len(world.continuous)), 0.5), torch.zeros(1, len(world.discrete)).long())
    nuisance = torch.full((1, len(world.nuisance)), 0.5)
    for index in range(len(world.continuous)):
        ends = []
        for value in (0.0, 1.0):
            continuous = middle.continuous.clone()
            continuous[0, index] = value
            ends.append(render(Identities(kind, continuous, middle.discrete), nuisance))
        assert (ends[0] - ends[1]).abs().max() > 20 / 255, world.continuous[index].name
    for index, factor in enumerate(world.discrete):
        pictures = []
        for level in range(len(factor.levels)):
            discrete = middle.discrete.clone()
            discrete[0, index] = level
            pictures.append(render(Identities(kind, middle.continuous, discrete), nuisance))
        for i, one in enumerate(pictures):
            assert all((one - other).abs().max() > 20 / 255 for other in pictures[:i]), factor.name


def test_captions_name_what_is_there() -> None:
    for kind in KINDS:
        world = WORLDS[kind]
        identities, nuisance = draw(kind, 8)
        generator = torch.Generator().manual_seed(0)
        captions = write_captions(identities, nuisance, generator, keep=1.0)
        alone = write_captions(identities, nuisance, generator, keep=1.0, scene=False)
        for row, caption, who in zip(range(8), captions, alone, strict=True):
            assert caption.startswith(f"a photo of a {kind} with ")
            for index, factor in enumerate(world.discrete):
                assert factor.levels[int(identities.discrete[row, index])] in who
            for index, factor in enumerate(world.continuous):
                value = float(identities.continuous[row, index])
                assert factor.words[min(int(3 * value), 2)] in who
            assert len(who.split()) < len(caption.split())
            assert set(caption.split()) <= set(all_caption_words())
    keep = torch.tensor([0.0] * 4 + [1.0] * 4)
    mixed = write_captions(identities, nuisance, generator, keep=keep)
    assert mixed[:4] == [f"a photo of a {kind}"] * 4
    assert all(" with " in caption for caption in mixed[4:])


def test_every_factor_is_named_about_as_often_as_asked() -> None:
    identities, nuisance = draw("person", 1)
    many, views = identities.repeat(400), nuisance.repeat_interleave(400, 0)
    captions = write_captions(many, views, torch.Generator().manual_seed(1), keep=0.5)
    held = [phrase for phrase in all_phrases() if any(f" {phrase}" in caption for caption in captions)]
    assert len(held) >= len(WORLDS["person"].continuous) + len(WORLDS["person"].discrete)
    for phrase in held:
        assert sum(f" {phrase}" in caption for caption in captions) / 400 > 0.4, phrase


def test_the_grid_tool_writes_a_picture(tmp_path: Path) -> None:
    target = tmp_path / "grid.png"
    command = [sys.executable, "-m", "benchmarks.mini.world", "--grid", str(target), "--rows", "2", "--columns", "3"]
    subprocess.run(command, check=True)
    assert Image.open(target).size == (2 * 3 * 64, 2 * 64)
