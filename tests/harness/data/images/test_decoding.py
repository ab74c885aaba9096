"""One photograph: every pixel mode, format and orientation, colours as a viewer shows them, and every refusal."""

from __future__ import annotations

import hashlib
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version
from PIL import ExifTags, Image, ImageOps, PngImagePlugin
from tests_support import raises_sentence

from harness.data.images.decoding import (
    MIN_SIDE,
    check_photo,
    content_hash,
    decode_image,
    decode_whole,
    decoding_of,
    examine_photo,
    load_image,
)
from harness.data.images.tiff_kinds import READS_YCBCR

RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 160, 0), (0, 0, 255), (255, 220, 0)


def saved(folder: Path, image: Image.Image, name: str, **options: Any) -> Path:
    path = folder / name
    image.save(path, **options)
    return path


def quarters() -> Image.Image:
    """16 x 16: red, green / blue, yellow. Its eight orientations all differ."""
    image = Image.new("RGB", (16, 16), RED)
    image.paste(GREEN, (8, 0, 16, 8))
    image.paste(BLUE, (0, 8, 8, 16))
    image.paste(YELLOW, (8, 8, 16, 16))
    return image


def colour(path: Path) -> tuple[int, ...]:
    """The one colour of a flat image."""
    pixels = load_image(path, 4)
    assert (pixels == pixels[0, 0]).all()
    return tuple(int(value) for value in pixels[0, 0])


# Pixels


def test_result_is_a_fresh_rgb_array(tmp_path: Path) -> None:
    pixels = load_image(saved(tmp_path, quarters(), "a.png"), 16)
    assert pixels.shape == (16, 16, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, np.asarray(quarters()))


READS = Version(PIL.__version__) >= READS_YCBCR  # a TIFF of plain YCbCr, and not of JPEG's only
YCBCR = "a.tif" if READS else "a.jpg"


@pytest.mark.parametrize(
    ("image", "name", "expected"),
    [
        (Image.new("1", (9, 9), 1), "a.png", (255, 255, 255)),
        (Image.new("L", (9, 9), 77), "a.png", (77, 77, 77)),
        (Image.new("LA", (9, 9), (0, 51)), "a.png", (204, 204, 204)),
        (Image.new("RGBA", (9, 9), (255, 0, 0, 51)), "a.png", (255, 204, 204)),
        (Image.new("RGBA", (9, 9), (9, 9, 9, 51)), "a.webp", (206, 206, 206)),
        (Image.new("RGB", (9, 9), RED).quantize(4), "a.png", RED),
        (Image.new("RGB", (9, 9), BLUE).quantize(4), "a.gif", BLUE),
        (Image.new("RGBA", (9, 9), (0, 0, 255, 51)).quantize(4), "a.png", (204, 204, 255)),
        (Image.new("CMYK", (9, 9), (0, 255, 255, 0)), "a.tif", RED),
        (Image.new("CMYK", (9, 9), (0, 0, 0, 255)), "a.tif", (0, 0, 0)),
        (Image.new("I;16", (9, 9), 65535), "a.png", (255, 255, 255)),
        (Image.new("I;16", (9, 9), 257 * 100), "a.png", (100, 100, 100)),
        (Image.new("I;16", (9, 9), 20 * 257), "a.png", (20, 20, 20)),
        (Image.fromarray(np.full((9, 9), 257 * 100, ">u2")), "a.tif", (100, 100, 100)),
        (Image.new("I", (9, 9), 200), "a.tif", (200, 200, 200)),
        (Image.new("I", (9, 9), 257 * 100), "a.tif", (100, 100, 100)),
        (Image.new("I", (9, 9), 2**31 - 1), "a.tif", (255, 255, 255)),
        (Image.new("I", (9, 9), -7), "a.tif", (0, 0, 0)),
        (Image.new("F", (9, 9), 0.4), "a.tif", (102, 102, 102)),
        (Image.new("F", (9, 9), 102.0), "a.tif", (102, 102, 102)),
        (Image.new("F", (9, 9), 300.0), "a.tif", (255, 255, 255)),
        (Image.new("F", (9, 9), float("nan")), "a.tif", (0, 0, 0)),
        (Image.new("F", (9, 9), float("inf")), "a.tif", (255, 255, 255)),
        (Image.new("YCbCr", (9, 9), (90, 128, 128)), YCBCR, (90, 90, 90)),
        (Image.new("LAB", (9, 9), (255, 128, 128)), "a.tif", (255, 255, 255)),
        (Image.new("LAB", (9, 9), (138, 209, 198)), "a.tif", RED),
    ],
    ids=lambda value: f"{value.mode}" if isinstance(value, Image.Image) else str(value),
)
def test_every_mode(tmp_path: Path, image: Image.Image, name: str, expected: tuple[int, ...]) -> None:
    path = saved(tmp_path, image, name)
    np.testing.assert_allclose(colour(path), expected, atol=5)


