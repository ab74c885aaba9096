"""Stereo pairs, pixels that are not square and bars at the edges are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_photos import concept, lines, noise
from PIL import Image, ImageDraw, ImageFilter

from harness.data.class_folder import read_classes
from harness.data.images.decoding import examine_photo


def photo(seed: str, width: int = 160, height: int = 120) -> Image.Image:
    return noise(seed, 8, 6).resize((width, height))


def test_views_for_two_eyes_are_named_by_the_suffix(tmp_path: Path) -> None:
    mug = concept(tmp_path, "mug", ())
    photo("a").save(mug / "a.jps", "JPEG")
    photo("b").save(mug / "b.jpg")
    said = "{} of views for two eyes by the name, used as one picture: {}; save one view in its place."
    assert lines(tmp_path) == [f"HERE/mug: {said.format('1 image is a pair', 'a.jps')}"]
    photo("c").save(mug / "c.PNS", "PNG")
    assert lines(tmp_path) == [f"HERE/mug: {said.format('2 images are pairs', 'a.jps and c.PNS')}"]


@pytest.mark.parametrize(
    ("name", "options", "oblong"),
    [
        ("a.tif", {"dpi": (300, 600)}, True), ("a.jpg", {"dpi": (600, 300)}, True),
        ("a.png", {"dpi": (300, 600)}, True),
        ("a.bmp", {"dpi": (300, 600)}, True), ("a.tif", {"dpi": (204, 196)}, False), ("a.jpg", {}, False),
        ("a.png", {"dpi": (72, 1)}, False), ("a.tif", {"x_resolution": 2.0, "y_resolution": 1.0}, True),
    ],
)  # fmt: skip
def test_pixels_that_are_not_square(tmp_path: Path, name: str, options: dict[str, Any], oblong: bool) -> None:
    photo("a").save(tmp_path / name, **options)
    assert examine_photo(tmp_path / name).oblong == oblong


def test_a_jpegs_ratio_without_a_unit(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    photo("a").save(path)
    data = path.read_bytes()
    assert data[6:11] == b"JFIF\0"
    for ratio, oblong in ((b"\0\1\0\1", False), (b"\0\2\0\1", True), (b"\0\0\0\1", False)):
        path.write_bytes(data[:13] + b"\0" + ratio + data[18:])
        assert examine_photo(path).oblong == oblong


def test_images_whose_pixels_are_not_square_take_one_line(tmp_path: Path) -> None:
    mug = concept(tmp_path, "mug", ())
    for name in ("a", "b", "c"):
        photo(name).save(mug / f"{name}.tif", dpi=(300, 600 if name < "c" else 300))
    assert lines(tmp_path) == [
        "HERE/mug: 2 images say that the pixels are not square, and they are shown as square: a.tif and b.tif; if the "
        "picture is squashed, resize it."
    ]


def between_bars(seed: str, colour: str, upright: bool, wide: int = 30) -> Image.Image:
    """A photograph of 160 x 160 pixels, so much of them on either side a bar's."""
    size = (160 - 2 * wide, 160) if upright else (160, 160 - 2 * wide)
    image = Image.new("RGB", (160, 160), colour)
    image.paste(photo(seed, *size), (wide, 0) if upright else (0, wide))
    return image


def with_bars(folder: Path, colour: str = "black", upright: bool = False, number: int = 3, suffix: str = "jpg") -> None:
    """Four photographs, so many of them between bars."""
    for place in range(4):
        name = f"{folder.name} {place}"
        image = between_bars(name, colour, upright) if place < number else photo(name)
        image.save(folder / f"{place}.{suffix}")


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("colour", ["black", "white", "navy"])
def test_bars_in_most_images_of_a_concept_are_said(tmp_path: Path, colour: str, upright: bool) -> None:
    with_bars(concept(tmp_path, "mug", ()), colour, upright)
    with_bars(concept(tmp_path, "cup", ()), number=2)
    text = (
        "have bars of one colour, or blurs, at two opposite edges, which are learned, too; crop them if they are not "
        "meant."
    )
    assert lines(tmp_path) == [f"Most images of mug {text}"]
    with_bars(tmp_path / "cup", number=4)
    assert lines(tmp_path) == [f"Most images of cup and mug {text}"]
    assert f"Most images of cup and mug {text}" in read_classes(tmp_path).remarks


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("seed", ["a", "b", "c"])
def test_a_blurred_copy_at_two_opposite_edges_counts_as_bars(tmp_path: Path, seed: str, upright: bool) -> None:
    size, inner = ((320, 180), (100, 180)) if upright else ((180, 320), (180, 100))
    place = (110, 0) if upright else (0, 110)

    def tiles(name: str, width: int, height: int) -> Image.Image:
        return noise(name, width // 10, height // 10).resize((width, height), Image.Resampling.NEAREST)

    blurred = photo(seed, *size).filter(ImageFilter.GaussianBlur(12))
    image = blurred.copy()
    image.paste(tiles(seed, *inner), place)
    image.save(tmp_path / "a.png")
    assert examine_photo(tmp_path / "a.png").barred
    blurred.save(tmp_path / "a.png")  # all of it out of focus
    assert not examine_photo(tmp_path / "a.png").barred
    image = tiles("beside", *size)
    image.paste(tiles(seed, *inner), place)
    image.save(tmp_path / "a.png")  # sharp on either side: a collage, but no blur
    assert not examine_photo(tmp_path / "a.png").barred


def test_bars_beside_the_central_square_do_not_matter(tmp_path: Path) -> None:
    image = Image.new("RGB", (240, 160))
    image.paste(photo("a", 160, 160), (40, 0))
    image.save(tmp_path / "a.png")
    assert not examine_photo(tmp_path / "a.png").barred
    between_bars("a", "black", False, 11).save(tmp_path / "a.png")
    assert not examine_photo(tmp_path / "a.png").barred  # 14 %


def test_a_thing_on_a_plain_ground_or_in_a_frame_has_no_bars(tmp_path: Path) -> None:
    framed = Image.new("RGB", (160, 160), "white")
    framed.paste(photo("a", 110, 100), (25, 30))
    thing = Image.new("RGB", (160, 160), "white")
    ImageDraw.Draw(thing).ellipse((0, 20, 159, 140), fill="maroon")
    sky = np.full((160, 160, 3), 250, np.uint8)  # snow below, and hills before it
    sky[:, :, 1] = 250
    hills = 80 + (30 * np.sin(np.arange(160) / 20)).astype(int)
    sky[np.abs(np.arange(160)[:, None] - hills) < 20] = (60, 90, 40)
    for image in (framed, thing, Image.fromarray(sky)):
        image.save(tmp_path / "a.png")
        assert not examine_photo(tmp_path / "a.png").barred
