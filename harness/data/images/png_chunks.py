"""PNGs whose metadata is longer than Pillow reads: editors and image generators store whole workflows in them.

Pillow refuses a PNG with a compressed text or profile of more than a mebibyte, as protection from decompression bombs.
Its limits are settings of the whole process, so they stay; what counts here is taken out, with limits of its own.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

from PIL import PngImagePlugin

LONGEST = 1 << 24  # bytes of a profile, or of a text that may tell the orientation, after decompression
SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
TELLING = (b"XML:com.adobe.xmp", b"Raw profile type exif")  # texts that may tell the orientation
LONGEST_KEYWORD = 79
RATIO = 1032  # what deflate can at most make of a byte


def readable(stream: BinaryIO) -> tuple[BinaryIO, bytes | None]:
    """A PNG as Pillow can read it, and its colour profile where that is too long for Pillow.

    Returns: `stream` itself, rewound, unless there is such metadata; else a copy without it. Pixels, frames and the
        texts that may tell the orientation are the same. A damaged file is left to Pillow to judge.
    """
    stream.seek(0)
    if stream.read(len(SIGNATURE)) != SIGNATURE:
        stream.seek(0)
        return stream, None
    if not _refused(stream):
        stream.seek(0)
        return stream, None
    kept, profile = BytesIO(), None
    kept.write(SIGNATURE)
    for kind, start, length in _chunks(stream):
        stream.seek(start)
        if kind == b"iCCP" and _too_long(data := stream.read(length), kind):
            profile = _inflated(data.partition(b"\0")[2][1:], LONGEST)
        elif kind in TEXTS:
            text = _short(stream.read(length), kind)
            if text is not None:
                _write(kept, *text)
        else:
            stream.seek(start - 8)
            kept.write(stream.read(length + 12))
    kept.write(stream.read())  # behind the last whole chunk: nothing, or what a damaged file has
    kept.seek(0)
    return kept, profile


def is_sound(stream: BinaryIO) -> bool:
    """Whether the pixels' chunks, as far as they are whole, have the sums that they say; Pillow passes over the last.

    Of a stream that is no PNG, true.
    """
    stream.seek(0)
    if stream.read(len(SIGNATURE)) != SIGNATURE:
        return True
    for kind, start, length in _chunks(stream):
        if kind == b"IDAT":
            stream.seek(start)
            if zlib.crc32(stream.read(length), zlib.crc32(kind)) != int.from_bytes(stream.read(4), "big"):
                return False
    return True


def text_keywords(stream: BinaryIO) -> set[str]:
    """What the texts of a PNG are called, in small letters."""
    found: set[str] = set()
    for kind, start, length in _chunks(stream):
        if kind in TEXTS:
            stream.seek(start)
            found.add(stream.read(min(length, LONGEST_KEYWORD + 1)).partition(b"\0")[0].decode("latin-1").casefold())
    return found


def transfer_of(stream: BinaryIO) -> int:
    """The code of the transfer that a PNG's cICP chunk states; 2, unspecified, if it has none."""
    for kind, start, length in _chunks(stream):
        if kind == b"cICP" and length == 4:
            stream.seek(start + 1)
            return stream.read(1)[0]
    return 2


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Of each chunk its kind, the offset of its data and its length; then the stream is where they end."""
    at = len(SIGNATURE)
    end = stream.seek(0, 2)
    while at + 12 <= end:
        stream.seek(at)
        head = stream.read(8)
        length = int.from_bytes(head[:4], "big")
        if at + 12 + length > end:
            break
        yield head[4:], at + 8, length
        at += 12 + length
    stream.seek(at)


def _refused(stream: BinaryIO) -> bool:
    """Whether Pillow would refuse the metadata."""
    total = 0
    for kind, start, length in _chunks(stream):
        if kind in TEXTS or kind == b"iCCP":
            stream.seek(start)
            data = stream.read(length)
            if _too_long(data, kind):
                return True
            total += PngImagePlugin.MAX_TEXT_CHUNK if length * RATIO > PngImagePlugin.MAX_TEXT_CHUNK else length
            if total > PngImagePlugin.MAX_TEXT_MEMORY:
                return True
    return False


def _too_long(data: bytes, kind: bytes) -> bool:
    """Whether a chunk's compressed part is longer than Pillow's limit."""
    limit = PngImagePlugin.MAX_TEXT_CHUNK
    packed = _parts(data, kind)[1]
    return packed is not None and len(packed) * RATIO > limit and _inflated(packed, limit) is None


def _parts(data: bytes, kind: bytes) -> tuple[bytes, bytes | None]:
    """What comes before the text or profile, and that itself if it is compressed."""
    keyword, _, rest = data.partition(b"\0")
    if kind in (b"zTXt", b"iCCP"):
        return keyword, rest[1:]
    if kind == b"iTXt" and rest[:1] == b"\1":
        return keyword, rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return keyword, None


def _short(data: bytes, kind: bytes) -> tuple[bytes, bytes] | None:
    """A text that may tell the orientation, not compressed: its chunk's kind and data. None of any other text."""
    keyword, packed = _parts(data, kind)
    if keyword not in TELLING or len(data) > LONGEST:
        return None
    if packed is None:
        return kind, data
    text = _inflated(packed, LONGEST)
    if text is None:
        return None
    return (b"tEXt", keyword + b"\0" + text) if kind == b"zTXt" else (b"iTXt", keyword + bytes(5) + text)


def _inflated(packed: bytes, limit: int) -> bytes | None:
    """The decompressed bytes, none of damaged ones; None if they are more than `limit`."""
    inflater = zlib.decompressobj()
    try:
        found = inflater.decompress(packed, limit)
    except zlib.error:
        return b""
    return None if inflater.unconsumed_tail else found


def _write(stream: BinaryIO, kind: bytes, data: bytes) -> None:
    stream.write(len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big"))