RAMP = np.tile(np.linspace(0, 1, 16, dtype=np.float32), (16, 1))


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize(
    "stored",
    [
        RAMP > 0.5,  # Pillow turns these two over as it saves them
        (RAMP * 255).astype(np.uint8),
        ((1 - RAMP) * 65535).astype("<u2"),
        1 - RAMP,
        (1 - RAMP) * 255,
    ],
    ids=["1 bit", "8 bits", "16 bits", "floats to 1", "floats to 255"],
)
def test_a_tiff_in_which_0_is_white(tmp_path: Path, stored: np.ndarray, compression: str | None) -> None:
    path = saved(tmp_path, Image.fromarray(stored), "a.tif", tiffinfo={262: 0}, compression=compression)
    with Image.open(path) as image:
        assert image.tag_v2[262] == 0  # type: ignore[attr-defined]
    shown = RAMP > 0.5 if stored.dtype == bool else RAMP
    np.testing.assert_allclose(load_image(path, 16)[..., 0], shown * 255, atol=1)
    assert examine_photo(path).decoding == decoding_of(path) == (3 if stored.dtype.itemsize > 1 else 1)


def test_mode_survives_the_test_files(tmp_path: Path) -> None:
    """The case above tests what it claims: Pillow opens these files in the mode they were saved in."""
    big = Image.fromarray(np.full((3, 3), 7, ">u2"))
    modes = ("1", "L", "LA", "RGBA", "CMYK", "I;16", "I", "F", *(("YCbCr",) if READS else ()), "LAB")
    for image in (*(Image.new(mode, (3, 3)) for mode in modes), big):
        with Image.open(saved(tmp_path, image, "a.tif")) as opened:
            assert opened.mode == image.mode


def test_rgb_with_a_transparent_colour(tmp_path: Path) -> None:
    image = Image.new("RGB", (9, 9), BLUE)
    image.putpixel((0, 0), RED)
    pixels = load_image(saved(tmp_path, image, "a.png", transparency=BLUE), 9)
    assert pixels[0, 0].tolist() == list(RED)
    assert (pixels[1:] == 255).all()


@pytest.mark.parametrize("ink", [(0, 0, 0, 0), (0, 255, 255, 0), (255, 255, 0, 0), (0, 0, 0, 255)])
def test_cmyk_jpeg(tmp_path: Path, ink: tuple[int, int, int, int]) -> None:
    """Pillow writes CMYK JPEGs inverted with Adobe's marker, as Photoshop does."""
    path = saved(tmp_path, Image.new("CMYK", (16, 16), ink), "a.jpg", quality=95)
    assert b"Adobe" in path.read_bytes()
    cyan, magenta, yellow, black = ink
    expected = [(255 - colourant) * (255 - black) / 255 for colourant in (cyan, magenta, yellow)]
    np.testing.assert_allclose(colour(path), expected, atol=3)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_first_frame_of_an_animation(tmp_path: Path, name: str) -> None:
    first, second = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), BLUE)
    path = saved(tmp_path, first, name, save_all=True, append_images=[second])
    with Image.open(path) as opened:
        assert getattr(opened, "n_frames", 1) == 2
    np.testing.assert_allclose(colour(path), RED, atol=3)


@pytest.mark.parametrize("empty", [1, 2])
@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_frames_with_nothing_in_them_are_passed_over(tmp_path: Path, name: str, empty: int) -> None:
    nothing = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    nothings = [nothing.copy() for _ in range(empty)]
    for k, each in enumerate(nothings):
        each.putpixel((k, 0), (k, 0, 0, 0))  # alike frames would be joined
    rest = [Image.new("RGBA", (16, 16), (*shade, 255)) for shade in (GREEN, BLUE)]
    options = {"lossless": True} if name == "a.webp" else {"disposal": 2} if name == "a.gif" else {}
    path = saved(
        tmp_path, nothings[0], name, save_all=True, append_images=[*nothings[1:], *rest], duration=100, **options
    )
    with Image.open(path) as opened:
        count = opened.n_frames - len(rest)
    np.testing.assert_allclose(colour(path), GREEN, atol=3)
    assert decoding_of(path) == 2
    said = "1 fully transparent frame;" if count == 1 else f"{count} fully transparent frames;"
    assert check_photo(path) == (
        f"{path} begins with {said} the next one is used.",
        f"{path} is almost one colour.",
    )


