"""What a file is, told from its first bytes and not from its name: an image, or what stands in the place of one.

Photographs arrive as JPEGs named .HEIC, HEICs named .jpg, `photo.jpg_large`, with no suffix at all, as Git LFS pointers
and as web pages of downloads that failed. A folder's readers ask `look`; the decoder asks `content_of`.
No file is decoded here, none is written, and no plugin is imported before an image needs it.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from PIL import Image, features

from harness.errors import UsageError, reason
from harness.formats.git_lfs import POINTER_REMEDY, is_pointer

# What may hold images, and how to get at them.
HOLDERS = {
    "ZIP archive": "unpack it to use images in it",
    "tar archive": "unpack it to use images in it",
    "archive": "unpack it to use images in it",
    "compressed file": "unpack it to use images in it",
    "Windows shortcut": "put the image itself in its place",
    "macOS alias": "put the image itself in its place",
    "Parquet file": "`stamina-bench data prepare NAME --hf DIR` reads a data set of these",
}

HEAD = 1024  # bytes that tell what a file is

# Pillow knows these but cannot decode them by itself: stubs for other libraries, and EPS, which runs Ghostscript.
NOT_PHOTOS = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})

# Formats that need a plugin of Pillow's: its module, and what to install. AVIF is in Pillow's own wheels from 11.3 on.
PLUGINS = {
    "HEIC": ("pillow_heif", "pillow-heif"),
    "JPEG XL": ("pillow_jxl", "pillow-jxl-plugin"),
    "AVIF": ("pillow_avif", "pillow-avif-plugin"),
}

_PLUGIN_SUFFIXES = frozenset({".heic", ".heif", ".hif", ".heics", ".heifs", ".jxl", ".avif", ".avifs", ".jxr", ".wdp"})
_RAW_NAMES = (
    "3fr", "arw", "cr2", "cr3", "crw", "dcr", "dng", "erf", "fff", "iiq", "k25", "kdc", "mef", "mos", "mrw", "nef",
    "nrw", "orf", "pef", "raf", "raw", "rw2", "rwl", "sr2", "srf", "srw", "x3f",
)  # fmt: skip
_RAW_SUFFIXES = frozenset(f".{name}" for name in _RAW_NAMES)
# What browsers, editors and systems put behind a name: `photo.jpg.part` is meant as `photo.jpg`.
_ADDED = frozenset({".part", ".partial", ".crdownload", ".download", ".tmp", ".bak", ".orig", ".old", ".icloud"})
# What programs that keep files elsewhere leave in their place, by the name's end.
_ELSEWHERE = {".icloud": "iCloud", ".nextcloud": "Nextcloud", ".owncloud": "ownCloud"}

Role = Literal["image", "unusable", "other"]


@dataclass(frozen=True)
class Content:
    """What some bytes are.

    kind: "image" one that Pillow decodes, perhaps with an installed plugin; "plugin" one that needs another; "raw" a
        camera's raw image; "unknown" bytes that say nothing. what: a noun in the singular, as "HEIC image".
    """

    kind: Literal["image", "plugin", "raw", "pointer", "page", "empty", "video", "document", "text", "unknown"]
    what: str


@dataclass(frozen=True)
class Look:
    """What a file in a folder of photographs is good for.

    role: "image": to be used; whether it can be decoded shows when it is. "unusable": meant as a photograph, by its
        content or its name, and known not to be readable: `sentence` says why and what to do, and it must not be
        passed over in silence. "other": no photograph and not meant as one (a text beside it, a video, a pipe).
    what: a noun in the singular for counts and lists, as "JPEG image", "HEIC image", "Git LFS pointer", "web page",
        "empty file", "video", "text file", "file of an unknown kind".
    """

    role: Role
    what: str
    sentence: str = ""


def look(path: Path) -> Look:
    """What the file at `path` is, by its first 1024 bytes; its name counts only where they say nothing.

    Links are followed; a broken one, or a file that cannot be opened, is unusable if its name is an image's. Hidden
    files are looked at like others: the caller leaves them out, but for what `is_placeholder` knows. Never raises.

    Examples: a JPEG of any name or none is an "image", a HEIC is one if pillow-heif is installed and else "unusable";
    an empty file or a web page is "unusable" if it is named like an image and else "other".
    """
    meant = is_named_as_image(path.name)
    if is_placeholder(path.name):
        where = _ELSEWHERE[path.suffix]
        return Look("unusable", f"{where} placeholder", f"{path} stands for a photograph that is still in {where}; "
                    f"download it from {where}, or remove it.")  # fmt: skip
    try:
        if not path.exists():
            sentence = f"{path} does not exist or is a broken link; restore or remove it."
            return Look("unusable", "broken link", sentence) if meant else Look("other", "broken link")
        if not path.is_file():  # a pipe would be waited for without end
            return Look("other", "folder" if path.is_dir() else "special file")
        with path.open("rb") as stream:
            head = stream.read(HEAD)
    except OSError as error:
        sentence = f"{path} cannot be read ({error.strerror or error}); check its permissions."
        return Look("unusable", "unreadable file", sentence) if meant else Look("other", "unreadable file")
    content = content_of(head, path.name)
    if content.kind == "image":
        return Look("image", content.what)
    if content.kind == "unknown" and meant and not _has_signature(path.name):
        return Look("image", f"{_suffix(path.name)[1:].upper()} image")
    if content.kind in ("plugin", "raw") or meant or (content.kind == "pointer" and not path.suffix):
        return Look("unusable", content.what, why_unusable(content, path))
    return Look("other", content.what)


def content_of(head: bytes, name: str = "") -> Content:
    """What a file is whose first bytes (at least 1024, or all) are `head`.

    Args:
        name: the file's name: of a TIFF it tells a camera's raw image, most of which are TIFFs by their first bytes.
    """
    if not head:
        return Content("empty", "empty file")
    if is_pointer(head):
        return Content("pointer", "Git LFS pointer")
    if _is_raw(head, name):
        return Content("raw", "camera raw image")
    image = _image_format(head)
    if image is not None:
        kind: Literal["image", "plugin"] = "image" if can_decode(image) else "plugin"
        return Content(kind, f"{image} image")
    if _is_video(head):
        return Content("video", "video")
    return _document(head)


def why_unusable(content: Content, name: object) -> str:
    """The sentence on a file with such content in the place of an image: names it, the cause and the remedy."""
    if content.kind == "plugin" or content.kind == "raw":
        return _why_not_read(content, name)
    cause, remedy = {
        "pointer": ("it is a Git LFS pointer", POINTER_REMEDY),
        "empty": ("it is empty", "copy or download it again, or remove it"),
        "page": ("it is a web page (a download that failed?)", "download it again or remove it"),
        "unknown": ("its format is unknown", "replace or remove it"),
    }.get(content.kind, (f"it is {with_article(content.what)}", "replace or remove it"))
    return f"{name} cannot be read as an image: {cause}; {remedy}."


def _why_not_read(content: Content, name: object) -> str:
    """The same of an image in a format that Pillow does not read by itself."""
    if content.kind == "raw":
        return f"{name} is a camera raw image, which is not read; save it as JPEG or TIFF, or remove it."
    image_format = content.what.removesuffix(" image")
    if image_format not in PLUGINS:
        return f"{name} is {with_article(content.what)}, which Pillow does not read; save it as JPEG, or remove it."
    return (
        f"{name} is {with_article(content.what)}, which Pillow reads with a plugin only; "
        f"`pip install {PLUGINS[image_format][1]}`, or save it as JPEG."
    )


def with_article(what: str) -> str:
    """The noun with "a" or "an", as it is spoken: "an archive", "an SVG drawing", "a HEIC image"."""
    return f"{'an' if what[0] in 'AEIOUaeiou8' or what.startswith(('HDF', 'SVG')) else 'a'} {what}"


def can_decode(image_format: str) -> bool:
    """Whether an image of that format can be decoded with what is installed. Nothing is imported for it."""
    if image_format == "AVIF" and features.check("avif"):
        return True
    if image_format not in PLUGINS:
        return image_format != "JPEG XR"
    return find_spec(PLUGINS[image_format][0]) is not None


def use_plugin(content: Content, name: object) -> None:
    """Make Pillow able to open an image that only an installed plugin can; of other images, nothing is done.

    Raises:
        UsageError: the plugin cannot be imported.
    """
    image_format = content.what.removesuffix(" image")
    if image_format not in PLUGINS or (image_format == "AVIF" and features.check("avif")):
        return
    try:
        _register(PLUGINS[image_format][0])
    except Exception as error:  # a plugin at odds with this Pillow may raise anything
        package = PLUGINS[image_format][1]
        raise UsageError(
            f"{name} needs {package}, which cannot be imported ({reason(error)}); `pip install --upgrade {package}`, "
            "or save the image as JPEG."
        ) from error


@cache
def _register(module: str) -> None:
    plugin = importlib.import_module(module)
    if module == "pillow_heif":  # the others do it on import
        plugin.register_heif_opener()


def is_named_as_image(name: str) -> bool:
    """Whether a file's name is an image's: `a.JPG`, `a.cr2`, also `a.jpg_large`, `a.jpg?w=900`, `a.jpg.part`."""
    suffix = _suffix(name)
    return suffix in image_suffixes() or suffix in _PLUGIN_SUFFIXES or suffix in _RAW_SUFFIXES


def is_placeholder(name: str) -> bool:
    """Whether it is the name of what stands for a photograph that is not here: `.IMG_3.jpg.icloud` of iCloud."""
    suffix = Path(name).suffix
    if suffix not in _ELSEWHERE or (suffix == ".icloud" and not name.startswith(".")):
        return False
    return is_named_as_image(Path(name).stem.removeprefix("."))


def image_suffixes() -> frozenset[str]:
    """Lower-case suffixes, with the dot, that Pillow can decode with the plugins registered by now."""
    known = Image.registered_extensions()  # first: this is what fills Image.OPEN
    return frozenset(ext.lower() for ext, kind in known.items() if kind in Image.OPEN and kind not in NOT_PHOTOS)


def _suffix(name: str) -> str:
    """The suffix that a name was meant to have, in lower case with the dot; "" if none."""
    path = Path(name.lower())
    while path.suffix in _ADDED:
        path = path.with_suffix("")
    found = re.match(r"\.[a-z0-9]+", path.suffix)
    return found[0] if found else ""


def _has_signature(name: str) -> bool:
    """Whether files of that suffix begin with bytes that `content_of` knows, so that others are none of the kind."""
    return Image.EXTENSION.get(_suffix(name), "") in _SIGNED or _suffix(name) in _PLUGIN_SUFFIXES | _RAW_SUFFIXES


# Signatures

# Pillow's formats, all of whose files `_image_format` knows by their first bytes.
_SIGNED = frozenset(
    {"AVIF", "BMP", "DDS", "GIF", "ICNS", "JPEG", "JPEG2000", "MPO", "PNG", "PSD", "QOI", "TIFF", "WEBP"}
)

_STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"II\xbc\x01": "JPEG XR",
    b"8BPS\0\x01": "Photoshop",
    b"qoif\0": "QOI",
    b"DDS \x7c\0\0\0": "DDS",
    b"icns\0": "ICNS",
}

_HEIC_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"})
_RAW_STARTS = (b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO\x08\0", b"IIRS\x08\0", b"MMOR\0\0", b"\0MRM")
_VIDEO_STARTS = (b"\x1a\x45\xdf\xa3", b"\0\0\x01\xba", b"\0\0\x01\xb3", b"FLV\x01", b"0&\xb2u", b"OggS")
_QUICKTIME = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_TAR = (257, b"ustar")  # where tar's mark stands
_DOCUMENTS = {
    b"%PDF-": "PDF document",
    b"L\0\0\0\x01\x14\x02\0": "Windows shortcut",
    b"book\0\0\0\0mark\0\0\0\0": "macOS alias",
    b"%!PS": "PostScript file",
    b"PK\x03\x04": "ZIP archive",
    b"PAR1": "Parquet file",
    b"\x1f\x8b": "compressed file",
    b"BZh": "compressed file",
    b"\xfd7zXZ\0": "compressed file",
    b"\x28\xb5\x2f\xfd": "compressed file",
    b"7z\xbc\xaf\x27\x1c": "archive",
    b"Rar!": "archive",
    b"SQLite format 3\0": "database",
    b"\x89HDF\r\n\x1a\n": "HDF5 file",
}


def _image_format(head: bytes) -> str | None:
    """The image's format by name, or None: only such as their first bytes tell for certain."""
    for start, image_format in _STARTS.items():
        if head.startswith(start):
            return image_format
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:2] == b"BM" and head[6:10] == bytes(4) and len(head) > 14:  # reserved: zero
        return "BMP"
    brands = _brands(head)
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    if brands & _HEIC_BRANDS or brands & {b"mif1", b"msf1"}:
        return "HEIC"
    return None


