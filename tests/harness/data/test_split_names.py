"""Folders and files that are called as the parts of a data set are: no classes, and no test set by chance."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from own_photos import lines, noise
from tests_support import raises_sentence

from harness.data.class_folder import read_classes


def fill(folder: Path, names: Iterable[str]) -> None:
    """Images of those names, no two alike."""
    folder.mkdir(parents=True)
    for name in names:
        noise(str(folder / name)).save(folder / name)


@pytest.mark.parametrize(("train", "test"), [("train", "test1"), ("Train", "test"), ("training_set", "Validation")])
def test_splits_without_class_folders_are_refused(tmp_path: Path, train: str, test: str) -> None:
    fill(tmp_path / train, ["cat.0.jpg", "cat.1.jpg", "dog.0.jpg", "dog.1.jpg"])
    fill(tmp_path / test, ["0.jpg", "1.jpg"])
    raises_sentence(
        lambda: read_classes(tmp_path), tmp_path, f"{train}/", f"{test}/", "no class folders inside",
        f"one folder per class ({train}/cat/ and {train}/dog/), as names like cat.0.jpg say",
    )  # fmt: skip


def test_files_whose_names_tell_no_classes_are_refused_all_the_same(tmp_path: Path) -> None:
    for name in ("train", "val"):
        fill(tmp_path / name, ["IMG_1.jpg", "IMG_2.jpg"])
    raises_sentence(lambda: read_classes(tmp_path), tmp_path, "train/ and val/", "(train/CLASS/).")


def test_a_train_is_a_class_beside_others(tmp_path: Path) -> None:
    for name in ("train", "bus"):
        fill(tmp_path / name, ["a.jpg", "b.jpg"])
    assert [one.name for one in read_classes(tmp_path).classes] == ["bus", "train"]


def test_why_a_test_folder_is_not_used(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        fill(tmp_path / "train" / name, ["a.jpg", "b.jpg"])
        fill(tmp_path / "holdout" / name, ["a.jpg"])
    fill(tmp_path / "test", ["a.jpg"])
    assert [(one.path.name, one.reason) for one in read_classes(tmp_path).skipped] == [
        ("holdout", "as train/ holds the classes; name it test to test on it"),
        ("test", "as it has images but no class folders; sort them into the classes' folders to test on them"),
    ]


NAMED = ("train_0.jpg", "train_1.jpg", "train_2.jpg", "0 Test.jpg", "1 Test.jpg")


def test_a_split_in_files_names_is_named_where_one_is_drawn(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        fill(tmp_path / name, NAMED)
    assert read_classes(tmp_path).told == [
        "4 images are to test by the names (as 0 Test.jpg beside train_0.jpg), and the test set is drawn all the same; "
        "to keep that split, sort the images into train/ and test/."
    ]
    assert lines(tmp_path) == [
        "4 images are to test by the names (as 0 Test.jpg beside train_0.jpg), and trained on all the same; move them "
        "away, or leave the choice to --holdout."
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("train_0.jpg", "train_1.jpg", "train_2.jpg"),
        ("test_0.jpg", "test_1.jpg"),
        ("test_0.jpg", "train_1.jpg", "a.jpg", "b.jpg", "c.jpg"),
        ("trainer_0.jpg", "tested_1.jpg"),
        ("a train at night.jpg", "a test in school.jpg"),
    ],
)
def test_other_names_are_no_split(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in ("cat", "dog"):
        fill(tmp_path / name, names)
    assert read_classes(tmp_path).told == []


def test_one_is_not_drawn_of_train_and_test(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            fill(tmp_path / split / name, NAMED)
    assert read_classes(tmp_path).told == []