@pytest.mark.parametrize("name", ["a.gif", "a.png"])
def test_an_animation_that_begins_with_something(tmp_path: Path, name: str) -> None:
    """Be it little."""
    first = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    first.paste((*RED, 255), (0, 0, 16, 1))
    path = saved(tmp_path, first, name, save_all=True, append_images=[Image.new("RGBA", (16, 16), "blue")])
    np.testing.assert_allclose(load_image(path, 16)[8, 8], (255, 255, 255))
    assert decoding_of(path) == 1
    assert check_photo(path) == (f"{path} has 2 frames, and the first is used.",)


@pytest.mark.parametrize("frames", [1, 2])
def test_a_png_with_a_picture_that_is_no_frame_of_its_animation(tmp_path: Path, frames: int) -> None:
    """Browsers show the frames, and other viewers that picture."""
    images = [Image.new("RGB", (16, 16), shade) for shade in ("green", "blue")][:frames]
    first = Image.new("RGB", (16, 16), "red")
    first.paste("black", (0, 0, 16, 8))
    path = saved(tmp_path, first, "a.png", save_all=True, default_image=True, append_images=images)
    np.testing.assert_allclose(load_image(path, 16)[12, 8], (255, 0, 0))
    assert check_photo(path) == (
        f"{path} is an animation with another picture before its first frame, for viewers that do not animate; that is "
        "used, so save the frame if it is meant.",
    )


@pytest.mark.parametrize(
    ("image", "name", "options"),
    [
        (Image.new("RGBA", (9, 9), (9, 9, 9, 0)), "a.webp", {}),
        (Image.new("RGBA", (9, 9), (0, 0, 255, 0)).quantize(4), "a.png", {}),
        (Image.new("LA", (9, 9), (0, 0)), "a.png", {}),
        (Image.new("RGB", (9, 9), BLUE), "a.png", {"transparency": BLUE}),
        (
            Image.new("RGBA", (9, 9), (0, 0, 0, 0)),
            "a.webp",
            {"save_all": True, "append_images": [Image.new("RGBA", (9, 9), (9, 0, 0, 0))], "lossless": True},
        ),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else None,
)
def test_nothing_to_see(tmp_path: Path, image: Image.Image, name: str, options: dict[str, Any]) -> None:
    path = saved(tmp_path, image, name, **options)
    raises_sentence(
        lambda: load_image(path, 8), path, "is fully transparent, so there is nothing to see in it; replace"
    )


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int, name: str) -> None:
    """By the definition of the tag: in which direction the stored rows and columns run in the upright image."""
    shown = np.asarray(quarters())
    stored = {
        1: shown,
        2: shown[:, ::-1],
        3: shown[::-1, ::-1],
        4: shown[::-1],
        5: shown.transpose(1, 0, 2),
        6: np.rot90(shown, 1),  # shown after a quarter turn clockwise, so stored a quarter turn counter-clockwise
        7: shown[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(shown, -1),
    }[orientation]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options = {"a.jpg": {"quality": 100, "subsampling": 0}, "a.webp": {"lossless": True}}.get(name, {})
    path = saved(tmp_path, Image.fromarray(np.ascontiguousarray(stored)), name, exif=exif, **options)
    np.testing.assert_allclose(load_image(path, 16), shown, atol=3)


XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    "<rdf:Description{}/></rdf:RDF></x:xmpmeta>"
)