def _brands(head: bytes) -> frozenset[bytes]:
    """The brands of an ISO media file (HEIC, AVIF, MP4...), the major one and those it is compatible with."""
    if head[:1] != b"\0" or head[4:8] != b"ftyp":
        return frozenset()
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return frozenset(head[at : at + 4] for at in (8, *range(16, max(end, 16), 4)))


def _is_raw(head: bytes, name: str) -> bool:
    """Whether it is a camera's raw image."""
    if head.startswith(_RAW_STARTS) or head[6:14] == b"HEAPCCDR" or b"crx " in _brands(head):
        return True
    if head.startswith(b"FOVb") and b"\0" in head[4:8]:
        return True
    return head[:4] in (b"II*\0", b"MM\0*") and (head[8:10] == b"CR" or _suffix(name) in _RAW_SUFFIXES)


def _is_video(head: bytes) -> bool:
    """Whether it is a video's container: an iPhone puts a .MOV beside a photograph."""
    return (
        head.startswith(_VIDEO_STARTS)
        or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")
        or (head[:1] == b"\0" and head[4:8] in _QUICKTIME)
    )


def _document(head: bytes) -> Content:
    """What is neither image nor video."""
    at, mark = _TAR
    if head[at:].startswith(mark):
        return Content("document", "tar archive")
    for start, what in _DOCUMENTS.items():
        if head.startswith(start):
            return Content("document", what)
    try:
        text = head.decode("utf-8-sig", errors="strict" if len(head) < HEAD else "ignore")
    except UnicodeDecodeError:
        return Content("unknown", "file of an unknown kind")
    if any(not (char.isprintable() or char.isspace()) for char in text):
        return Content("unknown", "file of an unknown kind")
    markup = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL).lstrip().lower()
    if markup.startswith(("<!doctype html", "<html", "<head", "<body", "<script")):
        return Content("page", "web page")
    if "<svg" in markup and markup.startswith(("<svg", "<?xml", "<!doctype svg")):
        return Content("document", "SVG drawing")
    return Content("text", "text file")
