"""Classes that are told apart by what is not shown, and lists of a split that nothing reads, are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_photos import concept, lines, noise

from harness.data.class_folder import read_classes


def classes(folder: Path, grey: tuple[str, ...] = (), some: int = 0) -> list[str]:
    for name in ("cat", "dog", "vase"):
        home = concept(folder, name, ())
        for number in range(4):
            image = noise(f"{name}{number}")
            plain = name in grey or number < some
            (image.convert("L") if plain else image).save(home / f"{name}{number}.jpg")
    return list(read_classes(folder).told)


def test_a_class_all_in_greys_among_others_in_colour_is_named(tmp_path: Path) -> None:
    assert classes(tmp_path, ("dog",)) == [
        "All images of dog are in greys, and those of other classes in colour, so that a classifier may learn this "
        "alone; use pictures of one kind for all classes."
    ]


def test_so_is_a_concept(tmp_path: Path) -> None:
    classes(tmp_path, ("dog",))
    assert lines(tmp_path) == [
        "All images of dog are in greys, which is learned, too, and those of other concepts in colour; use pictures in "
        "colour if you have them."
    ]


@pytest.mark.parametrize(("grey", "some"), [((), 0), (("cat", "dog", "vase"), 0), (("dog",), 2), ((), 1)])
def test_other_greys_are_left_alone(tmp_path: Path, grey: tuple[str, ...], some: int) -> None:
    assert classes(tmp_path, grey, some) == []


def test_lists_of_a_split_are_named_where_the_test_set_is_drawn(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        concept(tmp_path, name, ("a.png", "b.png", "c.png"))
    (tmp_path / "train.txt").write_text("cat/a.png 0")
    (tmp_path / "notes.txt").write_text("of cats")
    (line,) = read_classes(tmp_path).told
    assert line == (
        f"A file seems to list images to train or to test in {tmp_path}, and the test set is drawn all the same: "
        "train.txt; to use another, sort the images into train/ and test/."
    )


def test_they_are_not_where_there_is_a_test_set(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            concept(tmp_path / split, name, (f"{split}1.png", f"{split}2.png"))
    (tmp_path / "test.txt").write_text("cat/a.png 0")
    assert read_classes(tmp_path).told == []
