"""Colour profiles that Pillow passes over: those in a JPEG 2000's boxes, and in a BMP's header of version 5."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

LONGEST = 1 << 24  # bytes of a profile
_SPECIFIED, _ICC = 1, (2, 3)  # how a JPEG 2000's colours are told: by a number, or by a profile (restricted, or any)
# Of a BMP: where the length of its header stands, which is where that begins; and from there on, where it says what
# its colours are, and where the profile is and how long.
_HEADER, _TYPE, _PROFILE = 14, 56, 112
_V5 = 124
_EMBEDDED, _LINKED = b"DEBM", b"KNIL"  # 'MBED' and 'LINK', from the right


def embedded_profile(stream: BinaryIO, image_format: str | None) -> bytes | None:
    """The ICC profile that a JPEG 2000 or a BMP has; None of other formats. The stream is left where it was.

    Of a JPEG 2000 the first statement on colours counts that says them by a number or a profile, as for a viewer.

    Args:
        image_format: Pillow's name of it.
    """
    at = stream.tell()
    try:
        if image_format == "JPEG2000":
            return _of_boxes(stream)
        return _of_bmp(stream) if image_format == "BMP" else None
    finally:
        stream.seek(at)


def linked_note(stream: BinaryIO, image_format: str | None, name: object) -> tuple[str, ...]:
    """A note on a BMP that names a file with its profile."""
    if image_format != "BMP" or _bmp_type(stream) != _LINKED:
        return ()
    return (f"{name} names a file with its colour profile, which is not read; save it as sRGB if its colours matter.",)


def _of_boxes(stream: BinaryIO) -> bytes | None:
    end = stream.seek(0, 2)
    for kind, start, stop in _boxes(stream, 0, end):
        if kind == b"jp2h":
            for inside, begin, close in _boxes(stream, start, stop):
                stream.seek(begin)
                method = int.from_bytes(stream.read(1), "big") if inside == b"colr" else 0
                if method in _ICC:
                    stream.seek(begin + 3)
                    return stream.read(max(0, min(close - begin - 3, LONGEST)))
                if method == _SPECIFIED:
                    return None
            return None
    return None


def _boxes(stream: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Of each box between two places its kind, and where its content begins and ends; a damaged one is the last."""
    while at + 8 <= end:
        stream.seek(at)
        head = stream.read(16)
        length, start = int.from_bytes(head[:4], "big"), at + 8
        if length == 1:  # it stands behind the kind
            length, start = int.from_bytes(head[8:], "big"), at + 16
        stop = min(at + length, end) if length else end
        if stop < start:
            return
        yield head[4:8], start, stop
        at = stop


def _of_bmp(stream: BinaryIO) -> bytes | None:
    if _bmp_type(stream) != _EMBEDDED:
        return None
    stream.seek(_HEADER + _PROFILE)
    place, length = (int.from_bytes(stream.read(4), "little") for _ in range(2))
    stream.seek(_HEADER + place)
    return stream.read(min(length, LONGEST))


def _bmp_type(stream: BinaryIO) -> bytes:
    """How the header of version 5 says what the colours are; empty of others."""
    stream.seek(_HEADER)
    if int.from_bytes(stream.read(4), "little") < _V5:
        return b""
    stream.seek(_HEADER + _TYPE)
    return stream.read(4)
