"""What a file is, by its content, under odd, missing and wrong names; and what is said of one that cannot be read."""

from __future__ import annotations

import bz2
import lzma
import os
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, TiffImagePlugin, features
from tests_support import raises_sentence

from harness.data.image_folders import contents
from harness.data.images import file_kinds
from harness.data.images.decoding import decoding_of, examine_photo, load_image
from harness.data.images.file_kinds import can_decode, content_of, is_named_as_image, is_placeholder, look
from harness.data.skipped_files import Refusals

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(2000)
JXL = b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 120000\n"
PAGE = b"<!DOCTYPE html><html><body>404</body></html>"
MOVIE = b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(100)
TIFF = b"II*\0" + bytes(500)


def encoded(image_format: str) -> bytes:
    stream = BytesIO()
    Image.linear_gradient("L").resize((20, 16)).convert("RGB").save(stream, image_format)
    return stream.getvalue()


FORMATS = ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP", "JPEG2000", "MPO", "QOI", "DDS", "ICNS"]
SAMPLES = {one: encoded(one) for one in FORMATS}
NAMES = ["a.jpg", "IMG_3.HEIC", "photo3", "3.jpg_large", "4.jpeg!d", "5.JPG (1)", "6.jpg~", "7.jpg.part", "8.jpg?w=900",
         "9.txt", "x.CR3", "ünï.jpg", "."]  # fmt: skip


