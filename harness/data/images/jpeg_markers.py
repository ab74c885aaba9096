"""What a JPEG's markers tell that its decoder does not: whether it goes on to its end, and of what kind it is.

A download or a rescue that reserved a file's space leaves zeros in the place of its end, and zeros are decoded, as a
flat part of the picture. No sound JPEG lacks the marker of its end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import BinaryIO

from harness.data.images.jpeg_scans import TOLD, Gap, Scans

BLOCK = 1 << 16  # bytes that are read at a time
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
RESTARTS = range(0xD0, 0xD8)  # within a scan, in turn
MARKER = re.compile(rb"\xff[\xc0-\xfe]")  # those that may follow the first scan; of the others, 0xFF00 is a value
STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a segment
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF})


@dataclass(frozen=True)
class _Header:
    """What comes before the pixels. frame: the marker of the kind, 0 if there is none. bits: of a value, 0 alike.

    scan: the offset of the first scan's segment; None if there is none. scans: what these segments say of the scans.
    """

    frame: int = 0
    bits: int = 0
    scan: int | None = None
    scans: Scans = field(default_factory=Scans)


@dataclass(frozen=True)
class Extent:
    """How much of a JPEG is there.

    whole: whether the image has its end, which its thumbnail's is not, and all restart markers are in turn up to it.
    gap: what is missing before that end, as far as its markers tell.
    """

    whole: bool
    gap: Gap = ""


def extent(stream: BinaryIO) -> Extent:
    """How much of the image is there. What has no pixels at all is left to the decoder.

    What follows the end counts for nothing. The stream is read once, up to that end, and left anywhere.
    """
    header = _header(stream)
    if header.scan is None:
        return Extent(True)
    whole = _goes_on(stream, header.scan, header.scans)
    return Extent(whole, header.scans.gap if whole else "")


def is_whole(stream: BinaryIO) -> bool:
    """`Extent.whole`."""
    return extent(stream).whole


def unusual_kind(stream: BinaryIO) -> str:
    """The kind of a JPEG that common decoders do not read: "lossless", "12-bit"; "" of all others."""
    header = _header(stream)
    if header.frame in LOSSLESS:
        return "lossless"
    return f"{header.bits}-bit" if header.bits not in (0, 8) else ""


def _header(stream: BinaryIO) -> _Header:
    """What its segments up to the first scan say, an embedded thumbnail's being none of them."""
    at: int | None = 2
    frame = bits = 0
    scans = Scans()
    while at is not None:
        stream.seek(at)
        head = stream.read(5)
        if len(head) < 4 or head[:2] == bytes((0xFF, END_OF_IMAGE)):
            break
        if head[0] != 0xFF or head[1] in (0x00, 0xFF):  # no marker, or one that is filled up
            at = _found(stream, b"\xff", at + 1)
        elif head[1] in STANDALONE:
            at += 2
        elif head[1] == START_OF_SCAN:
            return _Header(frame, bits, at, scans)
        else:
            if head[1] in TOLD:
                scans.segment(head[1], _inside(stream, at + 2))
            if head[1] in FRAMES:
                frame, bits = head[1], head[4] if len(head) > 4 else 0
            at += 2 + int.from_bytes(head[2:4], "big")
    return _Header(frame, bits)


def _goes_on(stream: BinaryIO, at: int, scans: Scans) -> bool:
    """Whether the scans from `at` on have their restart markers in turn (ITU-T T.81, B.2.1), and an end."""
    restarts = 0  # in this scan
    while True:
        stream.seek(at)
        block = stream.read(BLOCK)
        if len(block) < 2:
            return False
        for found in MARKER.finditer(block):
            marker = found.group()[1]
            if marker in RESTARTS:
                if marker != RESTARTS[restarts % len(RESTARTS)]:
                    return False
                restarts += 1
            elif marker == END_OF_IMAGE or marker not in STANDALONE:
                scans.data(block, found.start())
                scans.end_of_scan(restarts)
                if marker == END_OF_IMAGE:
                    return True
                at += found.end()
                inside = _inside(stream, at)
                if marker in TOLD:
                    scans.segment(marker, inside)
                at += max(len(inside) + 2, 2)  # what is in a segment, a table say, is no marker
                restarts = 0 if marker == START_OF_SCAN else restarts
                break
        else:
            scans.data(block, len(block))
            at += len(block) - 1 if block.endswith(b"\xff") else len(block)


def _inside(stream: BinaryIO, at: int) -> bytes:
    """What is in the segment whose length stands at `at`."""
    stream.seek(at)
    return stream.read(max(int.from_bytes(stream.read(2), "big") - 2, 0))


def _found(stream: BinaryIO, wanted: bytes, at: int) -> int | None:
    """The offset of the first `wanted` from `at` on."""
    stream.seek(at)
    kept = b""
    while block := stream.read(BLOCK):
        block = kept + block
        if (place := block.find(wanted)) >= 0:
            return at + place
        kept = block[len(block) - len(wanted) + 1 :]
        at += len(block) - len(kept)
    return None
