"""A picture mirrored, turned, in greys or with other tones: said by name in concepts, classes and splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from own_photos import lines
from PIL import Image, ImageEnhance, ImageOps

from benchmarks.mini.concepts import MiniConcepts
from harness import registry
from harness.data.altered_copies import altered
from harness.data.class_folder import read_classes
from harness.data.images.decoding import examine_photo

Change = Callable[[Image.Image], Image.Image]


def scene(seed: int) -> Image.Image:
    """Shades with some detail, as a photograph has them."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 200, (12, 16, 3), np.uint8)
    return Image.fromarray(coarse).resize((180, 130), Image.Resampling.BICUBIC)


def fill(folder: Path, seeds: range) -> Path:
    folder.mkdir(parents=True)
    for seed in seeds:
        scene(seed).save(folder / f"{seed}.png")
    return folder


CHANGES: list[Change] = [
    ImageOps.mirror,
    ImageOps.flip,
    lambda image: image.transpose(Image.Transpose.ROTATE_90),
    lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    lambda image: image.convert("L"),
    lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    lambda image: ImageEnhance.Contrast(ImageOps.mirror(image)).enhance(0.7),
    ImageOps.invert,
    lambda image: ImageOps.mirror(ImageOps.invert(image)).convert("L"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_an_altered_copy_in_a_concept_is_said(tmp_path: Path, change: Change) -> None:
    dog = fill(tmp_path / "dog", range(4))
    assert lines(tmp_path) == []
    change(scene(1)).save(dog / "1-new.jpg", quality=88)
    assert lines(tmp_path) == [
        "HERE/dog/1-new.jpg looks like 1.png mirrored, turned or with other tones; if it is that picture, remove it."
    ]


def test_altered_copies_in_two_concepts_are_said(tmp_path: Path) -> None:
    fill(tmp_path / "dog", range(3))
    cat = fill(tmp_path / "cat", range(10, 13))
    for seed in (0, 1):
        ImageOps.mirror(scene(seed)).save(cat / f"new{seed}.png")
    assert lines(tmp_path) == [
        "2 images look like images of other concepts mirrored, turned or with other tones: dog/0.png like cat/new0.png "
        "and dog/1.png like cat/new1.png; keep each picture in one concept."
    ]


def test_altered_copies_in_train_and_test_are_said(tmp_path: Path) -> None:
    for first, name in ((0, "cat"), (10, "dog")):
        fill(tmp_path / "train" / name, range(first, first + 3))
        fill(tmp_path / "test" / name, range(first + 5, first + 6))
    assert read_classes(tmp_path).told == []
    scene(1).convert("L").save(tmp_path / "test/cat/grey.jpg")
    (line,) = read_classes(tmp_path).told
    assert line.startswith("1 image to test looks like images to train mirrored, turned or with other tones, so that ")
    assert line.endswith(": test/cat/grey.jpg and train/cat/1.png.")


def test_drawn_pictures_are_not_taken_for_each_other(tmp_path: Path) -> None:
    source = registry.benchmarks().get("mixed50").sources["mini"]
    assert isinstance(source, MiniConcepts)
    sketches: dict[Path, bytes] = {}
    for task in (source.tasks()[number] for number in (0, 1, 2, 3)):
        for number, pixels in enumerate(task.images.load(64)):
            path = tmp_path / f"{task.index}-{number}.png"
            Image.fromarray(pixels).save(path)
            sketches[path] = examine_photo(path).sketch
    assert altered(sketches) == []


def test_plain_areas_are_compared_with_nothing() -> None:
    flat = {Path(f"{level}"): bytes([level]) * 32**2 for level in (0, 100, 255)}
    assert altered(flat) == altered({}) == []


def test_exports_of_one_picture_on_both_sides_of_a_drawn_split_are_said(tmp_path: Path) -> None:
    fill(tmp_path / "dog", range(10, 20))
    cat = fill(tmp_path / "cat", range(0))
    for number in range(10):  # a batch that a program numbered: ten different pictures
        scene(number + 50).save(tmp_path / "dog" / f"dog{f' ({number})' if number else ''}.png")
        scene(number).save(cat / f"tom_jpg.rf.{number:010x}.jpg")
    (line,) = read_classes(tmp_path).told
    assert line.startswith("1 picture is exported more than once by the files' names, and on both sides of the drawn ")
