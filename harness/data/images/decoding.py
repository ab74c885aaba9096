"""One photograph of the user's, from an open file or a path: upright, in sRGB, as a viewer would show it.

What cannot be used is a `UsageError` of one sentence that names the file, the cause and the remedy. Files are only ever
read. What a file is, its bytes say (`image_files`); its name may be anything.
"""

from __future__ import annotations

import hashlib
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from harness.data.images.colour_profiles import Correction, UnusableProfileError, to_srgb
from harness.data.images.decoding_versions import NEGATIVES, PROFILES
from harness.data.images.embedded_profiles import embedded_profile
from harness.data.images.file_kinds import HEAD, NOT_PHOTOS, Content, content_of, use_plugin, why_unusable, with_article
from harness.data.images.jpeg_markers import extent, unusual_kind
from harness.data.images.notes import (
    cut_note,
    dim_note,
    ends_grey,
    first_note,
    flat_note,
    frames_note,
    gap_note,
    shape_note,
    square_note,
    stored_notes,
    unprofiled_note,
)
from harness.data.images.png_chunks import is_sound, readable
from harness.data.images.shapes import has_bars, is_oblong
from harness.data.images.taken import taken_at
from harness.data.images.tiff_kinds import is_negative, unread_kind
from harness.data.images.tones import Tones, tones_of
from harness.data.images.wide_greys import grey_of
from harness.errors import UsageError

T = TypeVar("T")

MIN_SIDE = 8  # pixels, as small as images of known data sets are: what is smaller is a mistake
THUMBNAIL, SKETCH = 8, 32  # pixels along each side
OVERVIEW = 64  # pixels along the longer side, at most
COARSE = 64  # pixels along the shorter side that are left, where it has more, of a JPEG that is only looked at
EDGE = 2  # pixels of such a JPEG that may show what is up to two blocks away

_DNG_VERSION, _SUBFILE_TYPE, _SUB_IMAGES = 50706, 254, 330  # TIFF tags

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


@dataclass(frozen=True)
class Examined:
    """What was found out about a photograph that can be used.

    width, height: as stored, in pixels. decoding: the version of the decoding since which it is shown as now, 1 for
    most: what depends on its pixels has this in its key. notes: what its owner should know, each a sentence that names
    it: a profile that cannot be used, say. thumbnail: a few pixels' bytes, near where all pixels are equal. tones: see
    `tones_of`. sketch: a few more pixels' greys, the same, but for the place, of a picture and of that mirrored.
    overview: (h, w) greys of the whole, in its shape, at most `OVERVIEW` pixels long. oblong, barred: see
    `is_oblong` and `has_bars`. taken: see `taken_at`.
    """

    width: int
    height: int
    decoding: int
    notes: tuple[str, ...]
    thumbnail: bytes = b""
    tones: Tones = "many"
    sketch: bytes = b""
    overview: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0), np.uint8), compare=False, repr=False)
    oblong: bool = False
    barred: bool = False
    taken: float | None = None