def placed(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", NAMES[:-1])
@pytest.mark.parametrize("image_format", FORMATS)
def test_an_image_of_any_name_is_one(tmp_path: Path, image_format: str, name: str) -> None:
    if image_format == "TIFF" and name == "x.CR3":
        pytest.skip("most raw images are TIFFs by their content")
    try:
        path = placed(tmp_path, name, SAMPLES[image_format])
    except OSError:
        pytest.skip("this file system refuses the name")
    found = look(path)
    assert (found.role, found.sentence) == ("image", "")
    assert found.what.endswith(" image")
    assert load_image(path, 8).shape == (8, 8, 3)


@settings(max_examples=200, deadline=None)
@given(data=st.one_of(st.binary(max_size=64), st.sampled_from(sorted(SAMPLES.values())).map(lambda d: d[:40])),
       name=st.one_of(st.sampled_from(NAMES), st.text(max_size=20)))  # fmt: skip
def test_nothing_is_too_odd_to_be_named(data: bytes, name: str) -> None:
    content = content_of(data, name)
    assert content.what
    sentence = file_kinds.why_unusable(content, name)
    assert sentence.startswith(f"{name} ")
    assert sentence.endswith(".")
    is_named_as_image(name), is_placeholder(name)


@pytest.mark.parametrize(
    ("name", "data", "what", "said"),
    [
        ("a.HEIC", HEIC, "HEIC image", "is a HEIC image, which Pillow reads with a plugin only; `pip install "
         "pillow-heif`, or save it as JPEG."),
        ("a.jpg", HEIC, "HEIC image", "is a HEIC image, which"),
        ("a", HEIC, "HEIC image", "is a HEIC image, which"),
        ("a.jxl", JXL, "JPEG XL image", "`pip install pillow-jxl-plugin`, or save it as JPEG."),
        ("a.jxl", b"\xff\x0a" + bytes(50), "JPEG XL image", "pillow-jxl-plugin"),
        ("a.jpg", b"II\xbc\x01" + bytes(50), "JPEG XR image", "which Pillow does not read; save it as JPEG, or remove"),
        ("a.jpg", POINTER, "Git LFS pointer", "it is a Git LFS pointer; run `git lfs pull` in its repository."),
        ("photo3", POINTER, "Git LFS pointer", "it is a Git LFS pointer; run `git lfs pull` in its repository."),
        ("a.jpg", PAGE, "web page", "it is a web page (a download that failed?); download it again or remove it."),
        ("a.jpg?w=900", b"\xef\xbb\xbf\n <!-- x --> <HTML>", "web page", "it is a web page"),
        ("a.jpg", b"", "empty file", "it is empty; copy or download it again, or remove it."),
        ("a.jpg", MOVIE, "video", "it is a video; replace or remove it."),
        ("a.jpg", b"%PDF-1.7", "PDF document", "it is a PDF document; replace or remove it."),
        ("a.jpg", b'{"error": "not found"}', "text file", "it is a text file; replace or remove it."),
        ("a.jpg", b"<?xml version='1.0'?><svg/>", "SVG drawing", "it is an SVG drawing; replace or remove it."),
        ("a.jpg", b"\x07\x01\x02\x03" * 50, "file of an unknown kind", "its format is unknown; replace or remove it."),
        ("a.CR2", TIFF, "camera raw image", "is a camera raw image, which is not read; save it as JPEG or TIFF, or"),
        *((f"a.{name}", TIFF, "camera raw image", "is a camera raw image") for name in ("DNG", "ARW", "nef")),
        ("a.jpg", b"FUJIFILMCCD-RAW 0201" + bytes(90), "camera raw image", "is a camera raw image"),
        ("a", b"II*\0\x10\0\0\0CR\2\0" + bytes(99), "camera raw image", "is a camera raw image"),
        *((f"{k}", head + bytes(99), "camera raw image", "is a camera raw image") for k, head in enumerate((
            b"IIRO\x08\0\0\0", b"MMOR\0\0\0\x08", b"FOVb\1\0\2\0", b"IIU\0\x18\0\0\0", b"II\x1a\0\0\0HEAPCCDR",
        ))),
        ("a", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "camera raw image", "is a camera raw image"),
    ],
)  # fmt: skip
def test_what_stands_in_the_place_of_a_photograph(tmp_path: Path, name: str, data: bytes, what: str, said: str) -> None:
    path = placed(tmp_path, name, data)
    found = look(path)
    assert (found.role, found.what) == ("unusable", what)
    assert found.sentence.startswith(f"{path} ")
    assert said in found.sentence
    assert found.sentence == raises_sentence(lambda: load_image(path, 8), path)


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("notes.txt", b"a cup", "text file"),
        ("a.jpg.txt", b"a caption", "text file"),
        ("a.jpg.json", b"{}", "text file"),
        ("a.xmp", b"<x:xmpmeta/>", "text file"),
        ("IMG_3.MOV", MOVIE, "video"),
        ("IMG_3.mp4", b"\0\0\0\x18ftypmp42" + bytes(20), "video"),
        ("a.avi", b"RIFF\0\0\0\0AVI LIST", "video"),
        ("Thumbs.db", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "file of an unknown kind"),
        ("a.zip", b"PK\x03\x04" + bytes(30), "ZIP archive"),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(30), "HDF5 file"),
        ("page.html", PAGE, "web page"),
        ("header.h", b"#define width 3\n", "text file"),
        ("BMW", b"BM is not enough to be a bitmap", "text file"),
        ("P3", b"P3 of three", "text file"),
        *(
            (f"{k}", text, "text file")
            for k, text in enumerate(
                (
                    b"caption CR2",
                    b"MMORPG characters",
                    b"IIRO",
                    b"FOVb and others",
                    b"icns files",
                    b"qoif files",
                    b"DDS files",
                    b"for free: a cup",
                    b"the ftypes",
                    b"8BPS",
                    b"RIFF WEBPages",
                )
            )
        ),
        ("empty", b"", "empty file"),
        ("model.bin", POINTER, "Git LFS pointer"),
    ],
)
def test_what_lies_beside_photographs(tmp_path: Path, name: str, data: bytes, what: str) -> None:
    found = look(placed(tmp_path, name, data))
    assert (found.role, found.what, found.sentence) == ("other", what, "")


def test_formats_without_a_signature_go_by_their_names(tmp_path: Path) -> None:
    """A Targa's first bytes may be anything: whether it is one, the decoder tells."""
    path = placed(tmp_path, "a.tga", encoded("TGA"))
    assert (look(path).role, look(path).what) == ("image", "TGA image")
    assert load_image(path, 8).shape == (8, 8, 3)
    assert look(placed(tmp_path, "b.ppm", encoded("PPM"))).role == "image"


