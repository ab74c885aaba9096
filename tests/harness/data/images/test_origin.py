"""What a file says of how its picture was made: by a model, or turned before its tag turns it again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin

from harness.data.images.decoding import check_photo

SETTINGS = "a dog\nSteps: 30, Sampler: Euler a, CFG scale: 7"
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>.../digitalsourcetype/trainedAlgorithmicMedia</x:xmpmeta>"


def photograph(width: int = 96, height: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def exif(orientation: int | None = None, size: tuple[int, int] | None = None, comment: bytes | None = None) -> bytes:
    found = Image.Exif()
    if orientation is not None:
        found[ExifTags.Base.Orientation] = orientation
    block = found.get_ifd(ExifTags.IFD.Exif)
    if size is not None:
        block[ExifTags.Base.ExifImageWidth], block[ExifTags.Base.ExifImageHeight] = size
    if comment is not None:
        block[ExifTags.Base.UserComment] = comment
    return found.tobytes()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("keyword", "said"),
    [
        ("parameters", True), ("workflow", True), ("invokeai_metadata", True), ("Dream", True),
        ("Title", False), ("Software", False), ("Comment", False),
    ],
)  # fmt: skip
def test_a_png_that_says_how_it_was_drawn(tmp_path: Path, keyword: str, packed: bool, said: bool) -> None:
    path, text = tmp_path / "a.png", PngImagePlugin.PngInfo()
    text.add_text(keyword, SETTINGS, zip=packed)
    photograph().save(path, pnginfo=text)
    expected = (
        f"{path} was drawn by a model, as it says itself ({keyword.casefold()}); if real pictures are to be learnt, "
    )
    assert check_photo(path) == ((f"{expected}remove it.",) if said else ())


def test_a_workflow_that_is_too_long_for_pillow_says_it_as_well(tmp_path: Path) -> None:
    path, text = tmp_path / "a.png", PngImagePlugin.PngInfo()
    text.add_text("workflow", "x" * (2 << 20), zip=True)
    photograph().save(path, pnginfo=text)
    assert "drawn by a model" in "".join(check_photo(path))


@pytest.mark.parametrize("coding", [b"UNICODE\0" + SETTINGS.encode("utf-16-be"), b"ASCII\0\0\0" + SETTINGS.encode()])
def test_a_jpeg_with_the_sampler_in_its_comment(tmp_path: Path, coding: bytes) -> None:
    path = tmp_path / "a.jpg"
    photograph().save(path, exif=exif(comment=coding))
    assert "(a comment with sampling steps)" in "".join(check_photo(path))
    photograph().save(path, exif=exif(comment=b"ASCII\0\0\0Steps: up to the church"))
    assert check_photo(path) == ()


@pytest.mark.parametrize("name", ["a.jpg", "a.webp"])
def test_the_word_of_the_press_for_pictures_of_models(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    photograph().save(path, xmp=XMP)
    assert "(trainedAlgorithmicMedia)" in "".join(check_photo(path))


@pytest.mark.parametrize(
    ("orientation", "size", "said"),
    [(6, (64, 96), True), (8, (64, 96), True), (6, (96, 64), False), (1, (64, 96), False), (3, (64, 96), False),
     (6, None, False), (6, (640, 960), False), (None, (64, 96), False)],
)  # fmt: skip
def test_a_tag_that_would_turn_a_second_time(
    tmp_path: Path, orientation: int | None, size: tuple[int, int] | None, said: bool
) -> None:
    path = tmp_path / "a.jpg"
    photograph().save(path, exif=exif(orientation, size))
    expected = (
        f"{path} is turned by its EXIF orientation, but was turned before by the size there (64 x 96, of 96 x 64); "
        "if it lies on its side then, save it upright without that tag."
    )
    assert check_photo(path) == ((expected,) if said else ())


def test_a_square_is_turned_either_way(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    photograph(64, 64).save(path, exif=exif(6, (64, 64)))
    assert check_photo(path) == ()


@pytest.mark.parametrize(
    ("comment", "said"),
    [
        (b"ASCII\0\0\0Screenshot", True), (b"UNICODE\0" + "Screenshot".encode("utf-16-be"), True),
        (b"screenshot", True),
        (b"ASCII\0\0\0no screenshot", False), (b"ASCII\0\0\0", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["IMG_0413.PNG", "IMG_0413.JPG"])
def test_a_screenshot_that_says_so_itself(tmp_path: Path, name: str, comment: bytes, said: bool) -> None:
    path = tmp_path / name
    photograph().save(path, exif=exif(comment=comment))
    line = f"{path} is a screenshot, as it says itself; crop it to the picture that is meant, or remove it."
    assert check_photo(path) == ((line,) if said else ())


@pytest.mark.parametrize(("program", "said"), [("gnome-screenshot", True), ("Spectacle", True), ("GIMP 2.10", False)])
def test_a_png_of_a_program_for_screenshots(tmp_path: Path, program: str, said: bool) -> None:
    path, text = tmp_path / "a.png", PngImagePlugin.PngInfo()
    text.add_text("Software", program)
    photograph().save(path, pnginfo=text)
    assert any("is a screenshot" in line for line in check_photo(path)) == said
