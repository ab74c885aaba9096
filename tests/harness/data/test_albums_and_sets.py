"""Folders as albums, data sets and other trainers call them: told where a run would take them for concepts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from own_photos import concept, lines
from PIL import Image

from harness.data.benchmark_file import BenchmarkFile
from harness.data.category_words import FROM_NAME, Category, words_of_name
from harness.data.folder_names import regularisation, together
from harness.data.placeholder_words import empty_words


def said_of(name: str, *beside: str) -> str:
    return " ".join(empty_words([(each, Category(words_of_name(each)[0], FROM_NAME)) for each in (name, *beside)]))


@pytest.mark.parametrize(
    ("name", "word", "beside"),
    [
        ("July 2023", "July", ()), ("12 July 2023", "July", ()), ("Mai 2024", "Mai", ()), ("n02123045", "n", ()),
        ("July_12,_2023", "July", ()), ("JPEGImages", "JPEGImages", ()), ("labels", "labels", ("images",)),
        ("train2017", "train", ("val2017",)), ("SegmentationClass", "segmentation class", ()),
    ],
)  # fmt: skip
def test_a_name_that_says_nothing_is_named(name: str, word: str, beside: tuple[str, ...]) -> None:
    said = said_of(name, *beside)
    assert "of what the folder shows" in said
    assert f"{word} (of '{name}')" in said


@pytest.mark.parametrize(
    "name",
    ["n02085620-Chihuahua", "Berlin, 12 July 2023", "dog-example", "cat_toy_example", "things_cup1", "wearable_shoes1",
     "decoritems_houseplant2", "scene_barn", "person_ddim", "vase isolated", "cat hd wallpaper", "mug 4k",
     "dog white background", "red vase stock photo", "teapot unsplash"],
)  # fmt: skip
def test_a_part_that_is_not_shown_is_named(name: str) -> None:
    assert said_of(name).startswith("A category word has a part that is not of what the folder shows")


@pytest.mark.parametrize(
    "name",
    ["labels", "train2", "june bug", "maypole 2023", "dog 2023", "t shirt", "marble 3", "pet_cat3", "floral wallpaper",
     "stage scene", "toy_bear1", "chicken stock"],
)  # fmt: skip
def test_ordinary_names_are_not(name: str) -> None:
    assert said_of(name, "cup") == ""


def test_two_concepts_in_one_folder_are_named(tmp_path: Path) -> None:
    assert together(["anna", "ben", "Anna_und_Ben", "ben & anna"]) == [
        "2 folders seem to show two of the other concepts at once: Anna_und_Ben and ben & anna; if they do, move them "
        "away."
    ]
    assert together(["dog", "toy", "dog_toy", "salt and pepper", "sand", "dog and dog"]) == []
    for name in ("mug", "cup", "mug and cup"):
        concept(tmp_path, name)
    assert "A folder seems to show two of the other concepts at once: mug and cup; if it does, move it away." in lines(
        tmp_path
    )


def test_class_images_of_other_trainers_are_named(tmp_path: Path) -> None:
    assert regularisation(["10_zwx cup", "5_cat", "3_cups", "cup"]) == []
    for name in ("10_zwx cup", "1_cup"):
        concept(tmp_path, name)
    assert [line for line in lines(tmp_path) if "class images" in line] == [
        "A folder seems to hold class images, by its name, and no concept: 1_cup (of '10_zwx cup'); if so, move it "
        "away."
    ]


@pytest.mark.parametrize(
    ("least", "most", "said"),
    [
        (0, 30, "is nearly black, with no level above 29 of 255; brighten it if it is not meant."),
        (220, 256, "is nearly white, with no level below 220 of 255; darken it if it is not meant."),
        (0, 60, ""), (200, 256, ""),
    ],
)  # fmt: skip
def test_what_is_nearly_black_or_white_is_named(tmp_path: Path, least: int, most: int, said: str) -> None:
    home = concept(tmp_path, "cup")
    values = np.random.default_rng(0).integers(least, most, (64, 64, 3), np.int64).astype(np.uint8)
    Image.fromarray(values).save(home / "odd.png")
    found = [line for line in lines(tmp_path) if "nearly" in line]
    assert len(found) == bool(said)
    assert not said or found[0].endswith(f"odd.png {said}")


@pytest.mark.parametrize("edit", ["a {0} {1} in the jungle", "in {} snow", "a photo of a dog in the snow"])
def test_a_whole_prompt_is_no_edit(edit: str) -> None:
    with pytest.raises(ValueError, match="a whole prompt, and edits are words that are added to one"):
        BenchmarkFile(name="pets", photos="photos", edits={"": ("at night", edit)})
    kept = BenchmarkFile(name="pets", photos="photos", edits={"": ("beside a photo of a cat", "in the snow")})
    assert kept.edits[""][1] == "in the snow"
