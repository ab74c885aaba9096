"""Images called after another concept or class than their folder's are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_photos import concept, lines

from harness.data.class_folder import read_classes
from harness.data.misfiled import called_otherwise, misfiled, several_things


def called(**folders: str) -> list[str]:
    """What is said of files of those names."""
    return misfiled(
        {name: [Path(name, one) for one in files.split()] for name, files in folders.items()}, {}, "concept"
    )


def test_an_image_that_is_called_after_another_concept_is_named(tmp_path: Path) -> None:
    concept(tmp_path, "teapot", ("teapot_1.png", "Teapot 2.png", "cat_3.png"))
    concept(tmp_path, "tom", ("cat_1.png", "cat_2.png"), category="cat")
    assert lines(tmp_path) == [
        "HERE/teapot/cat_3.png is called after the concept tom, and the others there after teapot; if it shows that, "
        "move it."
    ]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ("cat.4 cat.5 dog.1 dog.2 dog.3", "cat (2) and dog (3)"),
        ("sea_lion_1 sea_lion_2 seal1 seal2 a", "sea lion (2) and seal (2)"),
        ("cat.4 cat.5 dog.1", ""), ("Cat_front_1 cat front 2 Cat-side1 Cat side 2", ""),
        ("front_1 front_2 side_1 side_2", ""), ("IMG_1 IMG_2 DSC_1 DSC_2", ""),
        ("IMG-20230510-WA0001 IMG-20230510-WA0002 IMG-20230511-WA0001 IMG-20230511-WA0002", ""),
        ("cat.1 cat.2 dog.1 dog.2 1 2 3 4 5", ""),
    ],
)  # fmt: skip
def test_files_called_after_several_things(files: str, found: str) -> None:
    said = several_things({"pets": [Path("pets", f"{one}.jpg") for one in files.split()]})
    sentence = f"pets: its files are called after 2 things: {found}; if they show these, give each a folder of its own."
    assert said == ([sentence] if found else [])


def test_files_of_a_concept_called_after_several_things_are_named(tmp_path: Path) -> None:
    concept(tmp_path, "pets", ("cat.4.png", "cat.5.png", "dog.1.png", "dog.2.png"))
    assert any("pets: its files are called after 2 things: cat (2) and dog (2)" in line for line in lines(tmp_path))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("0, 1, 2, 0 (1), 1 (1), 2 (1)", "3 names are there a second time, as '0 (1)', with other pictures"),
        ("0, 1, 2, 3, 0 copy, 1 copy, 2 copy", "3 names are there a second time, as '0 copy', with other pictures"),
        ("0, 1, 0 (1), 1 (1)", ""), ("0, 1, 2, 3, 4, 5, 0 (1), 1 (1), 2 (1)", ""), ("0 (1), 1 (1), 2 (1), 3 (1)", ""),
    ],
)  # fmt: skip
def test_two_series_of_one_set_of_names(tmp_path: Path, names: str, said: str) -> None:
    concept(tmp_path, "cat", tuple(f"{name}.png" for name in names.split(", ")))
    rest = "; if two concepts were put together, give each a folder of its own."
    assert lines(tmp_path) == ([f"cat: {said}{rest}"] if said else [])


def test_several_take_one_line(tmp_path: Path) -> None:
    for name, other in (("red_cup", "dog"), ("dog", "red_cup")):
        concept(tmp_path, name, (f"{name}1.png", f"{name}-2.png", f"{name} (3).png", f"{other.upper()} 4.png"))
    (line,) = lines(tmp_path)
    assert line == (
        "2 images are called after another concept than most of their folders: dog/RED_CUP 4.png after red_cup and "
        "red_cup/DOG 4.png after dog; if they show that, move them."
    )


def test_classes_have_them_named_as_well(tmp_path: Path) -> None:
    concept(tmp_path, "cat", ("cat.0.png", "cat.1.png", "dog.2.png"))
    concept(tmp_path, "dog", ("dog.0.png", "dog.1.png"))
    (line,) = read_classes(tmp_path).remarks
    assert line.endswith("cat/dog.2.png is called after the class dog, and the others there after cat; if it shows "
                         "that, move it.")  # fmt: skip


@pytest.mark.parametrize(
    "folders",
    [
        {"dog1": "dog1.png dog2.png dog3.png", "dog2": "dog1.png dog2.png"},  # numbers of their own
        {"cat": "IMG_1.png IMG_2.png dog_1.png", "dog": "a.png"},  # called after nothing
        {"cat": "cat_1.png cat_2.png cat_and_dog.png", "dog": "a.png"},
        {"1": "1.png 10.png 11.png 12.png 2.png", "2": "a.png"},
        {"a": "a.png apple.png ant.png b.png arm.png", "b": "b.png"},
    ],
)
def test_what_is_not_called_after_another(folders: dict[str, str]) -> None:
    assert called(**folders) == []


def otherwise(words: dict[str, str], **folders: str) -> list[str]:
    files = {name: [Path(name, one) for one in some.split()] for name, some in folders.items()}
    return called_otherwise(files, words, "concept")


def test_words_that_were_exchanged_are_told_by_the_files_names(tmp_path: Path) -> None:
    for name, thing, word in (("item_a", "dog", "cat"), ("item_b", "cat", "dog"), ("item_c", "cup", "cup")):
        concept(tmp_path, name, tuple(f"{thing}_{number}.png" for number in range(3)), word)
    assert lines(tmp_path) == [
        "The files of 2 concepts are called after another: item_a (cat) after 'dog' and item_b (dog) after 'cat'; if "
        "they show that, correct the name or the word."
    ]


def test_so_are_classes_that_were_exchanged(tmp_path: Path) -> None:
    for name, thing in (("cat", "dog"), ("dog", "cat"), ("cup", "cup")):
        concept(tmp_path, name, tuple(f"{thing}.{number}.png" for number in range(3)))
    assert read_classes(tmp_path).remarks == (
        "The files of 2 classes are called after another: cat after 'dog' and dog after 'cat'; if they show that, "
        "correct the name or the word.",
    )


@pytest.mark.parametrize(
    ("words", "folders"),
    [
        ({}, {"cat": "cat1 cat2 cat3", "dog": "dog1 dog2 dog3"}),
        ({"max": "dog", "rex": "dog"}, {"max": "dog1 dog2 dog3", "rex": "dog4 dog5 dog6"}),
        ({}, {"cat": "dog1 dog2", "dog": "dog3 dog4"}),  # too few
        ({}, {"cat": "dog1 dog2 a b c", "dog": "a b c"}),  # not most
        ({}, {"img": "a b c", "cat": "img1 img2 img3"}),
        ({}, {"train": "a b c", "cat": "train1 train2 train3"}),
        ({}, {"dog1": "dog2_1 dog2_2 dog2_3", "dog2": "dog1_1 dog1_2 dog1_3"}),
        ({}, {"box": "a b c", "cat": "box1 box2 box3", "dog": "box4 box5 box6"}),  # what several share
    ],
)
def test_other_names_are_no_exchange(words: dict[str, str], folders: dict[str, str]) -> None:
    assert otherwise(words, **folders) == []