def carrier(kind: str, orientation: int) -> tuple[str, dict[str, Any]]:
    """A format, and how to save an orientation in it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    xmp = XMP.format(f' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{orientation}"')
    texts = PngImagePlugin.PngInfo()
    if kind == "PNG, raw profile":
        texts.add_text("Raw profile type exif", f"\nexif\n{len(exif.tobytes()):8d}\n{exif.tobytes().hex()}", zip=True)
        return "PNG", {"pnginfo": texts}
    if kind == "PNG, XMP":
        texts.add_itxt("XML:com.adobe.xmp", xmp)
        return "PNG", {"pnginfo": texts}
    if kind.endswith(", XMP"):
        return kind.removesuffix(", XMP"), {"xmp": xmp.encode()}
    if kind == "MPO":
        return "MPO", {"exif": exif, "save_all": True, "append_images": [quarters()]}
    if kind.startswith("TIFF"):
        return "TIFF", {"exif": exif, "compression": kind.partition(", ")[2] or None}
    return kind, {"exif": exif, **({"lossless": True} if kind == "WEBP" else {})}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "kind",
    [
        "JPEG", "JPEG, XMP", "PNG", "PNG, raw profile", "PNG, XMP", "WEBP", "WEBP, XMP", "TIFF", "TIFF, tiff_lzw",
        "TIFF, jpeg", "MPO", "AVIF", "JPEG2000",
    ],
)  # fmt: skip
def test_upright_is_what_pillow_says(kind: str, orientation: int) -> None:
    """In every format that carries an orientation, and JPEG 2000, of which Pillow reads none."""
    stream = BytesIO()
    image_format, options = carrier(kind, orientation)
    stored = Image.fromarray(np.asarray(quarters()).repeat(2, 1)[:, :24])  # 24 x 16
    stored.save(stream, image_format, **options)
    with Image.open(BytesIO(stream.getvalue())) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    assert (upright.size == (16, 24)) == (orientation >= 5 and kind != "JPEG2000")
    pixels = decode_whole(stream, "a")
    np.testing.assert_array_equal(pixels, np.asarray(upright))


@pytest.mark.parametrize("value", [0, 9, 700])
def test_an_orientation_out_of_range_counts_as_upright(tmp_path: Path, value: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = value
    path = saved(tmp_path, quarters(), "a.png", exif=exif)
    np.testing.assert_array_equal(load_image(path, 16), np.asarray(quarters()))


@pytest.mark.parametrize("exif", [b"Exif\0\0damaged", b"Exif\0\0MM\0*\0\0\0\x08\0\xff"])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_counts_as_upright(tmp_path: Path, exif: bytes) -> None:
    path = saved(tmp_path, Image.new("RGB", (8, 8), RED), "a.png", exif=exif)
    assert colour(path) == RED


def test_the_central_square_is_kept(tmp_path: Path) -> None:
    wide = Image.new("RGB", (40, 8), BLUE)
    wide.paste(RED, (16, 0, 24, 8))
    assert colour(saved(tmp_path, wide, "wide.png")) == RED
    assert colour(saved(tmp_path, wide.transpose(Image.Transpose.ROTATE_90), "tall.png")) == RED


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (2, 3)])
def test_extreme_shapes(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = saved(tmp_path, Image.new("RGB", shape, RED), "a.png")
    assert load_image(path, 33).shape == (33, 33, 3)
    assert colour(path) == RED


MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F")


@settings(max_examples=60, deadline=None)
@given(
    mode=st.sampled_from(MODES),
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    size=st.integers(1, 64),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_image_becomes_a_square_of_rgb(
    tmp_path_factory: pytest.TempPathFactory, mode: str, width: int, height: int, size: int, seed: int
) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    source = Image.fromarray(noise)
    image = source.convert("L").convert("I").convert("I;16") if mode == "I;16" else None
    if mode == "LAB":
        image = Image.frombytes("LAB", (width, height), noise.tobytes())
    image = image or (source.convert("L").convert(mode) if mode in ("I", "F", "LA") else source.convert(mode))
    name = "a.png" if mode == "P" else YCBCR if mode == "YCbCr" else "a.tif"
    path = saved(tmp_path_factory.mktemp("any"), image, name)
    pixels = load_image(path, size)
    assert pixels.shape == (size, size, 3)
    assert pixels.dtype == np.uint8


# Refusals


@pytest.mark.parametrize("subsampled", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_a_sound_tiff_that_pillow_does_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subsampled: bool, known: bool
) -> None:
    """Pillow before 13 takes it for truncated, and any the subsampled one."""
    path = saved(tmp_path, Image.new("YCbCr", (8, 8), (90, 128, 128)), "a.tif")
    place = path.read_bytes().index(struct.pack("<HHLHH", 530, 3, 2, 1, 1))
    data = bytearray(path.read_bytes())
    data[place + 8 : place + 12] = struct.pack("<HH", *((2, 2) if subsampled else (1, 1)))
    path.write_bytes(data[:-1])  # so that no Pillow reads it
    monkeypatch.setattr("harness.data.images.tiff_kinds.PIL.__version__", "13.0.0" if known else "12.3.0")
    kind = "TIFF with subsampled colours" if known else "YCbCr TIFF"
    why = f"it is an uncompressed {kind}, which this Pillow does not read; "
    why += "save it as RGB" if subsampled else "`pip install 'pillow>=13'`, or save it as RGB"
    why = why if subsampled or not known else "the TIFF is truncated or damaged; replace or remove it"
    raises_sentence(lambda: load_image(path, 8), path, f"cannot be read as an image: {why}.")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.gif", "a.tif", "a.bmp"])
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_truncated_files(tmp_path: Path, name: str, kept: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(noise), name)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    why = "is truncated or damaged; replace or remove it" if kept else "it is empty; copy or download it again"
    raises_sentence(lambda: load_image(path, 8), path, "cannot be read as an image: ", why)


def test_text_renamed_to_an_image(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_text("This is no photograph at all, whatever its name says.\n" * 20)
    raises_sentence(lambda: load_image(path, 8), path, "cannot be read as an image")


def test_a_program_is_never_run_for_an_image(tmp_path: Path) -> None:
    """EPS needs Ghostscript; a file that only calls itself .jpg must not start it."""
    path = tmp_path / "a.jpg"
    with BytesIO() as stream:
        quarters().save(stream, "EPS")
        path.write_bytes(stream.getvalue())
    raises_sentence(lambda: load_image(path, 8), path, "cannot be read as an image")


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
def test_too_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above one time its limit Pillow warns, which we neither repeat nor take for an error; above two it raises.

    So a telephone's 108 million pixels are read, be 90 million of them in the central square.
    """
    path = saved(tmp_path, quarters(), "a.png")
    for limit in (256, 200, 128, None):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert load_image(path, 8).shape == (8, 8, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 127)
    raises_sentence(lambda: load_image(path, 8), path, "has more pixels than Pillow decodes safely", "smaller copy")
    raises_sentence(lambda: check_photo(path), path, "smaller copy")
    assert Image.MAX_IMAGE_PIXELS == 127