def load_image(path: Path, size: int) -> NDArray[np.uint8]:
    """The photograph at `path`, upright, its central square resized (Lanczos) to `size` x `size`.

    Upright is what Pillow's `ImageOps.exif_transpose` makes of it, by EXIF or else XMP; a damaged block counts as
    upright. Colours are brought to sRGB by the image's ICC profile, greys to greys; one that cannot be used counts as
    none. Of an animation or a multi-page file, the first frame that is not fully transparent is taken. Transparency is
    laid on white. 16-bit greys are divided by 257. 32-bit integers have the full scale (255, 65535 or 2^31 - 1) that
    their largest value fits in, floats that of 1 if none is larger and else of 255; what lies outside is clipped. In a
    TIFF, 0 is white where it says so.

    Returns: (size, size, 3) uint8 in RGB, 0..255, writable and contiguous.
    Raises `UsageError` if the file is missing, unreadable, damaged, no image, fully transparent, of a format that needs
    a plugin, or has more than twice Pillow's `Image.MAX_IMAGE_PIXELS` (179 million) pixels; `ValueError` if `size` is
    below 1.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, not {size}")
    return _of_file(path, lambda stream: decode_image(stream, size, path))


def decode_image(stream: BinaryIO, size: int, name: object) -> NDArray[np.uint8]:
    """The photograph that an open file holds, as `load_image` returns it; errors call it `name`."""
    square = _central_square(_decoded(stream, name).image)
    return np.array(square.resize((size, size), Image.Resampling.LANCZOS))


def decode_whole(stream: BinaryIO, name: object) -> NDArray[np.uint8]:
    """The same photograph uncropped at its own size, (h, w, 3) uint8; errors as of `load_image`."""
    return np.array(_decoded(stream, name).image)


def load_greys(path: Path, side: int) -> NDArray[np.uint8]:
    """The photograph at `path` in greys, uncropped, (h, w), at most `side` pixels long; errors as of `load_image`."""
    return _of_file(path, lambda stream: _greys(_decoded(stream, path, side).image, side))


def load_coarse(path: Path, side: int) -> Image.Image:
    """The central square of the photograph at `path`, at its own size, or smaller with at least `side` pixels.

    A large JPEG is read at a half, a quarter or an eighth of its size. Errors as of `load_image`.
    """
    return _of_file(path, lambda stream: _central_square(_decoded(stream, path, side).image))


def check_image(stream: BinaryIO, name: object, min_side: int = MIN_SIDE) -> tuple[str, ...]:
    """The notes of `examine_image`."""
    return examine_image(stream, name, min_side).notes


def check_photo(path: Path, min_side: int = MIN_SIDE) -> tuple[str, ...]:
    """The notes of `examine_image` on the photograph at `path`; raises `UsageError` as that and `load_image` do."""
    return _of_file(path, lambda stream: check_image(stream, path, min_side))


def examine_image(stream: BinaryIO, name: object, min_side: int = MIN_SIDE) -> Examined:
    """Decode the photograph that an open file holds once, a large JPEG at an eighth of its size.

    Raises:
        UsageError: as `load_image`, or its shorter side has fewer than `min_side` pixels.
    """
    found = _decoded(stream, name, COARSE)
    if min(found.stored) < min_side:
        pixels = f"{found.stored[0]} x {found.stored[1]} pixels"
        raise UsageError(
            f"{name} has {pixels}, and its shorter side needs at least {min_side}; use a larger copy or remove it."
        )
    notes = found.notes + shape_note(found.stored, name)
    flat = flat_note(found.image, name) or square_note(_certain_square(found), name)
    notes += flat or (dim_note(found.image, name) if not any("nearly" in note for note in notes) else ())
    thumbnail = found.image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX).tobytes()
    sketch = found.image.resize((SKETCH, SKETCH), Image.Resampling.BILINEAR, reducing_gap=2.0).convert("L").tobytes()
    tones, overview = tones_of(found.image, thumbnail), _greys(found.image, OVERVIEW)
    shapes = found.oblong, has_bars(overview)
    return Examined(*found.stored, found.decoding, notes, thumbnail, tones, sketch, overview, *shapes, found.taken)


def examine_photo(path: Path, min_side: int = MIN_SIDE) -> Examined:
    """The same of the photograph at `path`; raises `UsageError` as that and `load_image` do."""
    return _of_file(path, lambda stream: examine_image(stream, path, min_side))


def decoding_of(path: Path) -> int:
    """`Examined.decoding` of the photograph at `path`, mostly by its header alone.

    Raises:
        UsageError: as `load_image`, as far as the header shows it.
    """
    return _of_file(path, lambda stream: decoding_of_image(stream, path))


def decoding_of_image(stream: BinaryIO, name: object) -> int:
    """The same of the photograph that an open file holds."""

    def version(image: ImageFile.ImageFile, profile: bytes | None) -> int:
        frame = _visible_frame(image, name) if getattr(image, "is_animated", False) else 0
        return _version(image, _correction(image, profile, name)[0], frame)

    return _with_opened(stream, name, version)


def content_hash(path: Path) -> str:
    """The SHA-256 of the file's bytes, as 64 hexadecimal digits; `UsageError` if it cannot be read."""
    _require_file(path)
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def kind_of(path: Path) -> Literal["folder", "file", "missing", "other"]:
    """What is at `path`, links followed: a broken link is "missing", a pipe or a device "other"."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError as error:
        raise unreadable(path, error) from error
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"


# Opening


@dataclass(frozen=True)
class _Decoded:
    """A photograph's pixels, upright, in RGB; the other fields are those of `Examined`."""

    image: Image.Image
    stored: tuple[int, int]
    decoding: int
    notes: tuple[str, ...]
    oblong: bool
    taken: float | None


def _of_file(path: Path, use: Callable[[BinaryIO], T]) -> T:
    """What `use` makes of the open file at `path`."""
    _require_file(path)
    try:
        stream = path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from error
    with stream:
        return use(stream)


