"""What is said of photographs that are used: pages and frames that are left out, and pictures with nothing to see."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.data.images.decoding import check_photo, load_image

ROW = np.linspace(0, 255, 16).astype(np.uint8)


def shades(turn: int = 0) -> Image.Image:
    return Image.fromarray(np.stack([np.tile(np.roll(ROW, turn + 5 * band), (16, 1)) for band in range(3)], axis=-1))


def tiff(pages: list[dict[int, int]], order: str = "<", big: bool = False) -> bytes:
    """A TIFF, or a BigTIFF, of so many 16 x 16 greys, each with these tags besides those that it needs."""
    word, count, entry = ("Q", "Q", "HHQ") if big else ("L", "H", "HHL")
    data = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    data += struct.pack(order + "HHQ", 8, 0, 16) if big else struct.pack(order + "L", 8)
    for turn, extra in enumerate(pages):
        needed = {256: 16, 257: 16, 258: 8, 259: 1, 262: 1, 277: 1, 278: 16, 279: 256}
        tags = {**needed, **extra}
        size = struct.calcsize(order + count + word) + (len(tags) + 1) * struct.calcsize(order + entry + word)
        tags[273] = len(data) + size
        following = len(data) + size + 256 if turn + 1 < len(pages) else 0
        data += struct.pack(order + count, len(tags))
        for tag, value in sorted(tags.items()):
            kind = "L" if tag in (254, 273) else "H"
            field = struct.pack(order + kind, value).ljust(struct.calcsize(order + word), b"\0")
            data += struct.pack(order + entry, tag, 4 if kind == "L" else 3, 1) + field
        data += struct.pack(order + word, following) + shades(turn).convert("L").tobytes()
    return data


@pytest.mark.parametrize(
    ("name", "called"), [("a.tif", "pages"), *((f"a.{x}", "frames") for x in ("gif", "webp", "png"))]
)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_pages_and_frames_that_are_left_out(tmp_path: Path, name: str, called: str, number: int) -> None:
    plain, path = tmp_path / f"plain-{name}", tmp_path / name
    lossless = {"lossless": True} if name.endswith("webp") else {}
    shades().save(plain, **lossless)
    shades().save(path, save_all=True, append_images=[shades(k) for k in range(1, number)], **lossless)
    assert check_photo(path) == ((f"{path} has {number} {called}, and the first is used.",) if number > 1 else ())
    np.testing.assert_array_equal(load_image(path, 16), load_image(plain, 16))


@pytest.mark.parametrize(
    ("pages", "number"),
    [
        ([{}, {254: 1}], 1),
        ([{}, {254: 4}, {254: 5}], 1),
        ([{}, {255: 2}], 1),
        ([{}, {254: 0}, {254: 1}], 2),
        ([{254: 2}, {254: 2}, {255: 3}], 3),
    ],
)
@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
def test_smaller_copies_and_masks_are_no_pages(
    tmp_path: Path, pages: list[dict[int, int]], number: int, order: str, big: bool
) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(pages, order, big))
    with Image.open(path) as opened:
        assert opened.n_frames == len(pages)  # type: ignore[attr-defined]
    assert check_photo(path) == ((f"{path} has {number} pages, and the first is used.",) if number > 1 else ())
    np.testing.assert_array_equal(load_image(path, 16)[:, :, 0], np.asarray(shades().convert("L")))


def test_a_round_of_pages_ends(tmp_path: Path) -> None:
    data = tiff([{}, {}])
    at = 8 + 2 + 12 * struct.unpack("<H", data[8:10])[0]
    (second,) = struct.unpack("<L", data[at : at + 4])
    path = tmp_path / "a.tif"
    path.write_bytes(data[:-260] + struct.pack("<L", second) + data[-256:])
    assert check_photo(path) == (f"{path} has 2 pages, and the first is used.",)


@pytest.mark.parametrize("name", ["a.tif", "a.gif"])
def test_damage_behind_the_first_frame_is_no_reason_to_refuse_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.tif":
        path.write_bytes(tiff([{}, {}, {}]))
    else:
        shades().save(path, save_all=True, append_images=[shades(1), shades(2)])
    whole = load_image(path, 16)
    path.write_bytes(path.read_bytes()[: -300 if name == "a.tif" else -110])
    (note,) = check_photo(path)
    assert note.endswith(", and the first is used.")
    np.testing.assert_array_equal(load_image(path, 16), whole)


def grey(low: int, high: int, kind: str = "u1") -> Image.Image:
    return Image.fromarray(np.linspace(low, high, 256).round().astype(kind).reshape(16, 16))


def logo() -> Image.Image:
    """White ink on nothing."""
    image = Image.new("RGBA", (16, 16), (255, 255, 255, 0))
    image.paste((255, 255, 255, 255), (4, 4, 12, 12))
    return image


@pytest.mark.parametrize(
    ("image", "name", "said"),
    [
        (logo(), "a.png", "one colour (white)"),
        (Image.new("RGB", (64, 64)), "a.jpg", "one colour (black)"),
        (grey(0, 4095, "u2"), "a.png", "one colour (black)"),
        (grey(0, 1), "a.png", "one colour (black)"),
        (grey(100, 116), "a.png", "one colour"),
        (Image.new("RGB", (16, 16), "red"), "a.png", "one colour"),
        (grey(100, 117), "a.png", None),
        (grey(0, 65535, "u2"), "a.png", None),
        (shades(), "a.png", None),
        (Image.fromarray(np.dstack([np.tile(ROW, (16, 1))] + [np.zeros((16, 16), np.uint8)] * 2)), "a.png", None),
    ],
)
def test_pictures_with_nothing_to_see(tmp_path: Path, image: Image.Image, name: str, said: str | None) -> None:
    path = tmp_path / name
    image.save(path)
    assert check_photo(path) == ((f"{path} is almost {said}.",) if said else ())


def framed(width: int, square: str) -> Image.Image:
    """Something to see on both sides of a central square of one colour."""
    height = width * 6 // 11
    image = shades().resize((width, height))
    image.paste(square, ((width - height) // 2, 0, (width + height) // 2, height))
    return image


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
@pytest.mark.parametrize(("colour", "shade"), [("white", " (white)"), ("black", " (black)"), ("teal", "")])
def test_a_central_square_with_nothing_to_see(tmp_path: Path, name: str, colour: str, shade: str) -> None:
    path = tmp_path / name
    framed(1100, colour).save(path, quality=95)  # what lies beside it is no whole number of JPEG's blocks
    assert check_photo(path) == (f"{path}: its central square, which is used, is almost one colour{shade}.",)
    image = framed(1100, colour)
    image.paste("orange", (500, 200, 600, 300))
    image.save(path)
    assert check_photo(path) == ()
