"""The user's own photographs: what is read, in which order and category; every pixel mode; every refusal."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
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


def colour(path: Path) -> tuple[int, ...]:
    """The one colour of a flat image."""
    pixels = load_image(path, 4)
    assert (pixels == pixels[0, 0]).all()
    return tuple(int(value) for value in pixels[0, 0])


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


# Pixels


def test_result_is_a_fresh_rgb_array(tmp_path: Path) -> None:
    pixels = load_image(saved(tmp_path, quarters(), "a.png"), 16)
    assert pixels.shape == (16, 16, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, np.asarray(quarters()))


@pytest.mark.parametrize(
    ("image", "name", "expected"),
    [
        (Image.new("1", (9, 9), 1), "a.png", (255, 255, 255)),
        (Image.new("L", (9, 9), 77), "a.png", (77, 77, 77)),
        (Image.new("LA", (9, 9), (0, 51)), "a.png", (204, 204, 204)),
        (Image.new("RGBA", (9, 9), (255, 0, 0, 51)), "a.png", (255, 204, 204)),
        (Image.new("RGBA", (9, 9), (9, 9, 9, 0)), "a.webp", (255, 255, 255)),
        (Image.new("RGB", (9, 9), RED).quantize(4), "a.png", RED),
        (Image.new("RGB", (9, 9), BLUE).quantize(4), "a.gif", BLUE),
        (Image.new("RGBA", (9, 9), (0, 0, 255, 0)).quantize(4), "a.png", (255, 255, 255)),
        (Image.new("CMYK", (9, 9), (0, 255, 255, 0)), "a.tif", RED),
        (Image.new("CMYK", (9, 9), (0, 0, 0, 255)), "a.tif", (0, 0, 0)),
        (Image.new("I;16", (9, 9), 65535), "a.png", (255, 255, 255)),
        (Image.new("I;16", (9, 9), 257 * 100), "a.png", (100, 100, 100)),
        (Image.new("I;16", (9, 9), 20 * 257), "a.png", (20, 20, 20)),
        (Image.fromarray(np.full((9, 9), 257 * 100, ">u2")), "a.tif", (100, 100, 100)),
        (Image.new("I", (9, 9), 200), "a.tif", (200, 200, 200)),
        (Image.new("I", (9, 9), 257 * 100), "a.tif", (100, 100, 100)),
        (Image.new("I", (9, 9), 2**31 - 1), "a.tif", (255, 255, 255)),
        (Image.new("I", (9, 9), -7), "a.tif", (0, 0, 0)),
        (Image.new("F", (9, 9), 0.4), "a.tif", (102, 102, 102)),
        (Image.new("F", (9, 9), 102.0), "a.tif", (102, 102, 102)),
        (Image.new("F", (9, 9), 300.0), "a.tif", (255, 255, 255)),
        (Image.new("F", (9, 9), float("nan")), "a.tif", (0, 0, 0)),
        (Image.new("F", (9, 9), float("inf")), "a.tif", (255, 255, 255)),
        (Image.new("YCbCr", (9, 9), (90, 128, 128)), "a.tif", (90, 90, 90)),
        (Image.new("LAB", (9, 9), (255, 128, 128)), "a.tif", (255, 255, 255)),
        (Image.new("LAB", (9, 9), (138, 209, 198)), "a.tif", RED),
    ],
    ids=lambda value: f"{value.mode}" if isinstance(value, Image.Image) else str(value),
)
def test_every_mode(tmp_path: Path, image: Image.Image, name: str, expected: tuple[int, ...]) -> None:
    path = saved(tmp_path, image, name)
    np.testing.assert_allclose(colour(path), expected, atol=5)


def test_mode_survives_the_test_files(tmp_path: Path) -> None:
    """The case above tests what it claims: Pillow opens these files in the mode they were saved in."""
    big = Image.fromarray(np.full((3, 3), 7, ">u2"))
    modes = ("1", "L", "LA", "RGBA", "CMYK", "I;16", "I", "F", "YCbCr", "LAB")
    for image in (*(Image.new(mode, (3, 3)) for mode in modes), big):
        with Image.open(saved(tmp_path, image, "a.tif")) as opened:
            assert opened.mode == image.mode


def test_rgb_with_a_transparent_colour(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.new("RGB", (5, 5), BLUE), "a.png", transparency=BLUE)
    assert colour(path) == (255, 255, 255)


@pytest.mark.parametrize("ink", [(0, 0, 0, 0), (0, 255, 255, 0), (255, 255, 0, 0), (0, 0, 0, 255)])
def test_cmyk_jpeg(tmp_path: Path, ink: tuple[int, int, int, int]) -> None:
    """Pillow writes CMYK JPEGs inverted with Adobe's marker, as Photoshop does."""
    path = saved(tmp_path, Image.new("CMYK", (16, 16), ink), "a.jpg", quality=95)
    assert b"Adobe" in path.read_bytes()
    cyan, magenta, yellow, black = ink
    expected = [(255 - colourant) * (255 - black) / 255 for colourant in (cyan, magenta, yellow)]
    np.testing.assert_allclose(colour(path), expected, atol=3)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_first_frame_of_an_animation(tmp_path: Path, name: str) -> None:
    first, second = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), BLUE)
    path = saved(tmp_path, first, name, save_all=True, append_images=[second])
    with Image.open(path) as opened:
        assert getattr(opened, "n_frames", 1) == 2
    np.testing.assert_allclose(colour(path), RED, atol=3)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int, name: str) -> None:
    """By the definition of the tag: in which direction the stored rows and columns run in the upright image."""
    shown = np.asarray(quarters())
    stored = {
        1: shown,
        2: shown[:, ::-1],
        3: shown[::-1, ::-1],
        4: shown[::-1],
        5: shown.transpose(1, 0, 2),
        6: np.rot90(shown, 1),  # shown after a quarter turn clockwise, so stored a quarter turn counter-clockwise
        7: shown[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(shown, -1),
    }[orientation]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options = {"a.jpg": {"quality": 100, "subsampling": 0}, "a.webp": {"lossless": True}}.get(name, {})
    path = saved(tmp_path, Image.fromarray(np.ascontiguousarray(stored)), name, exif=exif, **options)
    np.testing.assert_allclose(load_image(path, 16), shown, atol=3)


@pytest.mark.parametrize("value", [0, 9, 700])
def test_an_orientation_out_of_range_counts_as_upright(tmp_path: Path, value: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = value
    path = saved(tmp_path, quarters(), "a.png", exif=exif)
    np.testing.assert_array_equal(load_image(path, 16), np.asarray(quarters()))


@pytest.mark.parametrize("exif", [b"Exif\0\0damaged", b"Exif\0\0MM\0*\0\0\0\x08\0\xff"])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_counts_as_upright(tmp_path: Path, exif: bytes) -> None:
    path = saved(tmp_path, Image.new("RGB", (8, 8), RED), "a.png", exif=exif)
    assert colour(path) == RED


def test_the_central_square_is_kept(tmp_path: Path) -> None:
    wide = Image.new("RGB", (40, 8), BLUE)
    wide.paste(RED, (16, 0, 24, 8))
    assert colour(saved(tmp_path, wide, "wide.png")) == RED
    assert colour(saved(tmp_path, wide.transpose(Image.Transpose.ROTATE_90), "tall.png")) == RED


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (2, 3)])
def test_extreme_shapes(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = saved(tmp_path, Image.new("RGB", shape, RED), "a.png")
    assert load_image(path, 33).shape == (33, 33, 3)
    assert colour(path) == RED


MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F")


@settings(max_examples=60, deadline=None)
@given(
    mode=st.sampled_from(MODES),
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    size=st.integers(1, 64),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_image_becomes_a_square_of_rgb(
    tmp_path_factory: pytest.TempPathFactory, mode: str, width: int, height: int, size: int, seed: int
) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    source = Image.fromarray(noise)
    image = source.convert("L").convert("I").convert("I;16") if mode == "I;16" else None
    if mode == "LAB":
        image = Image.frombytes("LAB", (width, height), noise.tobytes())
    image = image or (source.convert("L").convert(mode) if mode in ("I", "F", "LA") else source.convert(mode))
    path = saved(tmp_path_factory.mktemp("any"), image, "a.png" if mode == "P" else "a.tif")
    pixels = load_image(path, size)
    assert pixels.shape == (size, size, 3)
    assert pixels.dtype == np.uint8


# Refusals


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.gif", "a.tif", "a.bmp"])
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_truncated_files(tmp_path: Path, name: str, kept: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(noise), name)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    raises_sentence(lambda: load_image(path, 8), path, "truncated?", "replace or remove")


def test_text_renamed_to_an_image(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_text("This is no photograph at all, whatever its name says.\n" * 20)
    raises_sentence(lambda: load_image(path, 8), path, "cannot be read as an image")


def test_a_program_is_never_run_for_an_image(tmp_path: Path) -> None:
    """EPS needs Ghostscript; a file that only calls itself .jpg must not start it."""
    path = tmp_path / "a.jpg"
    with BytesIO() as stream:
        quarters().save(stream, "EPS")
        path.write_bytes(stream.getvalue())
    raises_sentence(lambda: load_image(path, 8), path, "cannot be read as an image")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("limit", [200, 100])  # above one time the limit Pillow warns, above two it raises
def test_too_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    path = saved(tmp_path, quarters(), "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    raises_sentence(lambda: load_image(path, 8), path, "smaller copy")
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
def test_too_many_pixels_where_warnings_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, quarters(), "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
    raises_sentence(lambda: load_image(path, 8), path, "smaller copy")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 256)
    assert load_image(path, 8).shape == (8, 8, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert load_image(path, 8).shape == (8, 8, 3)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (0, 0)])
def test_zero_size(tmp_path: Path, width: int, height: int) -> None:
    path = tmp_path / "a.gif"
    path.write_bytes(b"GIF89a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\0\0\0;")
    raises_sentence(lambda: load_image(path, 8), path, "cannot be read as an image")
    path.with_suffix(".ppm").write_bytes(f"P6 {width} {height} 255\n".encode())
    raises_sentence(lambda: load_image(path.with_suffix(".ppm"), 8), "cannot be read as an image")


def test_what_is_no_file(tmp_path: Path) -> None:
    for call in (lambda path: load_image(path, 8), content_hash):
        raises_sentence(lambda call=call: call(tmp_path / "no.png"), tmp_path / "no.png", "does not exist")
        raises_sentence(lambda call=call: call(tmp_path), tmp_path, "not a file")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    home = concept(tmp_path, "cup")
    os.mkfifo(home / "c.png")
    assert [path.name for path in read_concepts(tmp_path)[0].images] == ["a.png", "b.png"]
    raises_sentence(lambda: load_image(home / "c.png", 8), home / "c.png", "not a file")


@pytest.mark.parametrize("size", [0, -1])
def test_size_below_one(tmp_path: Path, size: int) -> None:
    path = saved(tmp_path, quarters(), "a.png")
    with pytest.raises(ValueError, match="size"):
        load_image(path, size)


def test_memory_shortage_is_not_called_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, quarters(), "a.png")

    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "crop", full)
    with pytest.raises(MemoryError):
        load_image(path, 8)


def test_verify_names_the_first_bad_image(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        concept(tmp_path, name)
    for bad in (tmp_path / "b" / "b.png", tmp_path / "c" / "a.png"):
        bad.write_bytes(bad.read_bytes()[:40])
    raises_sentence(lambda: verify_concepts(read_concepts(tmp_path)), tmp_path / "b" / "b.png")


# The rest


def test_content_hash(tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes(300_001)
    (tmp_path / "a.jpg").write_bytes(data)
    assert content_hash(tmp_path / "a.jpg") == hashlib.sha256(data).hexdigest()


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
