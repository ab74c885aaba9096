"""Folders whose names say nothing of what they show: their category words are named, and ordinary words are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_photos import concept, lines

from harness.data.category_words import FROM_NAME, Category
from harness.data.placeholder_words import empty_words, left_over, says_nothing


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("concept1", "concept"), ("New Folder (2)", "New Folder"), ("untitled", "untitled"), ("photos", "photos"),
        ("images", "images"), ("dataset", "dataset"), ("DSC_0001", "DSC"), ("IMG", "IMG"), ("class_3", "class"),
        ("my_pictures", "my pictures"), ("Camera Roll", "Camera Roll"), ("training_data", "training data"),
        ("Nouveau dossier", "Nouveau dossier"), ("instance_images", "instance images"),
    ],
)  # fmt: skip
def test_a_name_that_says_nothing_is_named(tmp_path: Path, name: str, word: str) -> None:
    home = concept(tmp_path, name)
    said = (
        f"A category word says nothing of what the folder shows: {word} (of '{name}'); give one that does by "
        "category.txt in the folder."
    )
    assert said in lines(tmp_path)
    (home / "category.txt").write_text("dog\n")
    assert lines(tmp_path) == []


@pytest.mark.parametrize(
    "word",
    ["person", "dog", "train", "photo frame", "picture book", "image of a saint", "test tube", "data centre", "object",
     "camera", "folder", "model car", "class room", "temple", "glass", "my dog", "new shoes", "file", "sample bottle"],
)  # fmt: skip
def test_ordinary_words_are_left_alone(word: str) -> None:
    assert not says_nothing(word, [word, "cat"])


def test_train_is_a_vehicle_but_not_beside_test(tmp_path: Path) -> None:
    concept(tmp_path, "train")
    concept(tmp_path, "bus")
    assert lines(tmp_path) == []
    concept(tmp_path, "Test")
    (line,) = lines(tmp_path)
    assert line.startswith("2 category words say nothing of what the folder shows: Test (of 'Test') and train (of 'tr")


@pytest.mark.parametrize(
    "name",
    ["WhatsApp Images", "Screenshots", "iCloud Photos", "Favorites", "Recents", "backup", "originals", "edited",
     "cropped", "resized", "user photos", "final", "Photos from"],
)  # fmt: skip
def test_what_telephones_and_editors_call_folders_says_nothing(name: str) -> None:
    assert says_nothing(name)


def test_a_camera_is_one_but_not_beside_screenshots() -> None:
    assert says_nothing("Camera", ["Camera", "Screenshots"])
    assert not says_nothing("Camera", ["Camera", "dog"])


def test_words_with_parts_of_copies_and_formats_are_named_all_of_them() -> None:
    names = ["dog copy", "dog Kopie", "Copy of cat", "dog png", "photo of dog", "sks dog", "\u0441at"]
    (line,) = empty_words([(name, Category(name, FROM_NAME)) for name in names], most=len(names))
    assert line.startswith("7 category words have a part that is not of what the folder shows, or letters of two ")
    assert all(name in line for name in names)


def test_classes_that_seem_to_be_none_are_named() -> None:
    assert left_over(["dog", "unlabeled", "_rejected", "all", "BACKGROUND_Google", "allium"]) == [
        "4 classes seem to be none by the folder's name: unlabeled, _rejected, all and BACKGROUND_Google; if so, move "
        "the folder away."
    ]