UNPACK = "unpack it to use images in it"


@pytest.mark.parametrize(
    ("data", "noun"),
    [
        (b"7z\xbc\xaf\x27\x1c" + bytes(30), f"an archive; {UNPACK}"),
        (b"Rar!" + bytes(30), f"an archive; {UNPACK}"),
        (b"PK\x03\x04" + bytes(30), f"a ZIP archive; {UNPACK}"),
        (b"0.png".ljust(257, b"\0") + b"ustar\x0000", f"a tar archive; {UNPACK}"),
        (lzma.compress(b"a"), f"a compressed file; {UNPACK}"),
        (bz2.compress(b"a"), f"a compressed file; {UNPACK}"),
        (b"<svg/>", "an SVG drawing"),
        (b"\x89HDF\r\n\x1a\n" + bytes(30), "an HDF5 file"),
        (b"", "an empty file"),
        (b"PAR1\x15\x04", "a Parquet file; `stamina-bench data prepare NAME --hf DIR` reads a data set of these"),
        (b"PAR2\x15\x04\x15\xff", "a file of an unknown kind"),
        (b"a cup", "a text file"),
        (b"L\0\0\0\x01\x14\x02\0" + bytes(99), "a Windows shortcut; put the image itself in its place"),
        (b"book\0\0\0\0mark" + bytes(99), "a macOS alias; put the image itself in its place"),
    ],
)
def test_what_is_no_photograph_has_its_article(tmp_path: Path, data: bytes, noun: str) -> None:
    (tmp_path / "dog").mkdir()
    for folder in (tmp_path, tmp_path / "dog"):
        placed(folder, "a.other", data)
    assert [one.reason for one in contents(tmp_path, "concept", Refusals("")).all_skipped] == [
        f"no image but {noun}"
    ] * 2


def test_icloud_placeholders(tmp_path: Path) -> None:
    path = placed(tmp_path, ".IMG_3.jpg.icloud", b"bplist00")
    assert is_placeholder(path.name)
    found = look(path)
    assert (found.role, found.what) == ("unusable", "iCloud placeholder")
    assert found.sentence == (
        f"{path} stands for a photograph that is still in iCloud; download it from iCloud, or remove it."
    )
    assert not is_placeholder(".notes.txt.icloud")
    assert not is_placeholder("a.jpg.icloud")
    other = placed(tmp_path, "IMG_3.jpg.nextcloud", b" ")
    assert look(other).sentence == (
        f"{other} stands for a photograph that is still in Nextcloud; download it from Nextcloud, or remove it."
    )
    assert not is_placeholder("notes.txt.nextcloud")


