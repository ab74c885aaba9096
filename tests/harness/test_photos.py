"""The user's own photographs: what is read, in which order and category, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests_support import raises_sentence

from harness.photo_decoding import content_hash, load_image
from harness.photos import Concept, category_of_name, read_concepts, verify_concepts

RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 160, 0), (0, 0, 255), (255, 220, 0)


def concept(folder: Path, name: str, images: tuple[str, ...] = ("a.png", "b.png"), category: str | None = None) -> Path:
    """A concept's folder with small images, and perhaps a category file."""
    home = folder / name
    home.mkdir(parents=True)
    for image in images:
        Image.new("RGB", (5, 4), RED).save(home / image)
    if category is not None:
        (home / "category.txt").write_text(category, encoding="utf-8")
    return home


def saved(folder: Path, image: Image.Image, name: str, **options: Any) -> Path:
    path = folder / name
    image.save(path, **options)
    return path


def quarters() -> Image.Image:
    """16 x 16: red, green / blue, yellow. Its eight orientations all differ."""
    image = Image.new("RGB", (16, 16), RED)
    image.paste(GREEN, (8, 0, 16, 8))
    image.paste(BLUE, (0, 8, 8, 16))
    image.paste(YELLOW, (8, 8, 16, 16))
    return image


# Folders


def test_concepts_and_images_are_in_natural_order(tmp_path: Path) -> None:
    for name in ("task10", "task2", "Task1", "b"):
        concept(tmp_path, name, ("img10.png", "IMG2.PNG", "img1.jpg"))
    concepts = read_concepts(tmp_path)
    assert [one.name for one in concepts] == ["b", "Task1", "task2", "task10"]
    assert [path.name for path in concepts[0].images] == ["img1.jpg", "IMG2.PNG", "img10.png"]
    assert concepts[0] == Concept(
        "b", "b", tuple(tmp_path / "b" / name for name in ("img1.jpg", "IMG2.PNG", "img10.png"))
    )
    verify_concepts(concepts)


def test_names_that_differ_only_by_case_or_zeros_are_two_concepts(tmp_path: Path) -> None:
    try:
        for name in ("duck", "Duck", "duck1", "duck01"):
            concept(tmp_path, name)
    except FileExistsError:
        pytest.skip("this file system ignores case")
    assert [one.name for one in read_concepts(tmp_path)] == ["Duck", "duck", "duck01", "duck1"]


def test_what_is_hidden_or_no_image_is_ignored(tmp_path: Path) -> None:
    home = concept(tmp_path, "cup")
    for name in (".DS_Store", "notes.txt", "labels.json", "vectors.h5", "clip.mpg", "._a.png", "noextension"):
        (home / name).write_bytes(b"x")
    (home / "folder.png").mkdir()
    concept(tmp_path, ".cache")
    (tmp_path / "__MACOSX" / "cup").mkdir(parents=True)
    (tmp_path / "licences.txt").write_text("x")
    Image.new("RGB", (2, 2)).save(tmp_path / "preview.png")
    (only,) = read_concepts(tmp_path)
    assert (only.name, [path.name for path in only.images]) == ("cup", ["a.png", "b.png"])


def test_linked_folders_are_followed_and_broken_links_are_named(tmp_path: Path) -> None:
    home = concept(tmp_path / "elsewhere", "cup")
    photos = tmp_path / "photos"
    photos.mkdir()
    try:
        (photos / "linked").symlink_to(home)
        (home / "c.png").symlink_to(home / "gone.png")
    except OSError:
        pytest.skip("no symbolic links here")
    (only,) = read_concepts(photos)
    assert [path.name for path in only.images] == ["a.png", "b.png", "c.png"]
    raises_sentence(lambda: verify_concepts([only]), photos / "linked" / "c.png", "restore or remove")


def test_a_missing_folder(tmp_path: Path) -> None:
    raises_sentence(lambda: read_concepts(tmp_path / "no"), tmp_path / "no", "does not exist")
    path = saved(tmp_path, quarters(), "a.png")
    raises_sentence(lambda: read_concepts(path / "below"), path / "below", "does not exist")


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    path = saved(tmp_path, quarters(), "a.png")
    raises_sentence(lambda: read_concepts(path), path, "not a folder")


def test_no_concepts(tmp_path: Path) -> None:
    raises_sentence(lambda: read_concepts(tmp_path), tmp_path, "no sub-folder with images")
    (tmp_path / "empty").mkdir()
    raises_sentence(lambda: read_concepts(tmp_path), tmp_path, "no sub-folder with images")
    saved(tmp_path, quarters(), "a.png")
    raises_sentence(lambda: read_concepts(tmp_path), tmp_path, "holds images but no sub-folder")


def test_a_concept_without_images(tmp_path: Path) -> None:
    concept(tmp_path, "cup")
    concept(tmp_path, "vase", ())
    raises_sentence(lambda: read_concepts(tmp_path), tmp_path / "vase", "no image", "remove")


def test_a_concept_with_one_image(tmp_path: Path) -> None:
    concept(tmp_path, "cup")
    concept(tmp_path, "vase", ("a.png",))
    raises_sentence(lambda: read_concepts(tmp_path), tmp_path / "vase", "only one image", "at least 2")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind this user")
def test_permission_denied(tmp_path: Path) -> None:
    home = concept(tmp_path, "cup")
    for path in (home / "a.png", home, tmp_path):
        mode = path.stat().st_mode
        path.chmod(0)
        try:
            raises_sentence(lambda: verify_concepts(read_concepts(tmp_path)), path, "permission")
        finally:
            path.chmod(mode)


