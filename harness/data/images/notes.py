"""What the owner of a usable photograph should know of it: parts that are left out, or hardly anything to see.

A note is one sentence that begins with the photograph's name.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image

from harness.data.images.embedded_profiles import linked_note
from harness.data.images.hdr import hdr_note
from harness.data.images.jpeg_scans import Gap
from harness.data.images.origin import origin_notes
from harness.data.images.tiff_kinds import is_negative
from harness.data.images.wide_greys import clipped_note
from harness.data.images.zero_ends import zeros_note

BLOCK, MISSING = 8, 128  # of a JPEG: pixels along each side of a block, and the value of one that is not there
NARROW = 2  # of an image so many times as long as wide, the central square shows little enough to be said
DEEP = 1 << 14  # of 16 bits: an image with no larger value was stored with 14 bits or fewer, and is shown nearly black
FAINT = 144  # of 255: a picture that is nowhere more opaque is washed out on white
SRGB_GAMMA = 1 / 2.2  # as a PNG states it
DIM = 40  # levels, of 255: a picture that is nowhere brighter is hardly a night's, which has lights
FLAT = 16  # levels, of 255: a picture whose values differ by no more shows next to nothing
SPECKS = 1000  # but for one of so many pixels at either end: dust, and hot pixels of a camera

# What the formats that may hold several images call them. Those in an MPO, an icon or a Photoshop file are previews,
# sizes and layers of the one that a viewer shows.
_SEVERAL = {
    "TIFF": "pages", "DCX": "pages", "GIF": "frames", "WEBP": "frames", "PNG": "frames", "AVIF": "frames",
    "FLI": "frames", "JXL": "frames",
}  # fmt: skip

_SUBFILE_TYPE, _OLD_SUBFILE_TYPE = 254, 255  # TIFF tags
_REDUCED, _MASK, _OLD_REDUCED = 1, 4, 2
_UNCALIBRATED = 0xFFFF  # of EXIF's ColorSpace


def frames_note(image: Image.Image, stream: BinaryIO, name: object) -> tuple[str, ...]:
    """A note where the file holds more pages or frames than the first. Before the pixels are read.

    Args:
        image: as opened from `stream`; it is left at its frame.
    """
    called = "frames" if image.format == "MPO" and _pair(image) else _SEVERAL.get(image.format or "")
    if called is None:
        return ()
    first = image.tell()
    try:
        if not getattr(image, "is_animated", False):
            return ()
        number = _tiff_pages(stream) if image.format == "TIFF" else image.n_frames  # type: ignore[attr-defined]
        if image.format == "PNG" and getattr(image, "default_image", False):
            return (
                f"{name} is an animation with another picture before its first frame, for viewers that do not animate; "
                "that is used, so save the frame if it is meant.",
            )
    except Exception:  # damage behind the first frame is no reason to refuse it
        image.seek(first)
        return (f"{name} has several {called}, and the first is used.",)
    return (f"{name} has {number} {called}, and the first is used.",) if number > 1 else ()


def first_note(number: int, name: object) -> tuple[str, ...]:
    """A note where so many frames, with nothing in them, come before the one that is used."""
    return (f"{name} begins with {number} fully transparent frame{'s' * (number > 1)}; the next one is used.",)


def shape_note(size: tuple[int, int], name: object) -> tuple[str, ...]:
    """A note where the central square of an image of so many pixels is a small part of it."""
    short, long = sorted(size)
    if long < NARROW * short:
        return ()
    return (f"{name} has {size[0]} x {size[1]} pixels, and its central square shows {100 * short / long:.0f} % of it.",)


def stored_notes(image: Image.Image, stream: BinaryIO, name: object) -> tuple[str, ...]:
    """What its pixels as they are stored tell of a usable image.

    Args:
        image: as opened from `stream`, with its pixels read.
    """
    tones = hdr_note(stream, image.format, name, image.info.get("icc_profile")) or tone_note(image, stream, name)
    notes = (*zeros_note(stream, image.format, name), *tones, *linked_note(stream, image.format, name))
    return (*notes, *clipped_note(image, name), *rescued_note(image, name), *origin_notes(image, stream, name))


def tone_note(image: Image.Image, stream: BinaryIO, name: object) -> tuple[str, ...]:
    """A note where an image's values mean other tones than they are shown with. Of its pixels as they are stored."""
    if image.mode.startswith("I;16"):
        largest = int(np.asarray(image).max())
        if FLAT * 257 < largest < DEEP:  # of less, `flat_note` tells
            bits = largest.bit_length()
            shade = "white" if is_negative(image) else "black"
            return (f"{name} has 16 bits but uses {bits}, so it is nearly {shade}; save it with its full range.",)
    elif image.format == "PNG" and image.mode == "RGB" and _is_deep(stream):  # of which Pillow keeps the higher byte
        largest = max(int(high) for _, high in image.getextrema())  # type: ignore[misc]
        if FLAT < largest < DEEP >> 8:
            bits = 8 + largest.bit_length()
            return (f"{name} has 16 bits but uses {bits}, so it is nearly black; save it with its full range.",)
    if "A" in image.getbands() and (alpha := int(image.getchannel("A").getextrema()[1])) <= FAINT:  # type: ignore[arg-type]
        return (f"{name} is {100 * alpha / 255:.0f} % opaque at most, so it is washed out; save it without alpha.",)
    gamma = image.info.get("gamma")
    if gamma and not {"srgb", "icc_profile"} & image.info.keys() and abs(gamma / SRGB_GAMMA - 1) > 0.05:
        return (f"{name} states a gamma of {gamma:.2g}, which is not applied; save it as sRGB if its tones matter.",)
    return ()


