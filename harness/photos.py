"""A folder of the user's own photographs as concepts: one sub-folder per concept, read and never written.

    photos/
      duck_toy/       01.jpg 02.jpg ...                  category "duck toy", from the folder's name
      max/            a.png b.png ... category.txt       category "dog", the first line of category.txt
      categories.csv  optional lines `folder,category`, for folders without a category.txt

What cannot be used is a `UsageError` of one sentence that names the path and the remedy.
"""

from __future__ import annotations

import csv
import hashlib
import re
import stat
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from harness.errors import UsageError, nearest

MIN_IMAGES = 2  # the unbiased MMD divides by n - 1

CATEGORY_FILE = "category.txt"
CATEGORIES_FILE = "categories.csv"
FALLBACK_CATEGORY = "object"

# Pillow knows these but cannot decode them by itself: stubs for other libraries, and EPS, which runs Ghostscript.
_NOT_PHOTOS = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})

# What unpacked archives leave behind, besides names that start with a dot.
_CLUTTER = frozenset({"__MACOSX"})

# How to turn an image upright, by the value of its EXIF orientation (1, upright, is absent).
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_WORD = r"[^\W\d_]+(?:-[^\W\d_]+)*"
_CATEGORY = re.compile(rf"{_WORD}(?: {_WORD}){{0,3}}")


@dataclass(frozen=True)
class Concept:
    """One concept of the user's: the sub-folder's name, its category word(s), and its images in natural order."""

    name: str
    category: str
    images: tuple[Path, ...]


def read_concepts(folder: Path) -> list[Concept]:
    """The concepts in `folder`, one per sub-folder, in natural order of their names (task2 before task10).

    Hidden entries (a leading dot, `__MACOSX`), files beside the sub-folders and files that are no images by their
    extension are ignored. Links are followed. No image is opened here: see `verify_concepts`.

    Returns: at least one concept, each with at least two images; paths start with `folder` as it was given.
    Raises `UsageError` if the folder is missing, not a folder, unreadable or without concepts, if a concept has
    fewer than two images, or if a category is malformed or given to a folder that is not there.
    """
    found = images_by_folder(folder, "concept")
    if not any(found.values()):
        if images_in(folder):
            raise UsageError(f"{folder} holds images but no sub-folder of them; move them into one per concept.")
        raise UsageError(f"{folder} has no sub-folder with images; put each concept's images into a sub-folder of it.")
    for concept, images in found.items():
        if not concept.name.isprintable():
            raise UsageError(f"The folder name {str(concept)!r} has unprintable characters; rename it.")
        if not images:
            raise UsageError(
                f"{concept} has no image of a readable type (.jpg, .png, .webp...); add some or remove it."
            )
        if len(images) < MIN_IMAGES:
            raise UsageError(f"{concept} has only one image; add more, since a concept needs at least {MIN_IMAGES}.")
    listed = _listed_categories(folder / CATEGORIES_FILE, [concept.name for concept in found])
    return [
        Concept(
            name=concept.name,
            category=_own_category(concept / CATEGORY_FILE)
            or listed.get(concept.name)
            or category_of_name(concept.name),
            images=images,
        )
        for concept, images in found.items()
    ]


def images_by_folder(folder: Path, each: str) -> dict[Path, tuple[Path, ...]]:
    """The images in each sub-folder of `folder`, all in natural order; a sub-folder may have none.

    What is hidden or no image by its extension is left out, as in `read_concepts`. `each`: what a sub-folder holds.
    Raises `UsageError` if the folder is missing, not a folder or unreadable.
    """
    kind = _kind(folder)
    if kind == "missing":
        raise UsageError(f"The photo folder {folder} does not exist; check the path.")
    if kind != "folder":
        raise UsageError(f"{folder} is not a folder; give the folder that holds one sub-folder per {each}.")
    extensions = _image_extensions()
    return {entry: _images(entry, extensions) for entry in _children(folder) if _kind(entry) == "folder"}


def images_in(folder: Path) -> tuple[Path, ...]:
    """The images directly in `folder`, in natural order."""
    return _images(folder, _image_extensions())


def category_of_name(name: str) -> str:
    """The category that a folder's name suggests: digits, underscores and hyphens are spaces, "object" if no letter.

    >>> category_of_name("duck_toy"), category_of_name("dog-02"), category_of_name("0001")
    ('duck toy', 'dog', 'object')
    """
    words = " ".join(re.sub(r"[\d_-]", " ", name).split())
    return words if any(letter.isalpha() for letter in words) else FALLBACK_CATEGORY


