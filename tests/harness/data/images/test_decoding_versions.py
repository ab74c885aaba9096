"""Photographs that are shown in another way than before get keys of their own; all others keep theirs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import colour_tables
import pytest
from PIL import Image

from harness.data import class_files
from harness.data.class_files import FileClass, FileImages, examine
from harness.data.concept_folder import Concept
from harness.data.folder_benchmark import PhotoImages
from harness.data.images.decoding_versions import image_key
from harness.data.manifest import Origin, PreparedImages
from harness.data.selection import photo_file


@pytest.fixture
def plain(tmp_path: Path) -> list[Path]:
    """Photographs without a profile, and one with sRGB's."""
    paths = [tmp_path / "a.jpg", tmp_path / "b.png", tmp_path / "c.jpg"]
    for shade, path in enumerate(paths):
        options = {"icc_profile": colour_tables.srgb()} if path.name == "c.jpg" else {}
        Image.new("RGB", (20, 16), (shade, 90, 200)).save(path, **options)
    return paths


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """A photograph of other colours than its numbers say."""
    path = tmp_path / "wide.jpg"
    Image.new("RGB", (20, 16), (7, 90, 200)).save(path, icc_profile=colour_tables.red_is_green())
    return path


def sha256(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def hashes(paths: Sequence[Path]) -> list[str]:
    return [sha256(path.read_bytes()) for path in paths]


def test_the_key_of_an_image() -> None:
    assert image_key("ab", 1) == "ab"
    assert image_key("ab", 2) == "ab as decoded since version 2"


def test_a_folder_of_photographs(plain: list[Path], wide: Path) -> None:
    assert PhotoImages(Concept("a", "a", tuple(plain))).fingerprint() == sha256("\n".join(hashes(plain)))
    keys = [*hashes(plain), image_key(*hashes([wide]), 2)]
    assert PhotoImages(Concept("a", "a", (*plain, wide))).fingerprint() == sha256("\n".join(keys))


def test_prepared_photographs(tmp_path: Path, plain: list[Path], wide: Path) -> None:
    """A manifest of an earlier version does not say how its photographs are shown: that is looked up."""
    origin = Origin(title="own", root=str(tmp_path), terms="", drawn="", min_images=2)
    photos = tuple(photo_file(tmp_path, path.name) for path in (*plain, wide))
    assert [one.decoding for one in photos] == [1, 1, 1, 2]
    assert [(one.width, one.height) for one in photos] == [(20, 16)] * 4
    keys = [*hashes(plain), image_key(*hashes([wide]), 2)]
    assert PreparedImages("own", origin, photos).fingerprint() == sha256("\n".join(keys))
    earlier = tuple(one.model_copy(update={"decoding": None}) for one in photos)
    assert PreparedImages("own", origin, earlier).fingerprint() == sha256("\n".join(keys))
    assert PreparedImages("own", origin, earlier[:3]).fingerprint() == sha256("\n".join(hashes(plain)))


def test_files_of_classes(plain: list[Path], wide: Path) -> None:
    def print_of(*files: class_files.ClassFile) -> str:
        return FileImages((FileClass("a", files, ()),), "").fingerprint()

    files = [examine(path) for path in (*plain, wide)]
    assert print_of(*files[:3]) == sha256("\n".join(f"train 0 {one}" for one in hashes(plain)))
    assert print_of(files[3]) == sha256(f"train 0 {image_key(*hashes([wide]), 2)}")
    earlier = [replace(file, decoding=None) for file in files]
    assert print_of(*earlier) == print_of(*files)


def test_notes_of_a_class_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (300, 20)).save(path)
    for _ in range(2):
        assert "its central square shows 7 % of it" in examine(path).notes[0]
    with pytest.raises(Exception, match="needs at least 21"):
        examine(path, min_side=21)
