"""Files whose end is nothing but zeros, as a download or a copy leaves it that reserved its space and stopped.

Formats without sums over their data are decoded all the same, to a picture with a black or a garbled part.
"""

from __future__ import annotations

from typing import BinaryIO

BLOCK = 1 << 16

# By Pillow's name. Compressed data have no long run of zeros; in plain ones, and in a lossy WebP, they may be a flat
# part, so they must be many; a lossless WebP may be zeros for the most part.
COMPRESSED = frozenset({"AVIF", "HEIF", "JPEG2000", "JXL", "QOI"})
PLAIN = frozenset({"BMP", "DDS", "PCX", "PPM", "SGI", "TGA", "TIFF"})
LONG, HOLE = 256, 4096  # zeros at the end of compressed data, and inside
SHARE = 16  # a part of so many, of the others


def zeros_note(stream: BinaryIO, image_format: str | None, name: object) -> tuple[str, ...]:
    """A note where a file ends in zeros that are hardly its picture's; of a compressed one, also where some are inside.

    Args:
        image_format: Pillow's name of it.
    """
    end = _webp_end(stream) if image_format == "WEBP" else stream.seek(0, 2)
    if not end or image_format not in COMPRESSED | PLAIN | {"WEBP"}:
        return ()
    zeros = _zeros_before(stream, end)
    if zeros >= (LONG if image_format in COMPRESSED else max(LONG, -(-end // SHARE))):
        where = f"the last {max(1, round(100 * zeros / end))} % of its data are zeros"
    elif image_format not in PLAIN and _has_hole(stream, end):
        where = "a part of its data is zeros"
    else:
        return ()
    return (f"{name}: {where}, as an unfinished copy leaves them; compare it with the original.",)


def _webp_end(stream: BinaryIO) -> int:
    """Where the pixels of a lossy still end, before texts and EXIF; 0 of other WebPs."""
    at = 12
    while True:
        stream.seek(at)
        head = stream.read(8)
        if len(head) < 8:
            return 0
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"VP8 ":
            return at + 8 + length
        at += 8 + length + length % 2


def _zeros_before(stream: BinaryIO, end: int) -> int:
    """How many bytes up to `end` are zeros."""
    at = end
    while at:
        start = max(0, at - BLOCK)
        stream.seek(start)
        block = stream.read(at - start)
        if kept := len(block.rstrip(b"\0")):
            return end - start - kept
        at = start
    return end


def _has_hole(stream: BinaryIO, end: int) -> bool:
    stream.seek(0)
    zeros, before = bytes(HOLE), b""
    for start in range(0, end, BLOCK):
        block = stream.read(min(BLOCK, end - start))
        if zeros in before + block:
            return True
        before = block[-HOLE:]
    return False
