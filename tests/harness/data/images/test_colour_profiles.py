"""Colours of photographs with a profile: as a viewer shows them, and as before where the profile is sRGB's or none."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import colour_tables
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.data.images.colour_profiles import UnusableProfileError, to_srgb
from harness.data.images.decoding import check_photo, decode_image, decoding_of, load_image

RED, GREEN = (255, 0, 0), (0, 255, 0)


def said(path: Path) -> tuple[str, ...]:
    """What is said of a photograph, but that it is of one colour, as those here are."""
    return tuple(note for note in check_photo(path) if "almost one colour" not in note)


def saved(image: Image.Image, path: Path, **options: Any) -> Path:
    image.save(path, **options)
    return path


def colour(path: Path) -> tuple[int, ...]:
    return tuple(int(value) for value in load_image(path, 4)[0, 0])


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("RGB", "a.jpg"),
        ("RGB", "a.png"),
        ("RGB", "a.webp"),
        ("RGB", "a.tif"),
        ("RGB", "a.avif"),
        ("P", "a.png"),
        ("RGBA", "a.png"),
        ("RGBA", "a.webp"),
    ],
)
def test_a_profile_is_applied(tmp_path: Path, mode: str, name: str) -> None:
    """Whatever the format, and to a palette's and a transparent image's colours, too."""
    image = Image.new("RGB", (16, 16), RED).convert(mode)
    path = saved(image, tmp_path / name, icc_profile=colour_tables.red_is_green())
    np.testing.assert_allclose(colour(path), GREEN, atol=4)
    assert decoding_of(path) == 2
    assert said(path) == ()


def boxed(kind: bytes, content: bytes, long: bool = False) -> bytes:
    """A box of a JPEG 2000, its length in the four bytes for it or behind its kind."""
    size = len(content) + (16 if long else 8)
    return struct.pack(">I", 1 if long else size) + kind + (struct.pack(">Q", size) if long else b"") + content


def jpeg2000(path: Path, *colours: bytes, mode: str = "RGB", long: bool = False) -> Path:
    """A red (or, of greys, a grey) JPEG 2000 with such statements on its colours."""
    stream = BytesIO()
    Image.new(mode, (16, 16), RED if mode == "RGB" else 128).save(stream, "JPEG2000")
    data = stream.getvalue()
    at = data.index(b"jp2h") - 4
    end = at + int.from_bytes(data[at : at + 4], "big")
    found = data.index(b"colr") - 4
    old = data[found : found + int.from_bytes(data[found : found + 4], "big")]
    inside = data[at + 8 : end].replace(old, b"".join(boxed(b"colr", one, long) for one in colours))
    path.write_bytes(data[:at] + boxed(b"jp2h", inside, long) + data[end:])
    return path


def bmp(path: Path, kind: bytes, profile: bytes) -> Path:
    """A red BMP of version 5, of which the profile comes behind its pixels."""
    pixels = bytes(RED[::-1]) * 16 * 16
    header = struct.pack("<IiiHHIIiiII", 124, 16, 16, 1, 24, 0, len(pixels), 2835, 2835, 0, 0) + bytes(16) + kind
    header += bytes(48) + struct.pack("<IIII", 4, 124 + len(pixels), len(profile), 0)
    path.write_bytes(
        b"BM" + struct.pack("<IHHI", 138 + len(pixels) + len(profile), 0, 0, 138) + header + pixels + profile
    )
    return path


NUMBER = b"\1\0\0" + struct.pack(">I", 16)  # sRGB
VENDOR = b"\4\0\0" + bytes(16)


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("method", [2, 3])
def test_the_profile_in_a_jpeg_2000s_boxes_is_applied(tmp_path: Path, method: int, long: bool) -> None:
    box = bytes((method, 0, 0)) + colour_tables.red_is_green()
    for path in (jpeg2000(tmp_path / "a.jp2", box, long=long), jpeg2000(tmp_path / "b.jp2", VENDOR, box, NUMBER)):
        np.testing.assert_allclose(colour(path), GREEN, atol=4)
        assert decoding_of(path) == 2
        assert said(path) == ()
    greys = jpeg2000(tmp_path / "c.jp2", bytes((method, 0, 0)) + colour_tables.grey(1.0), mode="L")
    np.testing.assert_allclose(colour(greys), (188, 188, 188), atol=1)


def test_of_a_jpeg_2000_the_first_statement_on_colours_counts(tmp_path: Path) -> None:
    path = jpeg2000(tmp_path / "a.jp2", NUMBER, b"\2\0\0" + colour_tables.red_is_green())
    np.testing.assert_allclose(colour(path), RED, atol=4)
    assert decoding_of(path) == 1


@pytest.mark.parametrize("profile", [b"no profile", colour_tables.red_is_green()[:99]], ids=["text", "cut off"])
def test_a_damaged_profile_of_a_jpeg_2000_or_a_bmp_is_said(tmp_path: Path, profile: bytes) -> None:
    for path in (jpeg2000(tmp_path / "a.jp2", b"\2\0\0" + profile), bmp(tmp_path / "a.bmp", b"DEBM", profile)):
        np.testing.assert_allclose(colour(path), RED, atol=4)
        assert said(path) == (
            f"{path} has a colour profile that cannot be used (it is damaged); its colours are taken as sRGB.",
        )


def test_the_profile_in_a_bmp_is_applied_and_one_beside_it_is_said(tmp_path: Path) -> None:
    path = bmp(tmp_path / "a.bmp", b"DEBM", colour_tables.red_is_green())
    np.testing.assert_allclose(colour(path), GREEN, atol=4)
    assert (decoding_of(path), said(path)) == (2, ())
    path = bmp(tmp_path / "a.bmp", b"BGRs", b"")
    assert (colour(path), said(path)) == (RED, ())
    path = bmp(tmp_path / "a.bmp", b"KNIL", b"C:\\wide.icc\0")
    assert colour(path) == RED
    assert said(path) == (
        f"{path} names a file with its colour profile, which is not read; save it as sRGB if its colours matter.",
    )


def test_transparent_colours_are_corrected_before_they_lie_on_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (9, 9), (*RED, 51))
    path = saved(image, tmp_path / "a.png", icc_profile=colour_tables.red_is_green())
    assert colour(path) == (204, 255, 204)


def test_orientation_and_profile_go_together(tmp_path: Path) -> None:
    image = Image.new("RGB", (16, 16), RED)
    image.paste((0, 0, 255), (0, 0, 8, 16))  # blue on the left; turned clockwise, at the top
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = load_image(saved(image, tmp_path / "a.png", exif=exif, icc_profile=colour_tables.red_is_green()), 16)
    np.testing.assert_array_equal(pixels[2, :], [(0, 0, 255)] * 16)
    np.testing.assert_array_equal(pixels[12, :], [GREEN] * 16)


@pytest.mark.parametrize(("mode", "name"), [("L", "a.jpg"), ("L", "a.png"), ("LA", "a.png"), ("I;16", "a.tif")])
def test_greys_follow_their_profile_and_stay_greys(tmp_path: Path, mode: str, name: str) -> None:
    """Half the light is 188 in sRGB; as every level of grey is, it is grey."""
    level: Any = {"LA": (128, 255), "I;16": 128 * 257}.get(mode, 128)
    path = saved(Image.new(mode, (9, 9), level), tmp_path / name, icc_profile=colour_tables.grey(1.0))
    np.testing.assert_allclose(colour(path), (188, 188, 188), atol=1)
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    for profile in (colour_tables.grey(1.8), colour_tables.red_is_green()):
        pixels = load_image(saved(ramp, tmp_path / "ramp.png", icc_profile=profile), 16)
        assert (pixels == pixels[..., :1]).all()
        assert (np.diff(pixels[..., 0].ravel().astype(int)) >= 0).all()


def test_cmyk_follows_its_profile(tmp_path: Path) -> None:
    """Its full cyan is a grey of L* 50, which is 119 in sRGB."""
    path = saved(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), tmp_path / "a.tif", icc_profile=colour_tables.inks())
    np.testing.assert_allclose(colour(path), (119, 119, 119), atol=2)
    jpeg = saved(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), tmp_path / "a.jpg", icc_profile=colour_tables.inks())
    np.testing.assert_allclose(colour(jpeg), (119, 119, 119), atol=4)
    assert said(path) == ()


def test_cmyk_without_a_profile_is_said(tmp_path: Path) -> None:
    path = saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), tmp_path / "a.tif")
    np.testing.assert_allclose(colour(path), RED, atol=1)
    assert said(path) == (
        f"{path} is CMYK without a colour profile; its colours are approximate, so save it as RGB if they matter.",
    )


@settings(max_examples=30, deadline=None)
@given(
    mode=st.sampled_from(["RGB", "RGBA", "P", "L", "LA"]), image_format=st.sampled_from(["PNG", "JPEG", "TIFF"]),
    profiled=st.booleans(), seed=st.integers(0, 999), width=st.integers(1, 60), height=st.integers(1, 60),
)  # fmt: skip
def test_ordinary_images_are_as_pillow_opens_them(
    mode: str, image_format: str, profiled: bool, seed: int, width: int, height: int
) -> None:
    """To the bit, whether they have no profile or sRGB's: their square, resized."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    mode = {"RGBA": "RGB", "P": "RGB", "LA": "L"}.get(mode, mode) if image_format == "JPEG" else mode
    stream = BytesIO()
    options = {"icc_profile": colour_tables.srgb()} if profiled else {}
    Image.fromarray(noise).convert(mode).save(stream, image_format, **options)
    opened = Image.open(BytesIO(stream.getvalue())).convert("RGB")
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    square = opened.crop((left, top, left + side, top + side)).resize((16, 16), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(decode_image(stream, 16, "a"), np.asarray(square))


@pytest.mark.parametrize(
    ("mode", "profile", "why"),
    [
        ("RGB", b"no profile at all", "it is damaged"),
        ("RGB", colour_tables.srgb()[:200], "it is damaged"),
        ("RGB", bytes(3_000_000), "it is damaged"),
        ("RGB", colour_tables.grey(2.2), "it is for GRAY images"),
        ("RGB", colour_tables.inks(), "it is for CMYK images"),
        ("L", colour_tables.inks(), "it is for CMYK images"),
        ("CMYK", colour_tables.red_is_green(), "it is for RGB images"),
    ],
)
def test_a_profile_that_cannot_be_used_counts_as_none_and_is_said(
    tmp_path: Path, mode: str, profile: bytes, why: str
) -> None:
    image = Image.new(mode, (16, 16), {"L": 77, "CMYK": (0, 255, 255, 0)}.get(mode, RED))
    suffix = "tif" if mode == "CMYK" else "png"
    plain, path = saved(image, tmp_path / f"plain.{suffix}"), tmp_path / f"a.{suffix}"
    saved(image, path, icc_profile=profile)
    np.testing.assert_array_equal(load_image(path, 16), load_image(plain, 16))
    assert decoding_of(path) == 1
    assert said(path) == (f"{path} has a colour profile that cannot be used ({why}); its colours are taken as sRGB.",)
    with pytest.raises(UnusableProfileError, match=why):
        to_srgb(profile, mode)


@pytest.mark.parametrize("mode", ["1", "LAB"])
def test_modes_without_profiles(mode: str) -> None:
    assert to_srgb(colour_tables.red_is_green(), mode) is None