def _decoded(stream: BinaryIO, name: object, coarse: int = 0) -> _Decoded:
    """The photograph that an open file holds: upright, RGB, at its own size.

    Args:
        coarse: it is only looked at: a JPEG may be smaller, with so many pixels along its shorter side.
    """

    def decode(image: ImageFile.ImageFile, profile: bytes | None) -> _Decoded:
        stored = image.size
        there = extent(stream) if image.format in ("JPEG", "MPO") else None
        if there is not None and not there.whole:
            raise OSError("no end of the image")  # what is missing may be zeros, which decoders take for pixels
        if image.format == "PNG" and not is_sound(stream):
            raise OSError("a sum is wrong")
        several, start = frames_note(image, stream, name), image.tell()
        if coarse:
            image.draft(None, (coarse, coarse))
        image.load()  # before EXIF: a PNG may carry it after the pixels, and a TIFF is turned upright here
        frame = _visible_frame(image, name)
        correction, notes = _correction(image, profile, name)
        notes += first_note(frame - start, name) if frame > start else several
        if coarse and there is not None:
            grey = ends_grey(image, 1) and _ends_grey(stream)
            notes += cut_note(name) if grey else gap_note(there.gap, name)
        if coarse:
            notes += stored_notes(image, stream, name)
        upright = _UPRIGHT.get(_orientation(image))
        rgb = _to_rgb(image, correction)
        rgb = rgb if upright is None else rgb.transpose(upright)
        return _Decoded(
            rgb,
            stored,
            _version(image, correction, frame),
            notes,
            is_oblong(image),
            taken_at(image) if coarse else None,
        )

    return _with_opened(stream, name, decode)


def _ends_grey(stream: BinaryIO) -> bool:
    """`ends_grey` at the image's own size, where a single pixel of a smaller one says that it may be so."""
    with _opened(stream) as image:
        return ends_grey(image)


def _with_opened(stream: BinaryIO, name: object, use: Callable[[ImageFile.ImageFile, bytes | None], T]) -> T:
    """What `use` makes of the image that an open file holds, whose pixels are not read yet, and of its colour profile.

    Raises:
        UsageError: it is no image that can be decoded safely, or `use` fails on it.
    """
    stream.seek(0)
    content = content_of(stream.read(HEAD), Path(str(name)).name)
    if content.kind not in ("image", "unknown", "text"):  # some of the formats that Pillow knows are texts
        raise UsageError(why_unusable(content, name))
    use_plugin(content, name)
    try:
        stream, profile = readable(stream)
        with _opened(stream) as image:
            if _is_raw(image) or not _at_full_size(image):
                raise UsageError(why_unusable(Content("raw", "camera raw image"), name))
            _refuse_bomb(name, image)
            profile = profile or image.info.get("icc_profile") or embedded_profile(stream, image.format)
            return use(image, profile)
    except (UsageError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name) from error
    except Exception as error:  # what decoders raise on damaged bytes is not limited to OSError
        raise _damaged(name, content, stream) from error


def _opened(stream: BinaryIO) -> ImageFile.ImageFile:
    """What `Image.open` gives, but for formats that are no photographs.

    `Image.open` itself warns of images that are smaller than what is refused here, and filters of warnings belong to
    all threads.
    """
    Image.init()
    stream.seek(0)
    prefix = stream.read(16)
    for kind in Image.ID:
        if kind in NOT_PHOTOS:
            continue
        factory, accepts = Image.OPEN[kind]
        try:
            fits = accepts is None or accepts(prefix)
            if fits and not isinstance(fits, str):  # a text says why this Pillow cannot read it
                stream.seek(0)
                return factory(stream, "")
        except (SyntaxError, IndexError, TypeError, struct.error):  # as in Pillow: it is of another format
            continue
    raise UnidentifiedImageError("no format fits")


def _is_raw(image: Image.Image) -> bool:
    """Whether a TIFF is a camera's raw image, of which Pillow would show the small preview that comes first."""
    tags = getattr(image, "tag_v2", {})
    return image.format == "TIFF" and (_DNG_VERSION in tags or (_is_reduced(image) and _SUB_IMAGES in tags))


def _at_full_size(image: Image.Image) -> bool:
    """Go to the first page of a TIFF that is no smaller copy, as scanners' come after one; whether there is any."""
    page = 0
    while _is_reduced(image):
        page += 1
        try:
            image.seek(page)
        except EOFError:
            return False
    return True


def _is_reduced(image: Image.Image) -> bool:
    return image.format == "TIFF" and bool(getattr(image, "tag_v2", {}).get(_SUBFILE_TYPE, 0) & 1)


def _visible_frame(image: Image.Image, name: object) -> int:
    """The first frame, counted from 0, from its present one, that is not fully transparent; it is left there.

    Raises:
        UsageError: there is none.
    """
    start = image.tell()
    frames = range(start, getattr(image, "n_frames", 1)) if image.has_transparency_data else range(start, start + 1)
    for frame in frames:
        if frame > start:
            image.seek(frame)
            image.load()
        if not _is_empty(image):
            return frame
    raise UsageError(f"{name} is fully transparent, so there is nothing to see in it; replace or remove it.")