def unprofiled_note(image: Image.Image, name: object) -> tuple[str, ...]:
    """A note where the colours of an image without a profile are not sRGB's."""
    if image.mode == "CMYK":
        return (
            f"{name} is CMYK without a colour profile; its colours are approximate, so save it as RGB if they matter.",
        )
    if _is_adobe_rgb(image):
        return (f"{name} is Adobe RGB by its EXIF alone, which is not applied; save it as sRGB if its colours matter.",)
    return ()


def _is_adobe_rgb(image: Image.Image) -> bool:
    """Whether a camera says so, as it does without a profile: no sRGB, and the rules of interoperability R03."""
    try:
        exif = image.getexif()
        space = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ColorSpace)
        rules = exif.get_ifd(ExifTags.IFD.Interop).get(ExifTags.Interop.InteropIndex, "")
    except Exception:  # damaged EXIF is no reason to refuse sound pixels
        return False
    return space == _UNCALIBRATED and str(rules).startswith("R03")


def flat_note(image: Image.Image, name: object) -> tuple[str, ...]:
    """A note where an RGB image has next to nothing to see: white ink on transparency, say, which is laid on white."""
    shade = _one_shade(image)
    return () if shade is None else (f"{name} is almost one colour{shade}.",)


def square_note(square: Image.Image, name: object) -> tuple[str, ...]:
    """The same of the central square of an image, where the image itself has something to see."""
    shade = _one_shade(square)
    return () if shade is None else (f"{name}: its central square, which is used, is almost one colour{shade}.",)


def dim_note(image: Image.Image, name: object) -> tuple[str, ...]:
    """A note where an RGB image has something to see, but all of it near black or near white."""
    lowest, highest = _most(image)
    if max(highest) <= DIM:
        return (f"{name} is nearly black, with no level above {max(highest)} of 255; brighten it if it is not meant.",)
    if min(lowest) >= 255 - DIM:
        return (f"{name} is nearly white, with no level below {min(lowest)} of 255; darken it if it is not meant.",)
    return ()


def ends_grey(image: Image.Image, side: int = BLOCK) -> bool:
    """Whether a JPEG's last pixels, as they are stored, are what libjpeg puts in the place of missing ones: a mid grey.

    Args:
        image: its pixels before they are turned or their colours are corrected. side: of the square that is looked at.
    """
    if image.mode not in ("RGB", "L", "CMYK"):
        return False
    width, height = image.size
    corner = image.transform(
        (side, side), Image.Transform.EXTENT, (width - side, height - side, width, height), Image.Resampling.NEAREST
    )
    extrema = corner.getextrema()
    return set(np.ravel(extrema).tolist()) == {255 - MISSING if image.mode == "CMYK" else MISSING}  # inks, inverted


