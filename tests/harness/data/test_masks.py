"""Masks and depth maps among photographs are named; photographs without colours, and drawings, are left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from own_photos import concept, lines, noise, picture
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

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
        ("a-masklabel.png", photo("z")), ("b_openpose.png", photo("z")), ("b_lineart.png", photo("z")),
        ("2023-05-01_5f1c2b3a-overlay.png", depth()), ("a_overlay.jpg", photo("z")),
    ],
)  # fmt: skip
def test_a_mask_among_photographs_is_named(dog: Path, name: str, image: Image.Image) -> None:
    image.save(dog / name)
    assert lines(dog.parent) == [
        f"HERE/dog/{name} looks like a mask or a map, not a photograph; if it is, move it away."
    ]


def test_what_an_app_puts_over_a_picture_is_named_whatever_its_colours(dog: Path) -> None:
    photo("e").save(dog / "2023-05-01_5F1C-main.jpg")
    photo("z").save(dog / "2023-05-01_5F1C-overlay.png")
    assert lines(dog.parent) == [
        "HERE/dog/2023-05-01_5F1C-overlay.png looks like a mask or a map, not a photograph; if it is, move it away."
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


def notice(size: tuple[int, int], ground: str, ink: str) -> Image.Image:
    """Some words and an icon on a plain ground."""
    image = Image.new("RGB", size, ground)
    draw = ImageDraw.Draw(image)
    draw.text((size[0] // 8, size[1] // 2), "image not available", ink, ImageFont.load_default(size[0] / 14))
    draw.rectangle((size[0] // 3, size[1] // 4, size[0] // 2, size[1] // 2.5), fill=ink)
    return image


@pytest.mark.parametrize("size", [(320, 320), (320, 240), (600, 800)])
@pytest.mark.parametrize(
    ("ground", "ink"), [("#eeeeee", "#787878"), ("#3c5aa0", "white"), ("white", "#c81e1e"), ("#141414", "#f0c828")]
)
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_notice_in_the_place_of_a_photograph_is_named(
    dog: Path, size: tuple[int, int], ground: str, ink: str, suffix: str
) -> None:
    notice(size, ground, ink).save(dog / f"z.{suffix}")
    (line,) = [line for line in lines(dog.parent) if "colours" in line]
    assert line == (
        f'HERE/dog: 1 image has few colours among photographs: z.{suffix}; if it is a notice ("image not available"), '
        "a logo or a map, remove it."
    )


def test_several_notices_take_one_line(tmp_path: Path) -> None:
    mug = concept(tmp_path, "mug", ())
    for number in range(6):
        noise(f"mug {number}", 8, 8).resize((320, 320)).save(mug / f"{number}.jpg")
    notice((320, 240), "#3c5aa0", "white").save(mug / "y.png")
    notice((640, 400), "white", "red").save(mug / "z.png")
    assert (
        'HERE/mug: 2 images have few colours among photographs: y.png and z.png; if they are notices ("image not '
        'available"), logos or maps, remove them.'
    ) in lines(tmp_path)


def test_a_notice_of_the_photographs_size_is_named(tmp_path: Path) -> None:
    mug = concept(tmp_path, "mug", ())
    for number in range(5):
        noise(f"mug {number}", 8, 8).resize((320, 320)).save(mug / f"{number}.jpg")
    notice((320, 320), "#eeeeee", "#787878").save(mug / "z.jpg")
    assert lines(tmp_path) == ["HERE/mug/z.jpg looks like a mask or a map, not a photograph; if it is, move it away."]


def test_drawings_among_a_few_photographs_are_no_notices(dog: Path) -> None:
    for number in range(2):
        notice((320, 240), "white", "red").rotate(20 * number, fillcolor="white").save(dog / f"drawing {number}.png")
    assert not [line for line in lines(dog.parent) if "few colours" in line]


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("ground", ["white", "black"])
def test_a_product_on_a_plain_ground_is_no_notice(dog: Path, mode: str, ground: str) -> None:
    """In colours or greys: what it shows is neither thin nor flat."""
    thing = noise("product", 5, 4).resize((120, 90), Image.Resampling.BICUBIC).convert(mode)
    sheet = Image.new("RGB", (320, 240), ground)
    sheet.paste(thing, (100, 80))
    for suffix in ("jpg", "png"):
        sheet.save(dog / f"z.{suffix}")
        assert not [line for line in lines(dog.parent) if "few colours" in line]
        (dog / f"z.{suffix}").unlink()


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
    assert [line for line in lines(dog.parent) if "mask" in line] == []


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