def load_image(path: Path, size: int) -> NDArray[np.uint8]:
    """The photograph at `path`, upright, its central square resized (Lanczos) to `size` x `size`.

    Of an animation or a multi-page file, the first frame. Transparency is laid on white. 16-bit greys are divided by
    257. 32-bit integers have the full scale (255, 65535 or 2^31 - 1) that their largest value fits in, floats that of
    1 if none is larger and else of 255; what lies outside is clipped. Colour profiles are not applied, and a damaged
    EXIF block counts as upright.

    Returns: (size, size, 3) uint8 in RGB, 0..255, writable and contiguous.
    Raises `UsageError` if the file is missing, unreadable, truncated, no image, or has more pixels than Pillow's
    `Image.MAX_IMAGE_PIXELS`; `ValueError` if `size` is below 1.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, not {size}")
    _require_file(path)
    try:
        stream = path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error
    with stream:
        return decode_image(stream, size, path)


def decode_image(stream: BinaryIO, size: int, name: object) -> NDArray[np.uint8]:
    """The photograph that an open file holds, as `load_image` returns it; errors call it `name`."""
    square = _central_square(_decoded(stream, name))
    return np.array(square.resize((size, size), Image.Resampling.LANCZOS))


def decode_whole(stream: BinaryIO, name: object) -> NDArray[np.uint8]:
    """The same photograph uncropped at its own size, (h, w, 3) uint8; errors as of `load_image`."""
    return np.array(_decoded(stream, name))


def check_image(stream: BinaryIO, name: object) -> None:
    """Decode the photograph that an open file holds, a JPEG at an eighth of its size; errors as of `load_image`."""
    _decoded(stream, name, coarse=True)


def _decoded(stream: BinaryIO, name: object, coarse: bool = False) -> Image.Image:
    """The photograph that an open file holds: upright, RGB, at its own size (`coarse`: of a JPEG, the nearest to 8)."""
    try:
        Image.init()
        with Image.open(stream, formats=[kind for kind in Image.ID if kind not in _NOT_PHOTOS]) as image:
            _refuse_bomb(name, image)
            if coarse:
                image.draft(None, (8, 8))
            image.load()  # before EXIF: a PNG may carry it after the pixels, and a TIFF is turned upright here
            upright = _UPRIGHT.get(_orientation(image))
            rgb = _to_rgb(image)
        return rgb if upright is None else rgb.transpose(upright)
    except (UsageError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name) from error
    except Exception as error:  # what decoders raise on damaged bytes is not limited to OSError
        raise UsageError(f"{name} cannot be read as an image (truncated?); replace or remove it.") from error


def verify_concepts(concepts: Sequence[Concept]) -> None:
    """Decode every image once, so that a damaged one is found before any training.

    Raises the first `UsageError` of `load_image`.
    """
    for concept in concepts:
        for path in concept.images:
            load_image(path, size=8)


def content_hash(path: Path) -> str:
    """The SHA-256 of the file's bytes, as 64 hexadecimal digits; `UsageError` if it cannot be read."""
    _require_file(path)
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


# Folders and names


def _natural(path: Path) -> tuple[list[tuple[str, int]], str]:
    """Sort key: text regardless of case, digits by value; the exact name settles ties (Duck and duck, 1 and 01)."""
    parts = re.findall(r"(\D*)(\d*)", path.name.casefold())
    return [(text, int(digits) if digits else -1) for text, digits in parts], path.name


def _children(folder: Path) -> list[Path]:
    """What is in `folder`, in natural order and without hidden entries."""
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.name not in _CLUTTER]
    except OSError as error:
        raise _unreadable(folder, error) from error
    return sorted(entries, key=_natural)


def _kind(path: Path) -> Literal["folder", "file", "missing", "other"]:
    """What is at `path`, links followed: a broken link is "missing", a pipe or a device "other"."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError as error:
        raise _unreadable(path, error) from error
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"


def _images(folder: Path, extensions: frozenset[str]) -> tuple[Path, ...]:
    """The images directly in `folder`. A broken link counts, so that it is named on loading and not passed over."""
    named = (entry for entry in _children(folder) if entry.suffix.lower() in extensions)
    return tuple(entry for entry in named if _kind(entry) in ("file", "missing"))


def _image_extensions() -> frozenset[str]:
    """Lower-case extensions that Pillow, with the plugins registered by now, can decode."""
    known = Image.registered_extensions()  # first: this is what fills Image.OPEN
    return frozenset(ext.lower() for ext, kind in known.items() if kind in Image.OPEN and kind not in _NOT_PHOTOS)


# Categories


def _own_category(path: Path) -> str | None:
    """The category in a concept's own file; None if there is no such file."""
    text = _read_text(path)
    if text is None:
        return None
    lines = text.splitlines()
    return checked_category(lines[0] if lines else "", f"The first line of {path}")


