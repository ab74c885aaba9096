"""Object classes and renditions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.mini import objects
from benchmarks.mini.canvas import COLOURS, NAMES, PROPORTIONS, SPLIT_RESIDUES, Draws, Layers, Pen, draw, split_of
from benchmarks.mini.objects import BENCHMARK_CLASSES, CLASSES, OTHER_RENDITIONS, PHOTO, dataset, render, render_draws
from benchmarks.mini.renditions import RENDITIONS, UNSTEADY, axes

SPLITS = sorted(SPLIT_RESIDUES)


def middling(count: int) -> Draws:
    """Every uniform in the middle of its range, no noise."""
    return Draws(
        torch.full((count, PROPORTIONS + len(NAMES)), 0.49), torch.zeros(count, 4, 10, 10), torch.zeros(count, 64, 64)
    )


def layers_of(index: int, draws: Draws) -> Layers:
    who = CLASSES[index]
    pen = Pen(
        *objects._pose(who, draws, torch.zeros(1, 1, 1)), draws, objects._colours(who, draws), objects._zoom(draws)
    )
    who.outline(pen)
    return pen.layers


@pytest.fixture(scope="module")
def everything() -> tuple[Layers, Draws]:
    """One object of each class."""
    draws = draw(len(CLASSES), "pretrain", torch.Generator().manual_seed(5))
    layers = [layers_of(i, draws[i : i + 1]) for i in range(len(CLASSES))]
    stacked = {name: torch.cat([getattr(one, name) for one in layers]) for name in vars(layers[0])}
    return Layers(**stacked), draws


def test_there_are_forty_classes_of_the_benchmark_among_a_hundred() -> None:
    names = [c.name for c in CLASSES]
    assert len(set(names)) == len(names) >= 100
    assert len(BENCHMARK_CLASSES) == 40
    assert tuple(names[:40]) == BENCHMARK_CLASSES
    assert len(OTHER_RENDITIONS) >= 6
    assert set(UNSTEADY) == set(RENDITIONS)


def test_palettes_name_known_colours() -> None:
    for who in CLASSES:
        assert who.palettes
        assert {word for palette in who.palettes for word in palette.split()} <= {*COLOURS, "any"}, who.name


def test_a_data_set_has_its_form_and_repeats() -> None:
    names = ["mug", "pine", "cat"]
    images, labels = dataset("train", names, 8, 0)
    assert images.shape == (24, 64, 64, 3)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    assert labels.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert images.std(axis=(1, 2, 3)).min() > 5
    assert np.array_equal(images, dataset("train", names, 8, 0)[0])
    assert np.array_equal(images[16:], dataset("train", ["cat"], 8, 0)[0])
    for other in (dataset("train", names, 8, 1), dataset("test", names, 8, 0), dataset("tune", names, 8, 0)):
        assert (images != other[0]).any(axis=(1, 2, 3)).all()


def test_the_splits_show_their_renditions_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    real = objects.render

    def spy(labels: Any, renditions: Any, *rest: Any) -> torch.Tensor:
        asked.append(tuple(renditions))
        return real(labels, renditions, *rest)

    monkeypatch.setattr(objects, "render", spy)
    dataset("pretrain", ["mug"], 3, 0)
    dataset("test", ["mug"], 9, 0)
    assert asked == [(PHOTO,) * 3, (*OTHER_RENDITIONS, OTHER_RENDITIONS[0])]
    assert PHOTO not in OTHER_RENDITIONS


def test_render_gives_floats_from_the_generator() -> None:
    def images(seed: int) -> torch.Tensor:
        return render([3, 50], ["sketch", "photo"], torch.Generator().manual_seed(seed))

    assert images(0).shape == (2, 3, 64, 64)
    assert images(0).dtype == torch.float32
    assert images(0).min() >= 0
    assert images(0).max() <= 1
    assert torch.equal(images(0), images(0))
    assert not torch.equal(images(0), images(1))


@given(st.integers(0, 2**31), st.sampled_from(SPLITS))
@settings(max_examples=40, deadline=None)
def test_every_image_belongs_to_the_split_it_was_drawn_for(seed: int, split: Any) -> None:
    draws = draw(8, split, torch.Generator().manual_seed(seed))
    assert split_of(draws) == [split] * 8
    assert 0 <= draws.uniforms.min() <= draws.uniforms.max() < 1


def test_the_splits_share_no_residue() -> None:
    assert sorted(r for part in SPLIT_RESIDUES.values() for r in part) == list(range(8))


def test_every_class_uses_the_proportion_that_separates_the_splits() -> None:
    """Neighbouring slabs are different images of every class."""
    for index, who in enumerate(CLASSES):
        draws = middling(2)
        draws.uniforms[1, 0] += 1 / 64
        one, other = layers_of(index, draws).albedo
        assert not torch.equal(one, other), who.name


def test_an_image_does_not_depend_on_its_batch() -> None:
    draws = draw(12, "train", torch.Generator().manual_seed(1))
    labels, styles = [0, 5, 5, 20, 39, 5] * 2, [*OTHER_RENDITIONS, *OTHER_RENDITIONS][:12]
    styles[1] = styles[2] = styles[5] = "graffiti"
    alone = torch.cat([render_draws(labels[i : i + 1], styles[i : i + 1], draws[i : i + 1]) for i in range(12)])
    # rounding may carry a single pixel over the edge of a posterised colour
    assert ((render_draws(labels, styles, draws) - alone).abs() > 1e-4).float().mean() < 1e-3


@pytest.mark.parametrize("name", RENDITIONS)
def test_every_class_can_be_seen_in_every_rendition(name: str, everything: tuple[Layers, Draws]) -> None:
    """The picture with the object differs from the one without it where the object is."""
    layers, draws = everything
    empty = Layers(*(torch.zeros_like(layer) for layer in vars(layers).values()))
    shown = RENDITIONS[name](layers, draws)
    assert shown.shape == (len(CLASSES), 3, 64, 64)
    assert torch.isfinite(shown).all()
    difference = (shown.clamp(0, 1) - RENDITIONS[name](empty, draws).clamp(0, 1)).abs().amax(1)
    seen = (difference * layers.alpha).sum((1, 2)) / layers.alpha.sum((1, 2))
    assert seen.min() > 0.05, CLASSES[int(seen.argmin())].name


def test_every_object_is_in_the_picture(everything: tuple[Layers, Draws]) -> None:
    area = everything[0].alpha.mean((1, 2))
    assert area.min() > 0.015, CLASSES[int(area.argmin())].name
    assert area.max() < 0.75, CLASSES[int(area.argmax())].name


def test_renditions_differ() -> None:
    draws = draw(1, "train", torch.Generator().manual_seed(2))
    images = [render_draws([4], [name], draws)[0] for name in RENDITIONS]
    for i, one in enumerate(images):
        assert all((one - other).abs().mean() > 0.03 for other in images[:i])


def test_classes_differ_and_vary() -> None:
    """At middling proportions no two classes have nearly the same outlines; proportions alone change a class."""
    middle = [layers_of(i, middling(1)) for i in range(len(CLASSES))]
    lines = torch.cat([torch.maximum(one.edge, 0.5 * one.alpha).flatten(1) for one in middle])
    distance = torch.cdist(lines, lines, p=1) / lines.shape[1] + torch.eye(len(CLASSES))
    nearest = int(distance.argmin())
    names = CLASSES[nearest // len(CLASSES)].name, CLASSES[nearest % len(CLASSES)].name
    assert distance.min() > 0.02, names
    for index, who in enumerate(CLASSES):
        draws = middling(3)
        draws.uniforms[:, :PROPORTIONS] = torch.rand(3, PROPORTIONS, generator=torch.Generator().manual_seed(3))
        one, two, three = layers_of(index, draws).albedo
        for pair in ((one, two), (two, three)):
            assert (pair[0] - pair[1]).abs().amax(0).gt(0.1).float().mean() > 0.01, who.name


def test_colour_alone_does_not_tell_the_class() -> None:
    """A nearest-mean classifier on an image's mean colours is near chance (2.5 %)."""
    (shown, known), (images, labels) = (dataset(split, BENCHMARK_CLASSES, 8, 0) for split in ("train", "test"))  # type: ignore[arg-type]
    fit, test = (np.concatenate([x.mean((1, 2)), x[:, 20:44, 20:44].mean((1, 2))], axis=1) for x in (shown, images))
    means = np.stack([fit[known == k].mean(0) for k in range(40)])
    guess = ((test[:, None] - means) ** 2).sum(-1).argmin(1)
    assert (guess == labels).mean() < 0.15


def test_too_many_proportions_are_refused() -> None:
    pen = Pen(*axes(), middling(1), {}, torch.ones(1, 1, 1))
    for _ in range(PROPORTIONS):
        pen.u(0.0, 1.0)
    with pytest.raises(IndexError, match="at most 10 proportions"):
        pen.u(0.0, 1.0)


def test_the_hash_follows_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    before = objects.objects_hash()
    real: Callable[[Path], bytes] = Path.read_bytes
    for name in ("renditions.py", "living.py", "canvas.py"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_bytes", lambda p, n=name: real(p) + b"#" * (p.name == n))
            assert objects.objects_hash() != before
    assert objects.objects_hash() == before


def test_the_grid_tool_writes_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "grid.png"
    monkeypatch.setattr(
        "sys.argv", ["objects", "--grid", str(target), "--classes", "mug", "ice cream", "--columns", "3"]
    )
    objects.main()
    assert Image.open(target).size == (3 * 64, 2 * 64)
