"""JPEGs without their end, which decoders show with a flat part, and those of kinds that they do not read."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests_support import raises_sentence

from harness.data.images.decoding import check_photo, decode_image, load_image
from harness.data.images.jpeg_markers import BLOCK, is_whole, unusual_kind
from harness.errors import UsageError

END = b"\xff\xd9"


def scene() -> Image.Image:
    """Shades with some detail, as a photograph has them."""
    coarse = np.random.default_rng(0).integers(0, 256, (12, 18, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((360, 240), Image.Resampling.BICUBIC)


def jpeg(**options: Any) -> bytes:
    stream = BytesIO()
    scene().save(stream, "JPEG", quality=90, **options)
    return stream.getvalue()


def with_segment(data: bytes, inside: bytes, marker: int = 0xE1) -> bytes:
    """The JPEG with a segment before all others, as EXIF is, which may hold a thumbnail."""
    return data[:2] + bytes((0xFF, marker)) + (len(inside) + 2).to_bytes(2, "big") + inside + data[2:]


def cut(data: bytes, kept: float) -> bytes:
    """Its first part and zeros after, as long as it was."""
    start = data[: int(kept * len(data))]
    return start + bytes(len(data) - len(start))


THUMBNAIL = BytesIO()
Image.new("RGB", (16, 16), "red").save(THUMBNAIL, "JPEG")


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("thumbnail", [False, True])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9, 0.95, 0.999])
def test_zeros_in_the_place_of_the_end(tmp_path: Path, kept: float, thumbnail: bool, progressive: bool) -> None:
    data = jpeg(progressive=progressive)
    data = with_segment(data, b"Exif\0\0" + THUMBNAIL.getvalue()) if thumbnail else data
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    assert check_photo(path) == ()
    path.write_bytes(cut(data, kept))
    for use in (check_photo, lambda path: load_image(path, 16)):
        raises_sentence(lambda use=use: use(path), path, "the JPEG is truncated or damaged; replace or remove it")


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_decoders_take_such_zeros_for_pixels(kept: float) -> None:
    """Of a detailed picture, more of them than pixels are missing: the case above is no idle one."""
    noise = np.random.default_rng(0).integers(0, 256, (240, 360, 3), dtype=np.uint8)
    stream = BytesIO()
    Image.fromarray(noise).save(stream, "JPEG", quality=95)
    data = cut(stream.getvalue(), kept)
    Image.open(BytesIO(data)).load()
    assert not is_whole(BytesIO(data))
    with pytest.raises(UsageError, match=r"a\.jpg cannot be read as an image: the JPEG is truncated or damaged"):
        decode_image(BytesIO(data), 16, "a.jpg")


@pytest.mark.parametrize("after", [b"", bytes(5000), b"garbage", b"ftypmp42" + bytes(3 * BLOCK)])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}, {"comment": b"a" * 300}])
def test_what_follows_the_end_counts_for_nothing(tmp_path: Path, after: bytes, options: dict[str, Any]) -> None:
    path, plain = tmp_path / "a.jpg", tmp_path / "plain.jpg"
    path.write_bytes(jpeg(**options) + after)
    plain.write_bytes(jpeg(**options))
    assert check_photo(path) == ()
    np.testing.assert_array_equal(load_image(path, 32), load_image(plain, 32))


def test_a_photograph_with_a_preview_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    scene().save(path, "MPO", save_all=True, append_images=[scene().resize((32, 32))])
    with Image.open(path) as opened:
        assert (opened.format, opened.n_frames) == ("MPO", 2)  # type: ignore[attr-defined]
    assert check_photo(path) == ()
    path.write_bytes(cut(path.read_bytes(), 0.5))
    raises_sentence(lambda: check_photo(path), path, "truncated or damaged")


@pytest.mark.parametrize("before", range(-3, 4))
def test_an_end_across_two_blocks(before: int) -> None:
    head = b"\xff\xd8\xff\xda\0\x02"
    data = head + b"x" * (BLOCK + before - len(head))
    assert is_whole(BytesIO(data + END + b"x"))
    assert not is_whole(BytesIO(data + b"\xff\0\xd9"))


def test_nothing_is_read_behind_the_end() -> None:
    stream = BytesIO(jpeg() + bytes(8 * BLOCK))
    whole = len(jpeg())
    assert is_whole(stream)
    assert stream.tell() <= whole + BLOCK


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8" + END, b"\xff\xd8" + bytes(3 * BLOCK)])
def test_what_has_no_pixels_is_left_to_the_decoder(data: bytes) -> None:
    assert is_whole(BytesIO(data))
    assert unusual_kind(BytesIO(data)) == ""


def test_markers_may_be_filled_up() -> None:
    data = jpeg()
    assert is_whole(BytesIO(data[:2] + b"\xff\xff" + data[2:]))
    assert not is_whole(BytesIO(data[:2] + b"\xff\xff" + data[2:-2]))


@pytest.mark.parametrize(
    ("at", "value", "kind"),
    [(1, 0xC3, "a lossless"), (1, 0xCB, "a lossless"), (4, 12, "a 12-bit"), (4, 8, ""), (1, 0xC1, "")],
)
def test_kinds_that_pillow_does_not_read(tmp_path: Path, at: int, value: int, kind: str) -> None:
    data = bytearray(jpeg())
    data[data.index(b"\xff\xc0\0\x11") + at] = value
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    if not kind:
        assert load_image(path, 8).shape == (8, 8, 3)
        return
    said = f"cannot be read as an image: it is {kind} JPEG, which Pillow does not read; save it as an ordinary one."
    assert raises_sentence(lambda: load_image(path, 8), path, said) == f"{path} {said}"


def without(data: bytes, start: float, stop: float) -> bytes:
    """A JPEG without that part of it, but with its end."""
    return data[: int(start * len(data))] + data[int(stop * len(data)) :].removesuffix(END) + END


@pytest.mark.parametrize("size", [(360, 240), (1440, 960)])  # as it is, and decoded at an eighth of its size
@pytest.mark.parametrize("part", [(0.5, 0.7), (0.5, 1), (0.9, 1)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_of_which_a_part_is_missing_is_said(
    tmp_path: Path, part: tuple[float, float], size: tuple[int, int], mode: str
) -> None:
    path, stream = tmp_path / "a.jpg", BytesIO()
    scene().convert(mode).resize(size).save(stream, "JPEG", quality=90)
    path.write_bytes(without(stream.getvalue(), *part))
    assert np.ptp(np.asarray(Image.open(path))[-8:, -8:]) == 0
    assert check_photo(path) == (f"{path}: its lower part seems missing (grey); compare it with the original.",)


def test_a_grey_corner_of_another_value_or_size_is_none(tmp_path: Path) -> None:
    path, image = tmp_path / "a.jpg", scene()
    image.paste((127, 127, 127), (0, 200, 360, 240))
    image.save(path)
    assert check_photo(path) == ()
    image.paste((128, 128, 128), (357, 237, 360, 240))
    image.save(path)
    assert check_photo(path) == ()


def test_restart_markers_come_in_turn() -> None:
    data = jpeg(restart_marker_blocks=10)
    places = [data.index(bytes((0xFF, 0xD0 + k))) for k in range(8)]
    assert places == sorted(places)
    assert is_whole(BytesIO(data))
    assert not is_whole(BytesIO(data[: places[2]] + data[places[5] :]))
    assert is_whole(BytesIO(jpeg(restart_marker_blocks=10, progressive=True)))  # each scan begins anew
