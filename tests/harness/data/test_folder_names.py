"""Folders that seem to be one: plurals, parts of a download, copies."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_photos import concept, lines

from harness.data.folder_names import meant_as_one, set_aside, views


@pytest.mark.parametrize(
    "names",
    [
        ("vase", "vase 2"), ("vase", "Vase2"), ("teapot", "teapot (1)"), ("can", "can_part2"), ("box", "box - Copy"),
        ("box", "box Kopie"), ("box", "box - Copy (2)"), ("can_part1", "can_part2"), ("can part 1", "can part 2"),
        ("duck_toy-20231105T101112Z-001", "duck_toy-20231105T101112Z-002"), ("box", "boxes"), ("box", "box_old"),
        ("box", "box_files"), ("box_bak", "box_backup"),
        ("vase", "Vases"), ("cat_2022", "cat_2023"), ("cat", "cat 2023-05"), ("cat 20230501", "cat_2023_06_11"),
        ("100APPLE", "101APPLE"), ("100_PANA", "123_PANA"), ("red_mug", "red mug"), ("red-mug", "Red_Mug"),
        ("red_mug", "red mug 2"), ("5_sks cat", "20_sks cat"), ("10_zwx mug", "zwx_mug"),
        ("sun_flower", "sunflower"), ("FancyBoot", "fancy_boot"), ("ice-creams", "icecreams"),
    ],
)  # fmt: skip
def test_parts_and_copies_of_a_folder_are_named(names: tuple[str, str]) -> None:
    (line,) = meant_as_one([*names, "dog"])
    assert line == f"Folders that may be meant as one: {names[0]} and {names[1]}; if they are, merge them."


def test_all_parts_are_named_together() -> None:
    (line,) = meant_as_one(["mug", "mug (1)", "mug_part2", "cat", "cats", "dog", "dog 2", "vase", "vase - Copy"])
    assert ": mug, mug (1) and mug_part2; cat and cats; dog and dog 2 and 1 more; if" in line


@pytest.mark.parametrize(
    "names", [("dog1", "dog2"), ("dog (1)", "dog (2)"), ("mug_red", "mug_blue"), ("1", "10"), ("Duck", "duck"),
              ("mug", "mug 1900"), ("bas", "bus"), ("copy", "part1"),
              ("100APPLE", "100CANON"), ("mug 2099", "mug 3000"), ("1_1", "11"), ("_", "-"),
              ("dog_a1", "dog a 1"), ("5_sks cat", "5_zwx cat"), ("5_cat", "20_cat")]
)  # fmt: skip
def test_what_is_told_apart_is_left_alone(names: tuple[str, str]) -> None:
    assert meant_as_one(names) == []


def test_albums_of_what_was_deleted_are_named() -> None:
    (line,) = set_aside(["dog", "Trash", "Bin", "Recently Deleted", "Archive", "cat"])
    assert line == (
        "4 folders seem to hold what was deleted or put away: Trash, Bin, Recently Deleted and 1 more; if so, move "
        "them away."
    )
    assert set_aside(["bin", "dog", "trash can", "hidden_cave", "archives"]) == []


def test_they_are_said_of_a_folder_of_photographs(tmp_path: Path) -> None:
    for name in ("dog", "Recycle_Bin"):
        concept(tmp_path, name)
    (line,) = lines(tmp_path)
    assert line == "A folder seems to hold what was deleted or put away: Recycle_Bin; if so, move it away."


@pytest.mark.parametrize(
    "names",
    [("front", "back"), ("Left", "Right"), ("summer", "winter"), ("mug_front", "mug back"), ("day", "night"),
     ("indoor", "outdoor"), ("before", "after")],
)  # fmt: skip
def test_views_of_one_thing_are_named(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in (*names, "vase"):
        concept(tmp_path, name)
    ordered = sorted(names, key=str.casefold)
    assert [line for line in lines(tmp_path) if "called after" in line] == [
        f"2 folders are called after views, times or places, and not after things: {ordered[0]} and {ordered[1]}; if "
        "they show one thing, put it into one folder."
    ]


@pytest.mark.parametrize("names", [("top", "spring"), ("mug_front", "vase_back"), ("waterfall", "spring"), ("side",)])
def test_other_things_are_no_views(names: tuple[str, ...]) -> None:
    assert views([*names, "mug"]) == []
