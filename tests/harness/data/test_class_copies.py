"""Pictures saved once more, lossily or a little smaller, in two sets or two classes: said, and used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from in_process import bench
from PIL import Image
from tests_support import raises_sentence

from harness.data.class_folder import folder_benchmark, read_classes


def scene(seed: int) -> Image.Image:
    """Shades with some detail, as a photograph has them."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 6, 1)) * 0.7 + rng.integers(0, 77, (4, 6, 3))
    return Image.fromarray(coarse.astype(np.uint8)).resize((180, 120), Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes, each with three images to train and one to test; the test set's dog is one to train, saved again."""
    for number, name in enumerate(("cat", "dog")):
        for split, seeds in (("train", range(3)), ("test", range(3, 4))):
            (tmp_path / split / name).mkdir(parents=True)
            for seed in seeds:
                scene(10 * number + seed).save(tmp_path / split / name / f"{seed}.png")
    return tmp_path


@pytest.mark.parametrize(("size", "quality"), [((180, 120), 90), ((171, 114), 90), ((180, 120), 60)])
def test_a_picture_saved_once_more_in_train_and_in_test_is_said(
    folder: Path, size: tuple[int, int], quality: int
) -> None:
    assert read_classes(folder).told == []
    scene(1).resize(size, Image.Resampling.LANCZOS).save(folder / "test/cat/new.jpg", quality=quality)
    reading = read_classes(folder)
    caution = (
        "1 image to test looks the same as images to train, so that accuracy shows what was kept by heart; keep each "
        "picture in one of the sets"
    )
    assert reading.told == [f"{caution}: test/cat/new.jpg and train/cat/1.png."]
    assert reading.cautions == (f"{caution}.",)
    raises_sentence(reading.require_whole, "test/cat/new.jpg", "--strict")
    source = folder_benchmark(folder, "mini", 1).sources["mini"]
    assert source.cautions == (f"{caution}.",)  # type: ignore[attr-defined]
    _, said = bench("data", "check", folder, "--setting", "classification", "--json")
    assert json.loads(said)["look_alike"] == [["test/cat/new.jpg", "train/cat/1.png"]]


def test_pictures_that_look_the_same_in_two_classes_are_said(folder: Path) -> None:
    scene(1).save(folder / "train/dog/new.jpg", quality=90)
    assert read_classes(folder).told == [
        "1 image looks the same as images of other classes; keep each picture in one class: train/dog/new.jpg and "
        "train/cat/1.png."
    ]


def test_a_set_that_is_drawn_may_divide_such_pictures(tmp_path: Path) -> None:
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / name).mkdir()
        for seed in range(6):
            scene(10 * number + seed).save(tmp_path / name / f"{seed}.png")
            scene(10 * number + seed).save(tmp_path / name / f"{seed} small.jpg", quality=90)
    (line,) = read_classes(tmp_path).told
    assert "to test look the same as images to train" in line


def test_within_a_class_and_set_they_are_not(folder: Path) -> None:
    scene(1).save(folder / "train/cat/new.jpg", quality=90)
    assert read_classes(folder).told == []


def test_the_same_pixels_are_said_once(folder: Path) -> None:
    scene(1).save(folder / "test/cat/new.bmp")
    (line,) = read_classes(folder).told
    assert line.startswith("1 picture is in the training set and in the test set")