def _listed_categories(path: Path, concepts: Collection[str]) -> dict[str, str]:
    """Concept's folder -> category, from the file beside the concepts' folders; empty if there is no such file."""
    text = _read_text(path)
    categories: dict[str, str] = {}
    rows = csv.reader((text or "").splitlines())
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            where = f"Line {rows.line_num} of {path}"
            if not any(cells) or (rows.line_num == 1 and [cell.lower() for cell in cells] == ["folder", "category"]):
                continue
            if len(cells) != 2:
                raise UsageError(f"{where} does not read 'folder,category'; correct it.")
            name, category = cells
            if name not in concepts:
                hint = (
                    f"did you mean {' or '.join(close)}?" if (close := nearest(name, concepts)) else "remove the line."
                )
                raise UsageError(f"{where} names '{name}', which is no folder beside it; {hint}")
            if name in categories:
                raise UsageError(f"{where} names '{name}' a second time; remove one of the lines.")
            categories[name] = checked_category(category, where)
    except csv.Error as error:
        raise UsageError(f"{path} cannot be read as CSV ({error}); correct or remove it.") from error
    return categories


def checked_category(text: str, where: str) -> str:
    """`text` with single spaces, if it is one to four words of letters and hyphens; else a `UsageError` on `where`."""
    category = " ".join(unicodedata.normalize("NFC", text).split())
    if not _CATEGORY.fullmatch(category):
        raise UsageError(f"{where} gives the category {text.strip()!r}; write one to four words of letters or hyphens.")
    return category


def _read_text(path: Path) -> str | None:
    """A small text file of the user's (UTF-8, a byte order mark is dropped); None if it is not there."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text; save it as UTF-8.") from error
    except OSError as error:
        raise _unreadable(path, error) from error


# Pixels


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1..8; 1 where there is none. Damaged EXIF is no reason to refuse sound pixels."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # as with pixels, what the parser raises on damaged bytes is not limited
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any mode of Pillow's as 8-bit RGB, of the same size."""
    if image.mode.startswith(("I", "F")):
        return _grey(image).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _grey(image: Image.Image) -> Image.Image:
    """Greys of 16 or 32 bits ("I;16", "I;16B", "I", "F") as 8 bits; `load_image` states the scales."""
    pixels = np.asarray(image).astype(np.float32)
    largest = float(np.max(pixels, where=np.isfinite(pixels), initial=0.0))
    if image.mode.startswith("I;16"):
        full = 65535.0
    elif image.mode == "I":
        full = next((scale for scale in (255.0, 65535.0) if largest <= scale), 2.0**31 - 1)
    else:
        full = 1.0 if largest <= 1 else 255.0
    scaled = np.nan_to_num(pixels, nan=0.0, posinf=full, neginf=0.0) * (255.0 / full)
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))


def _central_square(image: Image.Image) -> Image.Image:
    """The largest square in the middle; of an odd margin the smaller half is cut on the left or at the top."""
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _refuse_bomb(name: object, image: Image.Image) -> None:
    """Refuse what Pillow only warns about.

    The size is compared here, not by turning the warning into an error: warning filters belong to all threads.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise _too_large(name)


# Errors


def _require_file(path: Path) -> None:
    """Refuse what is missing or no plain file; a pipe would be waited for without end."""
    kind = _kind(path)
    if kind == "missing":
        raise UsageError(f"{path} does not exist or is a broken link; restore or remove it.")
    if kind != "file":
        raise UsageError(f"{path} is not a file; give an image file.")


def _too_large(name: object) -> UsageError:
    limit = f"{(Image.MAX_IMAGE_PIXELS or 0) / 1e6:.1f} million"
    return UsageError(f"{name} has more pixels than Pillow decodes safely ({limit}); save a smaller copy in its place.")


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"{path} cannot be read ({error.strerror or error}); check its permissions.")
