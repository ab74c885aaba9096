"""The user's own photographs: what is used, in which order, what is not and how it is said; every refusal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from own_photos import HEIC, JPEG_XL, LFS_POINTER, concept, lines, noise, picture
from tests_support import raises_sentence

from harness.api import find_benchmark
from harness.data import image_folders
from harness.data.category_words import words_of_name
from harness.data.concept_folder import Concept, checked, read_photos
from harness.data.folder_benchmark import photo_benchmark
from harness.data.images.decoding import content_hash, load_image, unreadable
from harness.errors import UsageError


def read_concepts(folder: Path) -> list[Concept]:
    return list(read_photos(folder).concepts)


# Folders


@pytest.mark.parametrize("place", ["runs", ".", "cup"])
def test_what_runs_wrote_into_the_folder_is_not_used_and_named(tmp_path: Path, place: str) -> None:
    concept(tmp_path, "cup")
    concept(tmp_path, "duck")
    results = tmp_path / place / ("runs" if place == "cup" else "")
    concept(results / "report", "grids")
    concept(results / "store" / "steps", "8c")
    assert [one.name for one in read_concepts(tmp_path)] == ["cup", "duck"]
    named = {"runs": "runs", ".": "report and store", "cup": "runs"}[place]
    where = "HERE/cup" if place == "cup" else "HERE"
    assert lines(tmp_path) == [f"{where}: not used: what runs of this program wrote ({named})."]
    read_photos(tmp_path).require_whole()


def test_a_concept_that_has_images_is_no_results_folder(tmp_path: Path) -> None:
    concept(tmp_path, "cup")
    (concept(tmp_path, "runs") / "store" / "steps").mkdir(parents=True)
    assert [one.name for one in read_concepts(tmp_path)] == ["cup", "runs"]


def test_concepts_and_images_are_in_natural_order(tmp_path: Path) -> None:
    for name in ("task10", "task2", "Task1", "b"):
        concept(tmp_path, name, ("img10.png", "IMG2.PNG", "img1.jpg"))
    concepts = read_concepts(tmp_path)
    assert [one.name for one in concepts] == ["b", "Task1", "task2", "task10"]
    assert [path.name for path in concepts[0].images] == ["img1.jpg", "IMG2.PNG", "img10.png"]
    assert concepts[0] == Concept(
        "b", "b", tuple(tmp_path / "b" / name for name in ("img1.jpg", "IMG2.PNG", "img10.png"))
    )
    checked(read_photos(tmp_path))


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
    picture(home / "._b.jpg")
    concept(tmp_path, ".cache")
    (tmp_path / "__MACOSX" / "cup").mkdir(parents=True)
    (tmp_path / "licences.txt").write_text("x")
    picture(tmp_path / "preview.png")
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
    raises_sentence(lambda: read_photos(photos), photos / "linked" / "c.png", "restore or remove")
    (home / "c.png").unlink()
    (only,) = read_concepts(photos)
    assert [path.name for path in only.images] == ["a.png", "b.png"]


def test_a_missing_folder(tmp_path: Path) -> None:
    raises_sentence(lambda: read_concepts(tmp_path / "no"), tmp_path / "no", "does not exist")
    path = picture(tmp_path / "a.png")
    raises_sentence(lambda: read_concepts(path / "below"), path / "below", "does not exist")


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    raises_sentence(lambda: read_concepts(path), path, "not a folder")


def test_no_concepts(tmp_path: Path) -> None:
    raises_sentence(lambda: read_concepts(tmp_path), tmp_path, "no sub-folder with images")
    (tmp_path / "empty").mkdir()
    raises_sentence(lambda: read_concepts(tmp_path), tmp_path, "no sub-folder with images")
    picture(tmp_path / "a.png")
    raises_sentence(lambda: read_concepts(tmp_path), tmp_path, "holds images but no sub-folder")


def test_archives_in_place_of_images_are_named(tmp_path: Path) -> None:
    archive = concept(tmp_path, "dog", ()) / "images.zip"
    archive.write_bytes(b"PK\x03\x04" + bytes(30))
    raises_sentence(lambda: read_concepts(tmp_path), tmp_path, f"but {archive} is a ZIP archive; unpack it to use")
    picture(tmp_path / "dog" / "a.png")
    picture(tmp_path / "dog" / "b.png", noise("b"))
    assert lines(tmp_path) == [
        "HERE/dog: not used: 1 file that is no image (images.zip; unpack it to use images in it)."
    ]


def test_a_folder_that_cannot_be_read_is_refused_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shut, read = concept(tmp_path, "shut"), image_folders.entries
    concept(tmp_path, "dog")

    def entries(folder: Path) -> list[Path]:
        if folder == shut:
            raise unreadable(folder, PermissionError(13, "Permission denied"))
        return read(folder)

    monkeypatch.setattr(image_folders, "entries", entries)
    message = raises_sentence(lambda: read_concepts(tmp_path), shut, "cannot be read (Permission denied)")
    assert "more" not in message


def test_a_folder_without_images_beside_good_ones_is_said_or_refused(tmp_path: Path) -> None:
    concept(tmp_path, "cup")
    (concept(tmp_path, "vase", ()) / "notes.txt").write_text("to do")
    reading = checked(read_photos(tmp_path))
    assert [one.name for one in reading.concepts] == ["cup"]
    assert lines(tmp_path) == [
        "HERE/vase: not used: 1 file that is no image (notes.txt).",
        "HERE: not used: 1 folder without images (vase).",
    ]
    raises_sentence(reading.require_whole, f"{tmp_path / 'vase'} is not used (a folder without images)", "--strict")


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
            raises_sentence(lambda: checked(read_photos(tmp_path)), path, "permission")
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
    (tmp_path / "categories.csv").write_text("cup,cup")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", deny)
        raises_sentence(lambda: read_concepts(tmp_path), tmp_path / "categories.csv", "Permission denied")


def test_an_unprintable_folder_name(tmp_path: Path) -> None:
    try:
        concept(tmp_path, "a\nb")
    except OSError:
        pytest.skip("this file system refuses the name")
    raises_sentence(lambda: read_concepts(tmp_path), "a\\nb", "rename")


@pytest.mark.parametrize("name", [b"th\xe9i\xe8re", b"th\x82i\x8are"])
def test_a_folder_name_that_is_not_utf_8(tmp_path: Path, name: bytes) -> None:
    try:
        concept(tmp_path, os.fsdecode(name))
    except OSError:
        pytest.skip("this file system refuses the name")
    escaped = repr(name)[2:-1]
    said = f"The name of the folder {tmp_path}/{escaped} is not UTF-8 (meant as 'théière'?); rename it."
    with pytest.raises(UsageError) as error:
        read_concepts(tmp_path)
    assert str(error.value) == said
    (tmp_path / os.fsdecode(name) / "cup").mkdir()
    raises_sentence(
        lambda: read_concepts(tmp_path / os.fsdecode(name)), f"{tmp_path}/{escaped} is not UTF-8; rename it."
    )


# What is used and what is not


SYSTEM = (
    "@eaDir", "#recycle", "$RECYCLE.BIN", "RECYCLER", "lost+found", "System Volume Information", "__MACOSX",
    ".Trash-1000", ".Trashes", ".Spotlight-V100", ".ipynb_checkpoints", "__pycache__",
)  # fmt: skip


@pytest.mark.parametrize("name", SYSTEM)
def test_folders_of_the_system_are_no_concepts_and_said(tmp_path: Path, name: str) -> None:
    concept(tmp_path, "dog")
    concept(tmp_path, name)
    concept(tmp_path / "dog", name)
    assert [one.name for one in read_concepts(tmp_path)] == ["dog"]
    (line,) = lines(tmp_path)
    assert line.startswith("HERE: not used: 2 folders of the system's (")
    assert name in line
    assert f"dog/{name}" in line
    checked(read_photos(tmp_path)).require_whole()


def test_files_of_systems_and_cameras_are_left_out(tmp_path: Path) -> None:
    home = concept(tmp_path, "dog")
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._a.png", "Picasa.ini"):
        (home / name).write_bytes(bytes(64))
        (tmp_path / name).write_bytes(bytes(64))
    assert lines(tmp_path) == []
    assert len(read_photos(tmp_path).skipped) == 10
    for name in ("a.png.xmp", "a.AAE"):
        (home / name).write_text("<x/>")
    assert lines(tmp_path) == ["HERE/dog: not used: 2 files that are no images (a.AAE and a.png.xmp)."]


def test_images_are_known_by_their_content(tmp_path: Path) -> None:
    home = concept(tmp_path, "dog", ("a.png", "photo", "b.jpg_large"))
    picture(home / "c.png").rename(home / "c.HEIC")
    assert [path.name for path in read_concepts(tmp_path)[0].images] == ["a.png", "b.jpg_large", "c.HEIC", "photo"]
    assert lines(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "data", "part"), [("x.HEIC", HEIC, "pillow-heif"), ("x.jpg", HEIC, "pillow-heif"), ("x", JPEG_XL, "JPEG")]
)
def test_a_photograph_that_cannot_be_read_here_is_counted_and_named(
    tmp_path: Path, name: str, data: bytes, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.data.images.file_kinds.find_spec", lambda _: None)  # no plugin is installed
    home = concept(tmp_path, "dog")
    for number in range(5):
        (home / f"{number}{name}").write_bytes(data)
    (line,) = lines(tmp_path)
    assert line.startswith(f"HERE/dog: not used: 5 photographs (0{name}, 1{name}, 2{name} and 2 more), each a")
    assert part in line
    raises_sentence(read_photos(tmp_path).require_whole, home / f"0{name}", "4 more", "--strict")
    (home / "b.png").unlink()
    raises_sentence(lambda: read_photos(tmp_path), home, "only one image but 5 that cannot be used", part)


@pytest.mark.parametrize("data", ["", LFS_POINTER, "<!doctype html><title>404</title>"])
def test_what_stands_in_the_place_of_an_image_is_refused(tmp_path: Path, data: str) -> None:
    home = concept(tmp_path, "dog")
    (home / "c.jpg").write_text(data)
    raises_sentence(lambda: read_photos(tmp_path), home / "c.jpg")


def test_photographs_in_folders_inside_are_said(tmp_path: Path) -> None:
    home = concept(tmp_path, "dog")
    concept(home, "monday", ("a.png", "b", "c.jpg"))
    concept(home / "tuesday", "morning", ("a.png", "b.HEIC"))
    (home / "empty").mkdir()
    assert lines(tmp_path) == [
        "HERE/dog: not used: 4 images in 2 folders inside (monday and tuesday; move the images up to use them)."
    ]
    for path in (home / "a.png", home / "b.png"):
        path.unlink()
    concept(tmp_path, "cat")
    raises_sentence(lambda: read_photos(tmp_path), home, "no image of its own but 4 in 2 folders inside", "else move")


def test_masks_are_a_concept_beside_others_and_a_folder_inside_one(tmp_path: Path) -> None:
    concept(concept(tmp_path, "dog"), "masks")
    concept(tmp_path, "masks")
    reading = checked(read_photos(tmp_path))
    assert reading.summary == "2 concepts, 4 images: dog and masks."
    assert lines(tmp_path)[0].startswith("HERE/dog: not used: 2 images in 1 folder inside (masks;")


def test_a_folder_of_folders_of_concepts_says_which_to_give(tmp_path: Path) -> None:
    concept(tmp_path / "pets", "dog")
    raises_sentence(lambda: read_photos(tmp_path), "folders of such folders (pets/)", "give the one that holds")


def test_links_that_lead_back_are_no_concepts(tmp_path: Path) -> None:
    home = concept(tmp_path, "dog")
    try:
        (home / "again").symlink_to("..")
        (tmp_path / "all").symlink_to(".")
    except OSError:
        pytest.skip("no symbolic links here")
    assert [one.name for one in read_concepts(tmp_path)] == ["dog"]
    said = "HERE: not used: 1 link (all), a link back to a folder that it lies in; mend or remove it."
    assert lines(tmp_path) == [said]
    assert {one.path.name for one in read_photos(tmp_path).skipped} == {"again", "all"}


def test_images_beside_the_folders_are_said(tmp_path: Path) -> None:
    concept(tmp_path, "dog")
    picture(tmp_path / "a.png")
    assert lines(tmp_path) == [
        "HERE: not used: 1 image beside the sub-folders (a.png; move them into one to use them)."
    ]


def test_a_plural_beside_its_singular_is_said(tmp_path: Path) -> None:
    for name in ("vase", "Vases", "box", "boxes", "glas"):
        concept(tmp_path, name)
    line = "Folders that may be meant as one: box and boxes; vase and Vases; if they are, merge them."
    assert lines(tmp_path) == [line]
    checked(read_photos(tmp_path)).require_whole()


def test_few_lines_of_many_folders(tmp_path: Path) -> None:
    for number in range(30):
        (concept(tmp_path, f"dog_{number}") / "notes.txt").write_text("x")
    found = lines(tmp_path)
    assert len(found) == 12
    assert found[-1] == "... and 19 more lines like these."


def test_the_table_says_what_is_used(tmp_path: Path) -> None:
    (concept(tmp_path, "max", category="dog") / "notes.txt").write_text("x")
    concept(tmp_path, "red_cup")
    assert checked(read_photos(tmp_path)).rows() == [
        {"concept": "max", "category": "dog", "from": "category.txt", "images": 2, "shown": "80 %", "skipped": 1},
        {
            "concept": "red_cup",
            "category": "red cup",
            "from": "the folder's name",
            "images": 2,
            "shown": "80 %",
            "skipped": 0,
        },
    ]


# Names


def test_names_are_in_composed_letters(tmp_path: Path) -> None:
    concept(tmp_path, unicodedata.normalize("NFD", "café"))
    (only,) = read_concepts(tmp_path)
    assert (only.name, only.category) == ("caf\u00e9", "caf\u00e9")


def test_one_name_in_composed_and_in_decomposed_letters_is_refused(tmp_path: Path) -> None:
    for form in ("NFC", "NFD"):
        (tmp_path / unicodedata.normalize(form, "café")).mkdir(exist_ok=True)
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system takes them for one name")
    raises_sentence(lambda: read_photos(tmp_path), "is there twice", "macOS", "rename one")


@settings(max_examples=40)
@given(st.text(st.characters(exclude_categories=("C",), exclude_characters="/"), min_size=1, max_size=40))
def test_any_name_is_read_shown_or_refused(name: str) -> None:
    if name.startswith(".") or len(name.encode()) > 200:
        return
    with TemporaryDirectory() as place:
        folder = Path(place)
        concept(folder, "_" + name)
        if not name.isprintable() or not any(c.isalpha() for c in words_of_name("_" + name)[0]):
            raises_sentence(lambda: read_concepts(folder), "it")
            return
        (only,) = read_concepts(folder)
        assert only.name == unicodedata.normalize("NFC", "_" + name)
        assert any(c.isalpha() for c in only.category)
        assert only.category == " ".join(only.category.split())
        plainly = re.sub(r"[\d\s]+$", "", " ".join(re.sub("[_-]", " ", only.name).split()))
        assert only.plain == (only.category == plainly and not any(c.isdigit() for c in only.category))
        lines = read_photos(folder).lines()  # of a plain name, that it is garbled, of two scripts or another than Latin
        odd = ("A name has letters that seem garbled", "A category word has a part that is not of what")
        odd += ("A category word has letters that are not Latin",)
        assert not only.plain or all(line.startswith(odd) for line in lines)


@pytest.mark.parametrize("name", ["x" * 250, "word " * 40 + "."])
def test_long_names_are_cut_in_sentences(tmp_path: Path, name: str) -> None:
    concept(tmp_path, name, ("a.png",))
    message = raises_sentence(lambda: read_photos(tmp_path), "only one image")
    assert "…" in message
    assert len(message) < len(str(tmp_path)) + 200


def test_a_least_size(tmp_path: Path) -> None:
    home = concept(tmp_path, "dog")
    picture(home / "c.png", noise("small", 30, 12))
    checked(read_photos(tmp_path))
    raises_sentence(lambda: checked(read_photos(tmp_path), min_side=13), home / "c.png", "at least 13")


# Benchmarks


def test_a_folder_never_bears_the_name_of_a_registered_benchmark(tmp_path: Path) -> None:
    for name in ("mixed50", "tuning6", "mine"):
        concept(tmp_path / name, "dog")
    names = [photo_benchmark(tmp_path / name, "mini").name for name in ("mixed50", "tuning6", "mine")]
    assert names == ["mixed50 (folder)", "tuning6 (folder)", "mine"]


@pytest.mark.parametrize("name", ["shoot 12:30", "a:b", "json:dumps"])
def test_a_folder_with_a_colon_in_its_name_is_a_folder(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        concept(Path(name), "dog")
    except OSError:
        pytest.skip("this file system refuses the name")
    assert find_benchmark(name, "mini").name == name
    raises_sentence(lambda: find_benchmark("no/such 12:30", "mini"), "no/such 12:30 does not exist")
    raises_sentence(lambda: find_benchmark("x" * 5000, "mini"), "Unknown benchmark")


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
    raises_sentence(lambda: checked(read_photos(tmp_path)), tmp_path / "b" / "b.png")


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
    checked(read_photos(tmp_path))
    for path in concepts[0].images:
        content_hash(path)
    assert state() == before


def test_importing_does_not_import_torch() -> None:
    code = "import sys, harness.data.concept_folder; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_folder_given_as_a_dot_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    concept(tmp_path / "mine", "cup")
    monkeypatch.chdir(tmp_path / "mine")
    assert photo_benchmark(Path(), "mini").title == "1 concept of mine"
