"""Masks and depth maps among photographs are named; photographs without colours, and drawings, are left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from own_photos import concept, lines, noise, picture
from PIL import Image, ImageDraw, ImageEnhance

from harness.data.class_folder import read_classes
from harness.data.images.decoding import THUMBNAIL
from harness.data.images.tones import tones_of

SIZE = (60, 48)


def photo(seed: str) -> Image.Image:
    return noise(seed, 6, 5).resize(SIZE)


def mask(colour: str | tuple[int, int, int] = "white", ground: str = "black") -> Image.Image:
    image = Image.new("RGB", SIZE, ground)
    ImageDraw.Draw(image).ellipse((10, 8, 40, 40), fill=colour)
    return image


def depth() -> Image.Image:
    return Image.fromarray(np.tile(np.linspace(0, 255, SIZE[0]).astype(np.uint8), (SIZE[1], 1)))


@pytest.fixture
def dog(tmp_path: Path) -> Path:
    home = concept(tmp_path, "dog", ())
    for name in ("a", "b", "c", "d"):
        photo(name).save(home / f"{name}.jpg")
    assert lines(tmp_path) == []
    return home


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("mask.png", mask()), ("a_mask.png", mask().convert("1")), ("a-Mask-2.jpg", mask()), ("a.png", mask()),
        ("a.png", mask("maroon").quantize(4)), ("a_depth.png", depth()), ("a.png", depth()),
        ("b_depth.jpg", photo("z")), ("other.png", mask()), ("edges.png", mask().resize((99, 99))), ("A.PNG", mask()),
    ],
)  # fmt: skip
def test_a_mask_among_photographs_is_named(dog: Path, name: str, image: Image.Image) -> None:
    image.save(dog / name)
    assert lines(dog.parent) == [
        f"HERE/dog/{name} looks like a mask or a map, not a photograph; if it is, move it away."
    ]


def test_many_take_one_line(dog: Path) -> None:
    for number, name in enumerate(("a", "b", "c", "d")):
        image = mask()
        ImageDraw.Draw(image).rectangle((0, 0, 8 * number, 9), fill="white")
        image.save(dog / f"{name}_mask.png")
    assert lines(dog.parent) == [
        "HERE/dog: 4 images look like masks or maps, not photographs: a_mask.png, b_mask.png, c_mask.png and 1 more; "
        "if they are, move them away."
    ]


def test_what_is_no_mask(dog: Path, tmp_path: Path) -> None:
    photo("grey").convert("L").save(dog / "grey.jpg")  # a photograph in black and white
    photo("other").save(dog / "my_mask.jpg")
    carnival = concept(tmp_path, "carnival_masks", ())
    for number in range(3):
        picture(carnival / f"mask_{number}.jpg", photo(f"m{number}"))
    logos = concept(tmp_path, "logo", ())
    for number, colour in enumerate(("red", "blue", "orange")):
        mask(colour, "white").resize((60 + number, 48)).rotate(10 * number, fillcolor="white").save(
            logos / f"{number}.png"
        )
    assert lines(tmp_path) == []


def test_masks_among_classes_are_named(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        home = concept(tmp_path, name, ())
        for number in range(4):
            photo(f"{name}{number}").save(home / f"{number}.jpg")
    mask().save(tmp_path / "cat" / "1.png")
    (line,) = read_classes(tmp_path).told
    assert line.endswith("cat/1.png looks like a mask or a map, not a photograph; if it is, move it away.")


def test_a_folder_of_masks_is_named(tmp_path: Path) -> None:
    dog, masks = concept(tmp_path, "dog", ()), concept(tmp_path, "parts", ())
    for number, name in enumerate(("a", "b")):
        image = mask()
        ImageDraw.Draw(image).rectangle((0, 0, 9 + number, 9), fill="white")
        image.save(masks / f"{name}.png")
        Image.composite(photo(name).point(lambda level: 255 - level // 4), photo(f"{name}2"), image.convert("L")).save(
            dog / f"{name}.jpg"
        )
    photo("c").save(dog / "c.jpg")
    said = "HERE/parts seems to hold masks or maps of the photographs in dog; if so, move it away."
    assert lines(dog.parent) == [said]
    mask("black", "white").save(masks / "z.png")
    assert lines(dog.parent) == []


def test_black_and_white_photographs_that_are_numbered_alike_are_no_masks(dog: Path) -> None:
    clock = concept(dog.parent, "clock", ())
    for name in ("a", "b", "c"):
        noise(f"clock {name}", 9, 8).resize(SIZE).convert("L").save(clock / f"{name}.jpg")
    assert lines(dog.parent) == []


def test_a_copy_in_black_and_white_is_no_mask(dog: Path) -> None:
    photo("a").convert("L").save(dog / "a.png")
    (line,) = lines(dog.parent)
    assert line.endswith("with other tones; if it is that picture, remove it.")


def test_a_night_shot_is_no_mask(dog: Path) -> None:
    dark = noise("night", 6, 5).resize((60, 48), Image.Resampling.BICUBIC)
    ImageEnhance.Brightness(ImageEnhance.Color(dark).enhance(0.5)).enhance(0.25).save(dog / "night.jpg", quality=92)
    assert lines(dog.parent) == []


def test_half_a_photograph_is_no_mask(dog: Path) -> None:
    half = Image.new("RGB", SIZE, "black")
    product = Image.new("RGB", (60, 24), "white")
    ImageDraw.Draw(product).rectangle((20, 4, 40, 24), fill="red")
    ImageDraw.Draw(product).rectangle((26, 8, 34, 14), fill="blue")
    half.paste(product)
    half.save(dog / "half.png")
    assert not [line for line in lines(dog.parent) if "mask" in line]


def tones(image: Image.Image) -> str:
    rgb = image.convert("RGB")
    return tones_of(rgb, rgb.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX).tobytes())


def test_tones() -> None:
    assert tones(mask()) == tones(mask("maroon", "green")) == "few"
    assert tones(depth()) == tones(photo("a").convert("L")) == "grey"
    assert tones(photo("a")) == tones(Image.new("RGB", SIZE, "red")) == "many"


def test_a_small_thing_on_a_plain_ground_is_no_mask(dog: Path) -> None:
    """Its soft edge and its tones take up little of the picture."""
    thing = np.full((*SIZE[::-1], 3), 250, np.uint8)
    thing[22:26, 28:32] = np.random.default_rng(3).integers(60, 220, (4, 4, 3))
    sheet = Image.fromarray(thing).resize((120, 96), Image.Resampling.BICUBIC).resize(SIZE, Image.Resampling.BOX)
    assert tones(sheet) == "many"
    sheet.save(dog / "z.png")
    assert lines(dog.parent) == []