def test_an_unreadable_folder_or_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As above, for a user whom permissions do not bind."""
    home = concept(tmp_path, "cup")

    def deny(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", deny)
        raises_sentence(lambda: read_concepts(tmp_path), tmp_path, "Permission denied")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", deny)
        raises_sentence(lambda: load_image(home / "a.png", 4), home / "a.png", "Permission denied")
        raises_sentence(lambda: content_hash(home / "a.png"), home / "a.png", "Permission denied")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", deny)
        raises_sentence(lambda: read_concepts(tmp_path), tmp_path, "Permission denied")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", deny)
        raises_sentence(lambda: read_concepts(tmp_path), tmp_path / "categories.csv", "Permission denied")


def test_an_unprintable_folder_name(tmp_path: Path) -> None:
    try:
        concept(tmp_path, "a\nb")
    except OSError:
        pytest.skip("this file system refuses the name")
    raises_sentence(lambda: read_concepts(tmp_path), "a\\nb", "rename")


# Categories


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("duck_toy", "duck toy"),
        ("dog", "dog"),
        ("dog-02", "dog"),
        ("01_red__Cup3", "red Cup"),
        ("Teekännchen", "Teekännchen"),
        ("0001", "object"),
        ("_-_", "object"),
        ("(1)", "object"),
    ],
)
def test_category_of_the_folder_name(tmp_path: Path, name: str, category: str) -> None:
    concept(tmp_path, name)
    assert category_of_name(name) == category
    assert read_concepts(tmp_path)[0].category == category


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("dog", "dog"),
        ("  old   teddy bear \nignored 123\n", "old teddy bear"),
        ("\ufeffhigh-heeled boot\r\n", "high-heeled boot"),
        ("a b c d", "a b c d"),
        ("cafe\u0301", "caf\u00e9"),
    ],
)
def test_category_file(tmp_path: Path, text: str, category: str) -> None:
    concept(tmp_path, "max", category=text)
    assert read_concepts(tmp_path)[0].category == category


@pytest.mark.parametrize("text", ["", "\n dog", "a b c d e", "dog2", "dog.", "a - b", "<token>", "dog_toy", "-"])
def test_bad_category_file(tmp_path: Path, text: str) -> None:
    concept(tmp_path, "max", category=text)
    raises_sentence(lambda: read_concepts(tmp_path), tmp_path / "max" / "category.txt", "one to four words")


def test_category_file_in_another_encoding(tmp_path: Path) -> None:
    (concept(tmp_path, "max") / "category.txt").write_bytes("Kännchen".encode("latin-1"))
    raises_sentence(lambda: read_concepts(tmp_path), tmp_path / "max" / "category.txt", "UTF-8")


def test_categories_of_the_common_file_yield_to_the_own_file(tmp_path: Path) -> None:
    for name in ("a", "b, c", "duck_toy"):
        concept(tmp_path, name)
    concept(tmp_path, "max", category="dog")
    (tmp_path / "categories.csv").write_text(
        'folder,category\n\na , teddy bear\n"b, c",cup\nmax,cat\n', encoding="utf-8"
    )
    assert {one.name: one.category for one in read_concepts(tmp_path)} == {
        "a": "teddy bear",
        "b, c": "cup",
        "duck_toy": "duck toy",
        "max": "dog",
    }


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("max;dog", "Line 1 of"),
        ("max,dog,cat", "folder,category"),
        ("max,dog\nmax,cat", "a second time"),
        ("folder,category\nmxa,dog", "did you mean max?"),
        ("zzzz,dog", "remove the line"),
        ("max,dog 2", "one to four words"),
        ("max,", "one to four words"),
    ],
)
def test_bad_common_file(tmp_path: Path, text: str, part: str) -> None:
    concept(tmp_path, "max")
    (tmp_path / "categories.csv").write_text(text, encoding="utf-8")
    raises_sentence(lambda: read_concepts(tmp_path), tmp_path / "categories.csv", part)


# Refusals


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    home = concept(tmp_path, "cup")
    os.mkfifo(home / "c.png")
    assert [path.name for path in read_concepts(tmp_path)[0].images] == ["a.png", "b.png"]
    raises_sentence(lambda: load_image(home / "c.png", 8), home / "c.png", "not a file")


def test_verify_names_the_first_bad_image(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        concept(tmp_path, name)
    for bad in (tmp_path / "b" / "b.png", tmp_path / "c" / "a.png"):
        bad.write_bytes(bad.read_bytes()[:40])
    raises_sentence(lambda: verify_concepts(read_concepts(tmp_path)), tmp_path / "b" / "b.png")


# The rest


def test_the_users_data_is_left_as_it_was(tmp_path: Path) -> None:
    concept(tmp_path, "cup", category="cup")
    concept(tmp_path, "vase")
    (tmp_path / "categories.csv").write_text("vase,vase\n")

    def state() -> dict[str, tuple[int, bytes]]:
        return {
            str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for path in (tmp_path, *tmp_path.rglob("*"))
        }

    before = state()
    concepts = read_concepts(tmp_path)
    verify_concepts(concepts)
    for path in concepts[0].images:
        content_hash(path)
    assert state() == before


def test_importing_does_not_import_torch() -> None:
    code = "import sys, harness.photos; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
