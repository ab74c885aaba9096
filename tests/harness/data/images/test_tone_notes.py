"""Pictures whose values mean other tones than they are shown with, and long ones that lose most of themselves."""

from __future__ import annotations

import io
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, features

from harness.data.images.decoding import check_image, check_photo

GREYS = np.tile(np.arange(64, dtype=np.uint16), (48, 1))


@pytest.mark.parametrize(("image_format", "dtype"), [("PNG", "<u2"), ("TIFF", "<u2"), ("TIFF", ">u2")])
@pytest.mark.parametrize(("step", "bits"), [(65, None), (130, 13), (260, 14), (1040, None)])
def test_fewer_bits_than_a_file_has_room_for(
    tmp_path: Path, image_format: str, dtype: str, step: int, bits: int | None
) -> None:
    path = tmp_path / "a"
    Image.fromarray((GREYS * step).astype(dtype)).save(path, image_format)
    said = f"{path} has 16 bits but uses {bits}, so it is nearly black; save it with its full range."
    assert (said in check_photo(path)) == (bits is not None)


def test_too_few_bits_where_0_is_white(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(GREYS * 130).save(path, tiffinfo={262: 0})
    said = f"{path} has 16 bits but uses 13, so it is nearly white; save it with its full range."
    assert said in check_photo(path)


@pytest.mark.parametrize(
    ("gamma", "more", "said"),
    [(45455, b"", ""), (100000, b"", "1"), (55556, b"", "0.56"), (100000, b"sRGB", "")],
)
def test_a_gamma_that_is_not_applied(tmp_path: Path, gamma: int, more: bytes, said: str) -> None:
    stream, path = BytesIO(), tmp_path / "a.png"
    Image.fromarray((GREYS * 4).astype(np.uint8)).save(stream, "PNG")

    def chunk(kind: bytes, inside: bytes) -> bytes:
        return len(inside).to_bytes(4, "big") + kind + inside + zlib.crc32(kind + inside).to_bytes(4, "big")

    data = stream.getvalue()
    added = chunk(b"gAMA", gamma.to_bytes(4, "big")) + (chunk(more, b"\0") if more else b"")
    path.write_bytes(data[:33] + added + data[33:])
    note = f"{path} states a gamma of {said}, which is not applied; save it as sRGB if its tones matter."
    assert check_photo(path) == ((note,) if said else ())


@pytest.mark.parametrize(("width", "part"), [(99, None), (100, 50), (180, 28)])
def test_a_long_picture(tmp_path: Path, width: int, part: int | None) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, width, 3), dtype=np.uint8)).save(path)
    said = f"{path} has {width} x 50 pixels, and its central square shows {part} % of it."
    assert check_photo(path) == ((said,) if part else ())