@given(width=st.integers(1, 40), height=st.integers(1, 40))
def test_the_central_square_is_to_the_pixel(width: int, height: int) -> None:
    """Of an odd margin the smaller half is cut on the left or at the top."""
    pixels = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    stream, side = BytesIO(), min(width, height)
    Image.fromarray(pixels).save(stream, "PNG")
    top, left = (height - side) // 2, (width - side) // 2
    np.testing.assert_array_equal(decode_image(stream, side, "a"), pixels[top : top + side, left : left + side])


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
@pytest.mark.parametrize(("size", "least"), [((1, 1), 8), ((1, 4000), 8), ((4000, 1), 8), ((7, 9), 8), ((20, 16), 17)])
def test_too_few_pixels(tmp_path: Path, name: str, size: tuple[int, int], least: int) -> None:
    path = saved(tmp_path, Image.new("RGB", size), name)
    said = (
        f"has {size[0]} x {size[1]} pixels, and its shorter side needs at least {least}; use a larger copy or remove it"
    )
    raises_sentence(lambda: check_photo(path, least), path, said)
    if least == MIN_SIDE:
        raises_sentence(lambda: check_photo(path), path, said)
    assert check_photo(path, 1) is not None


@pytest.mark.parametrize(("size", "part"), [((400, 100), 25), ((100, 2000), 5), ((199, 100), None), ((100, 100), None)])
@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_central_square_that_shows_little_is_said(
    tmp_path: Path, name: str, size: tuple[int, int], part: int | None
) -> None:
    path = saved(tmp_path, quarters().resize(size), name)
    said = f"{path} has {size[0]} x {size[1]} pixels, and its central square shows {part} % of it."
    assert check_photo(path) == ((said,) if part else ())


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (0, 0)])
def test_zero_size(tmp_path: Path, width: int, height: int) -> None:
    path = tmp_path / "a.gif"
    path.write_bytes(b"GIF89a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\0\0\0;")
    raises_sentence(lambda: load_image(path, 8), path, "the GIF is truncated or damaged")
    path.with_suffix(".ppm").write_bytes(f"P6 {width} {height} 255\n".encode())
    raises_sentence(lambda: load_image(path.with_suffix(".ppm"), 8), "cannot be read as an image")


def test_what_is_no_file(tmp_path: Path) -> None:
    for call in (lambda path: load_image(path, 8), content_hash):
        raises_sentence(lambda call=call: call(tmp_path / "no.png"), tmp_path / "no.png", "does not exist")
        raises_sentence(lambda call=call: call(tmp_path), tmp_path, "not a file")


@pytest.mark.parametrize("size", [0, -1])
def test_size_below_one(tmp_path: Path, size: int) -> None:
    path = saved(tmp_path, quarters(), "a.png")
    with pytest.raises(ValueError, match="size"):
        load_image(path, size)


def test_memory_shortage_is_not_called_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, quarters(), "a.png")

    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "transform", full)
    with pytest.raises(MemoryError):
        load_image(path, 8)


def test_content_hash(tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes(300_001)
    (tmp_path / "a.jpg").write_bytes(data)
    assert content_hash(tmp_path / "a.jpg") == hashlib.sha256(data).hexdigest()