def test_what_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder.jpg").mkdir()
    assert look(tmp_path / "folder.jpg").role == "other"
    assert look(tmp_path / "gone.jpg").role == "unusable"
    assert "does not exist or is a broken link; restore" in look(tmp_path / "gone.jpg").sentence
    assert look(tmp_path / "gone").role == "other"
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
        assert look(tmp_path / "pipe.jpg").role == "other"
    closed = placed(tmp_path, "a.jpg", SAMPLES["JPEG"])

    def deny(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", deny)
    assert look(closed).sentence == f"{closed} cannot be read (Permission denied); check its permissions."


def test_a_raw_image_that_is_called_tif(tmp_path: Path) -> None:
    """A TIFF that begins with a small preview is no photograph of that size."""
    image = Image.new("RGB", (64, 48), "red")
    for name, tags in (("dng.tif", {50706: b"\1\4\0\0"}), ("nef.tif", {254: 1})):
        image.save(tmp_path / name, tiffinfo=tags)
        assert look(tmp_path / name).role == "image"
        raises_sentence(lambda name=name: load_image(tmp_path / name, 8), tmp_path / name, "is a camera raw image")


def scanned(path: Path, *pages: tuple[Image.Image, int]) -> Path:
    """A TIFF of pages, each with what kind of page it is called."""
    with TiffImagePlugin.AppendingTiffWriter(str(path), True) as stream:
        for image, kind in pages:
            image.save(stream, "TIFF", tiffinfo={254: kind})
            stream.newFrame()
    return path


def test_a_tiff_that_begins_with_its_thumbnail_is_used_at_full_size(tmp_path: Path) -> None:
    small, large = Image.new("RGB", (16, 12), "red"), Image.new("RGB", (64, 48), "blue")
    large.paste("white", (0, 0, 32, 48))
    path = scanned(tmp_path / "scan.tif", (small, 1), (large, 0))
    found = examine_photo(path)
    assert (found.width, found.height, found.notes) == (64, 48, ())
    assert decoding_of(path) == found.decoding
    assert load_image(path, 8)[4, 7].tolist() == [0, 0, 255]
    several = scanned(tmp_path / "two.tif", (small, 1), (large, 0), (large, 0))
    assert examine_photo(several).notes == (f"{several} has 2 pages, and the first is used.",)
    thumbnails = scanned(tmp_path / "small.tif", (small, 1), (small, 1))
    raises_sentence(lambda: load_image(thumbnails, 8), thumbnails, "is a camera raw image")


# Plugins


class _Made(ImageFile.ImageFile):
    """A format of a plugin's: eight bytes of a size follow the brands."""

    format = "HEIF"

    def _open(self) -> None:
        self._mode, self._size = "RGB", (20, 16)
        self.tile = []

    def load(self) -> None:
        self.im = Image.new("RGB", self.size, (1, 2, 3)).im


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """A pillow-heif that can be found and imported."""
    module = ModuleType("pillow_heif")
    module.register_heif_opener = (
        lambda: Image.register_open(  # type: ignore[attr-defined]
            "HEIF", _Made, lambda prefix: prefix[4:8] == b"ftyp"
        )
    )
    placed(tmp_path, "pillow_heif.py", b"")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "pillow_heif", module)
    monkeypatch.setattr(file_kinds, "find_spec", lambda name: name == "pillow_heif" or None)
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    file_kinds._register.cache_clear()
    yield module
    file_kinds._register.cache_clear()


def test_a_plugin_that_is_installed_is_used(tmp_path: Path, plugin: ModuleType) -> None:
    for name in ("a.HEIC", "b.jpg", "c"):
        path = placed(tmp_path, name, HEIC)
        assert look(path).role == "image"
        assert load_image(path, 4)[0, 0].tolist() == [1, 2, 3]
    assert look(placed(tmp_path, "a.jxl", JXL)).role == "unusable"


def test_a_plugin_that_is_broken_is_named(tmp_path: Path, plugin: ModuleType) -> None:
    def broken() -> None:
        raise ImportError("libheif.so.1: cannot open shared object file")

    plugin.register_heif_opener = broken  # type: ignore[attr-defined]
    path = placed(tmp_path, "a.HEIC", HEIC)
    raises_sentence(
        lambda: load_image(path, 4), path, "needs pillow-heif, which cannot be imported (libheif.so.1: cannot open",
        "`pip install --upgrade pillow-heif`",
    )  # fmt: skip


def test_an_avif_without_a_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_decode("AVIF") == bool(features.check("avif"))
    monkeypatch.setattr(features, "check", lambda feature: False)
    path = placed(tmp_path, "a.avif", SAMPLES["AVIF"])
    assert "is an AVIF image" in look(path).sentence
    raises_sentence(lambda: load_image(path, 4), path, "`pip install pillow-avif-plugin`")


@pytest.mark.parametrize(
    ("brands", "what"),
    [
        (b"mif1\0\0\0\0mif1avif", "AVIF image"),
        (b"avif\0\0\0\0avifmif1miaf", "AVIF image"),
        (b"mif1\0\0\0\0mif1heic", "HEIC image"),
        (b"msf1\0\0\0\0msf1hevc", "HEIC image"),
        (b"heix\0\0\0\0mif1", "HEIC image"),
        (b"isom\0\0\0\0isomiso2", "video"),
    ],
)
def test_brands(brands: bytes, what: str) -> None:
    head = (
        (8 + len(brands)).to_bytes(4, "big") + b"ftyp" + brands + b"avif"
    )  # what follows the box is none of its brands
    assert content_of(head).what == what
