"""Pictures whose values mean other tones than they are shown with, and long ones that lose most of themselves."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.data.images.decoding import check_photo

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


@pytest.mark.parametrize(("width", "part"), [(149, None), (150, 33), (180, 28)])
def test_a_long_picture(tmp_path: Path, width: int, part: int | None) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, width, 3), dtype=np.uint8)).save(path)
    said = f"{path} has {width} x 50 pixels, and its central square shows {part} % of it."
    assert check_photo(path) == ((said,) if part else ())
