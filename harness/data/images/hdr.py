"""Pictures whose values are those of a screen of high dynamic range (HDR), by ITU-T H.273's code of the transfer."""

from __future__ import annotations

from typing import BinaryIO

from harness.data.images.png_chunks import transfer_of

_HDR = {16: "PQ", 18: "HLG"}
_BOX = (
    b"colrnclx"  # of an ISO media file: what the colours are; two bytes each for primaries, transfer and matrix follow
)
_META = 1 << 16  # bytes at the file's begin that hold such boxes


def hdr_note(stream: BinaryIO, image_format: str | None, name: object, profile: object = None) -> tuple[str, ...]:
    """A note where a PNG, an AVIF or a HEIC has such values, which are used as if they were sRGB's.

    Args:
        profile: its colour profile; where there is one, colours are brought to sRGB by it.
    """
    if profile:
        return ()
    kinds: set[str | None] = set()
    if image_format == "PNG":
        kinds = {_HDR.get(transfer_of(stream))}
    elif image_format in ("AVIF", "HEIF"):
        kinds = {_HDR.get(transfer) for transfer in _transfers(stream)}  # several: one may be a gain map's
    kind = next(iter(kinds)) if len(kinds) == 1 else None
    return (f"{name} is HDR ({kind}), used as if it were sRGB, so it looks flat; export it as SDR.",) if kind else ()


def _transfers(stream: BinaryIO) -> list[int]:
    stream.seek(0)
    boxes = stream.read(_META).split(_BOX)[1:]
    return [int.from_bytes(box[2:4], "big") for box in boxes]
