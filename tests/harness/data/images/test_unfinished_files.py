"""Files of which a part is missing though decoders say nothing: zeros for the rest, an end put behind a gap."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features
from tests_support import raises_sentence

from harness.data.images.decoding import check_photo
from harness.data.images.jpeg_markers import extent
from harness.data.images.zero_ends import zeros_note

END = b"\xff\xd9"
PART = "a part of its data is missing; compare it with the original."
SCANS = "its last scans are missing, so it is blurred or without colours; compare it with the original."


def scene() -> Image.Image:
    """A picture with fine detail."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 18, 3), dtype=np.uint8)).resize((360, 240))
    return Image.fromarray(np.clip(np.asarray(coarse) + rng.integers(-20, 20, (240, 360, 3)), 0, 255).astype(np.uint8))


def encoded(image_format: str, image: Image.Image | None = None, **options: Any) -> bytes:
    stream = BytesIO()
    (image or scene()).save(stream, image_format, **options)
    return stream.getvalue()


def notes(place: Path, data: bytes) -> list[str]:
    """What is said of the file, without its name."""
    path = place / "a.jpg"
    path.write_bytes(data)
    return [note.replace(f"{path}: ", "") for note in check_photo(path)]


def scans_of(data: bytes) -> list[int]:
    return [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_whole_jpeg_has_no_gap(mode: str, progressive: bool) -> None:
    for options in ({}, {"optimize": True}, {"restart_marker_blocks": 3}, {"restart_marker_rows": 1}, {"quality": 10}):
        data = encoded("JPEG", scene().convert(mode), progressive=progressive, **options)
        assert extent(BytesIO(data)).gap == ""
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        size = (237, 131)
        data = encoded(
            "JPEG", scene().convert(mode).resize(size), progressive=progressive, subsampling=subsampling,
            restart_marker_blocks=5,
        )  # fmt: skip
        assert extent(BytesIO(data)).gap == ""


def test_a_flat_jpeg_may_be_zeros_for_the_most_part(tmp_path: Path) -> None:
    image = Image.new("RGB", (2000, 1500), "white")
    image.paste(scene(), (0, 0))
    data = encoded("JPEG", image, optimize=True)
    assert bytes(200) in data
    assert notes(tmp_path, data) == []


@pytest.mark.parametrize("scans", [1, 3, 9])
def test_a_progressive_jpeg_without_its_last_scans(tmp_path: Path, scans: int) -> None:
    data = encoded("JPEG", progressive=True)
    assert notes(tmp_path, data[: scans_of(data)[scans]] + END) == [SCANS]


@pytest.mark.parametrize("rows", [1, 4])
def test_a_jpeg_cut_at_a_restart_marker(tmp_path: Path, rows: int) -> None:
    data = encoded("JPEG", restart_marker_rows=rows)
    assert notes(tmp_path, data) == []
    last = max(data.rfind(bytes((0xFF, 0xD0 + k))) for k in range(8))
    assert extent(BytesIO(data[:last] + END)).gap == "part"
    assert len(notes(tmp_path, data[:last] + END)) == 1


@pytest.mark.parametrize("length", [300, 9000])
def test_a_hole_in_a_jpeg(tmp_path: Path, length: int) -> None:
    data = encoded("JPEG", quality=90)
    half = len(data) // 2
    assert notes(tmp_path, data[:half] + bytes(length) + data[half + length :]) == [PART]


@pytest.mark.parametrize("progressive", [False, True])
def test_zeros_before_the_end_of_a_jpeg(tmp_path: Path, progressive: bool) -> None:
    data = encoded("JPEG", progressive=progressive, quality=90)
    half = len(data) // 2
    assert notes(tmp_path, data[:half] + bytes(half - 2) + END) in ([PART], [SCANS])


def test_the_missing_end_of_a_jpeg_in_inks(tmp_path: Path) -> None:
    data = encoded("JPEG", scene().convert("CMYK"))
    assert "its lower part seems missing (grey); compare it with the original." in notes(
        tmp_path, data[: len(data) // 2] + END
    )


def test_a_png_with_a_wrong_sum_of_its_last_pixels(tmp_path: Path) -> None:
    data, path = encoded("PNG"), tmp_path / "a.png"
    at = data.rfind(b"IDAT")
    length = int.from_bytes(data[at - 4 : at], "big")
    pixels = data[at + 4 : at + 4 + length]
    path.write_bytes(data)
    assert check_photo(path) == ()
    path.write_bytes(data[:-12])  # without IEND: all pixels are there
    assert check_photo(path) == ()
    for wrong in (
        data[: at + 4 + length] + b"\0\0\0\0" + data[at + 8 + length :],
        data[: at - 30] + bytes(len(data) - at + 30),
        data[: at + 4] + bytes(length) + data[at + 4 + length :],
        data[: at - 4] + data[at + 8 + length :],
        data[: at - 4] + (length - 9).to_bytes(4, "big") + b"IDAT" + pixels[:-9]
        + zlib.crc32(b"IDAT" + pixels[:-9]).to_bytes(4, "big") + data[-12:],
    ):  # fmt: skip
        path.write_bytes(wrong)
        raises_sentence(lambda: check_photo(path), path, "the PNG is truncated or damaged")


LOSSY = [("BMP", {}), ("TIFF", {}), ("PPM", {}), ("TGA", {}), ("WEBP", {})]


@pytest.mark.parametrize(("image_format", "options"), [*LOSSY, ("AVIF", {}), ("QOI", {})])
def test_zeros_for_the_rest_of_a_file(tmp_path: Path, image_format: str, options: dict[str, Any]) -> None:
    if image_format == "AVIF" and not features.check("avif"):
        pytest.skip("Pillow without AVIF")
    try:
        data = encoded(image_format, **options)
    except (KeyError, OSError):
        pytest.skip("this Pillow only reads it")
    assert notes(tmp_path, data) == []
    kept = round(0.8 * len(data))
    (said,) = notes(tmp_path, data[:kept] + bytes(len(data) - kept))
    assert (
        said == "the last 20 % of its data are zeros, as an unfinished copy leaves them; compare it with the original."
    )


def test_flat_parts_are_no_missing_ones() -> None:
    for shade in ("white", "black"):
        image = Image.new("RGB", (2000, 1500), shade)
        image.paste(scene(), (0, 0))
        for options in ({}, {"lossless": True, "method": 0}):
            assert zeros_note(BytesIO(encoded("WEBP", image, **options)), "WEBP", "a") == ()


def test_a_hole_in_compressed_data() -> None:
    data = encoded("JPEG2000", scene().resize((720, 480)))
    holed = data[:9000] + bytes(9000) + data[18000:]
    (said,) = zeros_note(BytesIO(holed), "JPEG2000", "a")
    assert said.startswith("a: a part of its data is zeros")
