"""What `--strict` refuses of a folder, and how broken links, hidden images and folders inside are said."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from own_photos import concept, lines, noise, picture
from tests_support import raises_sentence

from harness.data.concept_folder import checked, read_photos
from harness.errors import UsageError


def refused_strictly(folder: Path, *parts: object) -> None:
    raises_sentence(checked(read_photos(folder)).require_whole, "--strict", *parts)


def test_a_concept_that_is_a_broken_link_is_said_and_refused(tmp_path: Path) -> None:
    concept(tmp_path, "dog")
    (tmp_path / "clock").symlink_to("nowhere")
    assert lines(tmp_path) == ["HERE: not used: 1 link (clock), a broken link; mend or remove it."]
    refused_strictly(tmp_path, tmp_path / "clock", "a broken link")


def test_a_concept_that_is_a_link_back_is_said_and_refused(tmp_path: Path) -> None:
    concept(tmp_path, "dog")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert lines(tmp_path) == [
        "HERE: not used: 1 link (loop), a link back to a folder that it lies in; mend or remove it."
    ]
    refused_strictly(tmp_path, tmp_path / "loop", "a link back")


def test_hidden_images_are_counted_and_refused(tmp_path: Path) -> None:
    dog = concept(tmp_path, "dog")
    picture(dog / ".c.png")
    (dog / ".note").write_text("no image")
    (dog / "._a.png").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    concept(tmp_path, ".cat")
    said = "1 image in hidden files or folders (.c.png; rename it without the dot to use it)"
    assert f"HERE/dog: not used: {said}." in lines(tmp_path)
    (row,) = checked(read_photos(tmp_path)).rows()
    assert row["skipped"] == 1
    refused_strictly(tmp_path, tmp_path / ".cat", "hidden", "(1 more)")


def test_a_picture_that_looks_to_be_in_two_concepts_is_refused(tmp_path: Path) -> None:
    dog, cat = concept(tmp_path, "dog"), concept(tmp_path, "cat")
    large = noise("large", 4, 3).resize((240, 180))
    picture(dog / "large.png", large)
    large.save(cat / "c.jpg")
    refused_strictly(tmp_path, "dog/large.png looks the same as cat/c.jpg, of another concept")


def test_folders_inside_that_are_concepts_of_their_own_are_not_to_be_mixed(tmp_path: Path) -> None:
    concept(tmp_path, "cup")
    for name in ("cat", "dog"):
        concept(tmp_path / "animals", name)
    with pytest.raises(UsageError) as caught:
        read_photos(tmp_path)
    place = tmp_path / "animals"
    assert str(caught.value) == (
        f"{place} has no image of its own but 4 in 2 folders inside (cat and dog); if each of them is a concept, give "
        f"{place} as the folder or move them beside it, else move the images up."
    )
    shutil.rmtree(tmp_path / "cup")
    raises_sentence(lambda: read_photos(tmp_path), f"sub-folder per concept ({place}?)")