def _version(image: Image.Image, correction: Correction | None, frame: int) -> int:
    return NEGATIVES if is_negative(image) else PROFILES if correction is not None or frame else 1


def _is_empty(image: Image.Image) -> bool:
    if not image.has_transparency_data:
        return False
    alpha = image if "A" in image.getbands() else image.convert("RGBA")
    return alpha.getchannel("A").getextrema() == (0, 0)


def _correction(image: Image.Image, profile: bytes | None, name: object) -> tuple[Correction | None, tuple[str, ...]]:
    """What brings the image to sRGB, and what is to be said of it."""
    if not profile:
        return None, unprofiled_note(image, name)
    try:
        return to_srgb(profile, image.mode), ()
    except UnusableProfileError as error:
        return None, (f"{name} has a colour profile that cannot be used ({error}); its colours are taken as sRGB.",)


# Pixels


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1..8; 1 where there is none. Damaged EXIF is no reason to refuse sound pixels."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # as with pixels, what the parser raises on damaged bytes is not limited
        return 1


def _to_rgb(image: Image.Image, correct: Correction | None) -> Image.Image:
    """Any mode of Pillow's as 8-bit RGB, of the same size; maybe the image itself."""
    if image.mode == "CMYK" and correct is not None:
        return correct(image)
    correct = correct or (lambda colours: colours)
    if image.mode.startswith(("I", "F")):
        return correct(grey_of(image).convert("RGB"))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        colours = correct(rgba.convert("RGB"))
        colours.putalpha(rgba.getchannel("A"))
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, colours).convert("RGB")
    return correct(image if image.mode == "RGB" else image.convert("RGB"))


def _greys(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """Greys of an image, no longer than `side`."""
    times = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * times)), max(1, round(image.height * times)))
    return np.array(image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0).convert("L"))


def _central_square(image: Image.Image) -> Image.Image:
    """The largest square in the middle; of an odd margin the smaller half is cut on the left or at the top."""
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    box = (left, top, left + side, top + side)  # not `crop`, which warns of many pixels, as `Image.open` does
    return image.transform((side, side), Image.Transform.EXTENT, box, Image.Resampling.NEAREST)


def _certain_square(found: _Decoded) -> Image.Image:
    """The central square; of an image that was decoded smaller, without its margin, which shows what is beside it."""
    square = _central_square(found.image)
    margin = EDGE if max(found.image.size) < max(found.stored) else 0
    return square.crop((margin, margin, square.width - margin, square.height - margin))


def _refuse_bomb(name: object, image: Image.Image) -> None:
    """Refuse what is dangerous to decode, as `Image.open` would."""
    limit = _most_pixels()
    if limit is not None and image.width * image.height > limit:
        raise _too_large(name)


def _most_pixels() -> int | None:
    """Where Pillow refuses an image, not where it warns: a phone's photograph may have 108 million."""
    return None if Image.MAX_IMAGE_PIXELS is None else 2 * Image.MAX_IMAGE_PIXELS


# Errors


def _require_file(path: Path) -> None:
    """Refuse what is missing or no plain file; a pipe would be waited for without end."""
    kind = kind_of(path)
    if kind == "missing":
        raise UsageError(f"{path} does not exist or is a broken link; restore or remove it.")
    if kind != "file":
        raise UsageError(f"{path} is not a file; give an image file.")


def _too_large(name: object) -> UsageError:
    limit = f"{(_most_pixels() or 0) / 1e6:.0f} million"
    return UsageError(f"{name} has more pixels than Pillow decodes safely ({limit}); save a smaller copy in its place.")


def _damaged(name: object, content: Content, stream: BinaryIO) -> UsageError:
    if content.kind != "image":
        return UsageError(why_unusable(content, name))
    if content.what == "JPEG image" and (kind := unusual_kind(stream)):
        return UsageError(f"{name} cannot be read as an image: it is {with_article(kind)} JPEG, which Pillow does not "
                          "read; save it as an ordinary one.")  # fmt: skip
    if content.what == "TIFF image" and (unread := _unread_tiff(stream)):
        return UsageError(f"{name} cannot be read as an image: it is {unread[0]}, which this Pillow does not read; "
                          f"{unread[1]}.")  # fmt: skip
    return UsageError(f"{name} cannot be read as an image: the {content.what.removesuffix(' image')} is truncated or "
                      "damaged; replace or remove it.")  # fmt: skip


def _unread_tiff(stream: BinaryIO) -> tuple[str, str] | None:
    try:
        with _opened(stream) as image:
            return unread_kind(image)
    except Exception:  # damaged already where its tags are
        return None


def unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"{path} cannot be read ({error.strerror or error}); check its permissions.")