def cut_note(name: object) -> tuple[str, ...]:
    """A note on a JPEG that ends in such a grey."""
    return (f"{name}: its lower part seems missing (grey); compare it with the original.",)


def rescued_note(image: Image.Image, name: object) -> tuple[str, ...]:
    """`cut_note` of a picture saved of such a JPEG in another format: its last row is that grey, its first is not."""
    width, height = image.size
    if image.format in ("JPEG", "MPO") or image.mode not in ("RGB", "L") or not ends_grey(image, 1):
        return ()
    rows = (np.asarray(image.crop((0, y, width, y + 1))) for y in (height - 1, 0))
    last, first = ((row == MISSING).all() for row in rows)
    return cut_note(name) if last and not first else ()


def gap_note(gap: Gap, name: object) -> tuple[str, ...]:
    """A note on a JPEG of which something else is missing, and nothing if nothing is."""
    if gap == "scans":
        return (
            f"{name}: its last scans are missing, so it is blurred or without colours; compare it with the original.",
        )
    return (f"{name}: a part of its data is missing; compare it with the original.",) if gap else ()


def _one_shade(image: Image.Image) -> str | None:
    """None where there is something to see; else the colour, as the end of a sentence, if it has a name."""
    lowest, highest = _most(image)
    if max(high - low for low, high in zip(lowest, highest, strict=True)) > FLAT:
        return None
    return " (white)" if min(lowest) >= 255 - FLAT else " (black)" if max(highest) <= FLAT else ""


def _most(image: Image.Image) -> tuple[list[int], list[int]]:
    """The lowest and the highest level of each channel of an RGB image, but for specks."""
    counts = np.asarray(image.histogram()).reshape(3, 256)
    few = image.width * image.height // SPECKS
    return (
        [int((levels.cumsum() > few).argmax()) for levels in counts],
        [255 - int((levels[::-1].cumsum() > few).argmax()) for levels in counts],
    )


def _pair(image: Image.Image) -> bool:
    """Whether the second image of an MPO is as large as the first, as of a camera with two lenses."""
    try:
        first = image.size
        image.seek(1)
        return image.size == first
    except Exception:  # damage behind the first frame is no reason to refuse it
        return False
    finally:
        image.seek(0)


def _is_deep(stream: BinaryIO) -> bool:
    """Whether a PNG has 16 bits in each channel."""
    stream.seek(24)
    return stream.read(1) == b"\x10"


def _tiff_pages(stream: BinaryIO) -> int:
    """How many images of a TIFF are pages, not smaller copies or masks of one; damaged directories count for none.

    Pillow's `n_frames` counts all, and tells what they are only by going to each.
    """
    stream.seek(0)
    head = stream.read(16)
    order, big = ("<" if head[:2] == b"II" else ">"), 43 in head[2:4]
    at = struct.unpack(order + "Q", head[8:16])[0] if big else struct.unpack(order + "L", head[4:8])[0]
    size, count, link = (20, "Q", "Q") if big else (12, "H", "L")
    seen: set[int] = set()
    pages = 0
    while at and at not in seen:
        seen.add(at)
        stream.seek(at)
        try:
            (entries,) = struct.unpack(order + count, stream.read(struct.calcsize("=" + count)))
            tags = stream.read(min(entries, 1 << 16) * size)
            (at,) = struct.unpack(order + link, stream.read(struct.calcsize("=" + link)))
        except struct.error:
            break
        pages += _is_page(tags, size, order)
    return pages


def _is_page(tags: bytes, size: int, order: str) -> bool:
    for start in range(0, len(tags) - size + 1, size):
        tag, kind = struct.unpack_from(order + "HH", tags, start)
        if tag in (_SUBFILE_TYPE, _OLD_SUBFILE_TYPE):
            value = struct.unpack_from(order + ("H" if kind == 3 else "L"), tags, start + (size + 4) // 2)[0]
            if value & (_REDUCED | _MASK) if tag == _SUBFILE_TYPE else value == _OLD_REDUCED:
                return False
    return True
