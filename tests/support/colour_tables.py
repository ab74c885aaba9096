"""Small ICC profiles of every kind that photographs carry."""

from __future__ import annotations

import struct

from PIL import ImageCms


def srgb() -> bytes:
    """sRGB's."""
    return bytes(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())


def red_is_green() -> bytes:
    """Of an RGB in which the first channel is sRGB's green and the second its red."""
    profile = bytearray(srgb())
    red, green = profile.find(b"rXYZ"), profile.find(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


def grey(gamma: float) -> bytes:
    """Of greys, by their power."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"wtpt": _xyz(0.9642, 1, 0.8249), b"kTRC": curve})


def inks() -> bytes:
    """Of CMYK in which full cyan is a grey of L* 50 and all else is white: nothing that a rule of thumb would make."""
    white, middle = (255, 128, 128), (128, 128, 128)
    points = [middle if number & 8 else white for number in range(16)]  # the first ink changes slowest
    identity = b"".join(struct.pack(">i", 65536 * (k % 4 == 0)) for k in range(9))
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + identity
    ramp = bytes(range(256))
    table += ramp * 4 + bytes(value for point in points for value in point) + ramp * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"wtpt": _xyz(0.9642, 1, 0.8249), b"A2B0": table})


def _xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    at, body, table = 128 + 4 + 12 * len(tags), b"", struct.pack(">I", len(tags))
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s", at + len(body), bytes(4), 0x02100000, kind, space, connection)
    head += struct.pack(">6H", 2025, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += b"".join(struct.pack(">i", round(value * 65536)) for value in (0.9642, 1, 0.8249))
    return head + bytes(128 - len(head)) + table + body
