"""PNGs with long metadata are read; Pillow's own limits, and its protection, stay as they are."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import colour_tables
import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from tests_support import raises_sentence

from harness.data.images.decoding import check_photo, load_image
from harness.data.images.png_chunks import readable

LONG = "x" * 2_000_000
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def halves() -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (16, 16), (0, 0, 255))
    image.paste((255, 0, 0), (0, 0, 8, 16))
    return image


def saved(path: Path, texts: PngImagePlugin.PngInfo | None = None, **options: Any) -> Path:
    halves().save(path, pnginfo=texts, **options)
    return path


def with_texts(*texts: tuple[str, str, str]) -> PngImagePlugin.PngInfo:
    """Of each text the chunk's kind, the keyword and the text."""
    info = PngImagePlugin.PngInfo()
    for kind, keyword, text in texts:
        if kind.startswith("iTXt"):
            info.add_itxt(keyword, text, zip=kind.endswith("z"))
        else:
            info.add_text(keyword, text, zip=kind == "zTXt")
    return info


@pytest.mark.parametrize(
    "texts",
    [
        [("zTXt", "parameters", LONG)],
        [("iTXt z", "XML:com.adobe.xmp", LONG)],
        [("iTXt", "workflow", LONG), ("tEXt", "prompt", LONG), ("zTXt", "parameters", LONG)],
    ],
)
def test_long_texts(tmp_path: Path, texts: list[tuple[str, str, str]]) -> None:
    limits = PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY
    path = saved(tmp_path / "a.png", with_texts(*texts))
    np.testing.assert_array_equal(load_image(path, 16), np.asarray(halves()))
    assert limits == (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY)
    with pytest.raises(ValueError, match="too large"):  # as ever, for all others
        Image.open(path).load()


def test_many_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "a.png", with_texts(*(("tEXt", f"note {k}", "x" * 500) for k in range(9))))
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_MEMORY", 2000)
    np.testing.assert_array_equal(load_image(path, 16), np.asarray(halves()))


def test_texts_behind_the_pixels(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png")
    data = path.read_bytes()
    text = b"zTXtparameters\0\0" + zlib.compress(LONG.encode())
    chunk = (len(text) - 4).to_bytes(4, "big") + text + zlib.crc32(text).to_bytes(4, "big")
    path.write_bytes(data[:-12] + chunk + data[-12:])
    np.testing.assert_array_equal(load_image(path, 16), np.asarray(halves()))
    path.write_bytes(data[:60] + data[62:-12] + chunk + data[-12:])
    raises_sentence(lambda: load_image(path, 16), path, "the PNG is truncated or damaged")


def test_a_bomb_in_the_metadata_is_left_packed(tmp_path: Path) -> None:
    """100 MB in a few hundred kilobytes: they are neither unpacked nor a reason to refuse the pixels."""
    path = saved(tmp_path / "a.png")
    packer, data = zlib.compressobj(1), path.read_bytes()
    text = b"zTXtbomb\0\0" + b"".join(packer.compress(bytes(1 << 22)) for _ in range(25)) + packer.flush()
    chunk = (len(text) - 4).to_bytes(4, "big") + text + zlib.crc32(text).to_bytes(4, "big")
    path.write_bytes(data[:33] + chunk + data[33:])
    np.testing.assert_array_equal(load_image(path, 16), np.asarray(halves()))


def test_a_long_profile(tmp_path: Path) -> None:
    """One that is a profile is applied, though Pillow cannot read it; one that is none counts as none."""
    noise = np.random.default_rng(0).bytes(1_500_000)
    path = saved(tmp_path / "a.png", icc_profile=colour_tables.red_is_green() + noise)
    assert tuple(load_image(path, 16)[0, 0]) == (0, 255, 0)
    path = saved(tmp_path / "b.png", icc_profile=noise)
    np.testing.assert_array_equal(load_image(path, 16), np.asarray(halves()))
    assert "cannot be used (it is damaged)" in check_photo(path)[0]


@pytest.mark.parametrize("kind", ["zTXt", "iTXt z", "iTXt", "tEXt"])
def test_an_orientation_among_long_texts(tmp_path: Path, kind: str) -> None:
    """In a text that is kept although it is too long for Pillow itself, or beside one that is dropped."""
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = f"\nexif\n{len(exif.tobytes()):8d}\n{exif.tobytes().hex()}"
    keyword, text = ("XML:com.adobe.xmp", XMP) if kind.startswith("iTXt") else ("Raw profile type exif", raw)
    filler = " " * 2_000_000 if keyword.startswith("XML") else "\n" * 2_000_000
    turned = np.rot90(np.asarray(halves()), -1)
    for texts in ([(kind, keyword, text + filler)], [(kind, keyword, text), ("zTXt", "parameters", LONG)]):
        path = saved(tmp_path / "a.png", with_texts(*texts))
        np.testing.assert_array_equal(load_image(path, 16), turned)


def test_others_are_handed_on_as_they_are(tmp_path: Path) -> None:
    for name, texts in (("a.png", None), ("b.png", with_texts(("zTXt", "a", "b" * 5000))), ("a.gif", None)):
        with saved(tmp_path / name, texts).open("rb") as stream:
            assert readable(stream) == (stream, None)
            assert stream.tell() == 0
    cut = BytesIO((tmp_path / "a.png").read_bytes()[:50])
    assert readable(cut) == (cut, None)


def test_an_animation_keeps_its_frames(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue", "green")]
    path = tmp_path / "a.png"
    texts = with_texts(("zTXt", "parameters", LONG))
    frames[0].save(path, save_all=True, append_images=frames[1:], pnginfo=texts)
    with path.open("rb") as stream:
        kept, _ = readable(stream)
        assert kept is not stream
        opened = Image.open(kept)
        assert opened.n_frames == 3
        opened.seek(2)
        assert opened.convert("RGB").getpixel((4, 4)) == (0, 128, 0)