def deep_rgb(pixels: np.ndarray) -> bytes:
    """A PNG of RGB with 16 bits in each channel, which Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def said_of(data: bytes) -> list[str]:
    return list(check_image(io.BytesIO(data), "x"))


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def coloured(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (60, 50, 3), np.uint8)


def test_colours_of_fourteen_bits_in_sixteen_are_said() -> None:
    (line,) = said_of(deep_rgb(coloured().astype(np.uint16) * 64))
    assert line == "x has 16 bits but uses 14, so it is nearly black; save it with its full range."
    assert said_of(deep_rgb(coloured().astype(np.uint16) * 257)) == []


def test_a_picture_that_is_half_transparent_everywhere_is_said() -> None:
    image = Image.fromarray(coloured())
    image.putalpha(102)
    assert said_of(encoded(image)) == ["x is 40 % opaque at most, so it is washed out; save it without alpha."]
    image.putalpha(200)
    assert said_of(encoded(image)) == []


def test_two_photographs_in_one_file_are_said() -> None:
    images = [Image.fromarray(coloured(seed)) for seed in range(2)]
    pair = encoded(images[0], "MPO", save_all=True, append_images=images[1:])
    assert said_of(pair) == ["x has 2 frames, and the first is used."]
    preview = encoded(images[0], "MPO", save_all=True, append_images=[images[1].resize((20, 24))])
    assert said_of(preview) == []


@pytest.mark.parametrize(("ground", "speck", "shade"), [(2, 255, "black"), (250, 60, "white")])
def test_a_speck_is_nothing_to_see(ground: int, speck: int, shade: str) -> None:
    pixels = np.full((80, 80, 3), ground, np.uint8)
    pixels[40, 30] = speck
    assert said_of(encoded(Image.fromarray(pixels))) == [f"x is almost one colour ({shade})."]


def test_a_rescued_jpeg_that_was_saved_as_png_is_said() -> None:
    pixels = coloured()
    pixels[30:] = 128
    (line,) = said_of(encoded(Image.fromarray(pixels)))
    assert line == "x: its lower part seems missing (grey); compare it with the original."
    pixels[:10] = 128  # a ground of that grey
    assert said_of(encoded(Image.fromarray(pixels))) == []


def test_of_an_image_twice_as_long_as_wide_the_shown_part_is_said() -> None:
    wide = np.random.default_rng(0).integers(0, 256, (40, 80, 3), np.uint8)
    assert said_of(encoded(Image.fromarray(wide))) == ["x has 80 x 40 pixels, and its central square shows 50 % of it."]


@pytest.mark.parametrize(
    ("space", "rules", "said"), [(0xFFFF, "R03", True), (0xFFFF, "R98", False), (1, "R03", False), (0xFFFF, "", False)]
)
def test_adobe_rgb_by_exif_alone(tmp_path: Path, space: int, rules: str, said: bool) -> None:
    path, exif = tmp_path / "a.jpg", Image.Exif()
    inside = exif.get_ifd(ExifTags.IFD.Exif)
    inside[ExifTags.Base.ColorSpace] = space
    if rules:
        inside[ExifTags.IFD.Interop] = {1: rules, 2: b"0100"}
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)).save(path, exif=exif)
    note = f"{path} is Adobe RGB by its EXIF alone, which is not applied; save it as sRGB if its colours matter."
    assert check_photo(path) == ((note,) if said else ())


def floats(*beyond: float) -> list[str]:
    """What is said of a TIFF of 1000 values within 0 to 255 but for those given."""
    values = np.linspace(1, 254, 1000, dtype=np.float32)
    values[: len(beyond)] = beyond
    return said_of(encoded(Image.fromarray(values.reshape(25, 40)), "TIFF"))


def test_values_of_floats_that_are_clipped_are_said() -> None:
    line = "x: {} % of its values are not within 0 to 255 and are clipped; save it with its full range in 8 or 16 bits."
    assert floats(*[300.0] * 250, *[-1.0] * 70) == [line.format(32)]
    assert floats(float("nan"), float("inf")) == [line.format("0.2")]
    assert floats(300.0) == floats() == []
    whole = np.linspace(-500, 900, 1000).astype(np.int32).reshape(25, 40)
    assert "% of its values are not within 0 to 65535" in said_of(encoded(Image.fromarray(whole), "TIFF"))[0]


HDR = "x is HDR ({}), used as if it were sRGB, so it looks flat; export it as SDR."


@pytest.mark.parametrize(("transfer", "kind"), [(16, "PQ"), (18, "HLG"), (13, None), (1, None)])
def test_a_png_of_high_dynamic_range_is_said(transfer: int, kind: str | None) -> None:
    data = encoded(Image.fromarray(coloured()))
    inside = b"cICP" + bytes([9, transfer, 0, 1])
    data = data[:33] + struct.pack(">I", 4) + inside + struct.pack(">I", zlib.crc32(inside)) + data[33:]
    assert said_of(data) == ([HDR.format(kind)] if kind else [])


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
@pytest.mark.parametrize(("transfer", "kind"), [(16, "PQ"), (18, "HLG"), (13, None)])
def test_an_avif_of_high_dynamic_range_is_said(transfer: int, kind: str | None) -> None:
    before, found, after = encoded(Image.fromarray(coloured()), "AVIF").partition(b"colrnclx")
    data = before + found + after[:2] + struct.pack(">H", transfer) + after[4:]
    assert found
    assert said_of(data) == ([HDR.format(kind)] if kind else [])
