"""What a file says of how its picture was made: by a model, of a screen, or turned already though a tag says to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO

from PIL import ExifTags, Image

from harness.data.images.png_chunks import text_keywords

# of a PNG's texts: Automatic1111 and its kin, ComfyUI, InvokeAI and its forerunners
_DRAWN_WITH = frozenset({"parameters", "workflow", "invokeai_metadata", "invokeai_graph", "sd-metadata", "dream"})
_GENERATED = b"trainedAlgorithmicMedia"  # IPTC's word for it, in XMP
_SETTINGS = ("Steps: ", "Sampler: ")  # Automatic1111 in a JPEG's or WebP's EXIF comment
_SCREEN_PROGRAMS = frozenset({"flameshot", "gnome-screenshot", "greenshot", "shutter", "spectacle"})
_SAYS_ITSELF = "as it says itself"
_SIDEWAYS = range(5, 9)  # EXIF orientations by which width and height change places


def origin_notes(image: Image.Image, stream: BinaryIO, name: object) -> tuple[str, ...]:
    """Notes on a picture that was drawn by a model, is a screenshot, or has a tag that would turn it a second time.

    Args:
        image: as opened from `stream`.
    """
    notes: list[str] = []
    if drawn := _drawn_by(image, stream):
        notes.append(
            f"{name} was drawn by a model, {_SAYS_ITSELF} ({drawn}); if real pictures are to be learnt, remove it."
        )
    if _is_screenshot(image):
        notes.append(f"{name} is a screenshot, {_SAYS_ITSELF}; crop it to the picture that is meant, or remove it.")
    if sizes := _turned_already(image):
        notes.append(
            f"{name} is turned by its EXIF orientation, but was turned before by the size there ({sizes}); if it lies "
            "on its side then, save it upright without that tag."
        )
    return tuple(notes)


def says_itself(notes: Iterable[str]) -> bool:
    """Whether one of a picture's notes is what the file itself says of where it is from."""
    return any(_SAYS_ITSELF in note for note in notes)


def _drawn_by(image: Image.Image, stream: BinaryIO) -> str:
    """The text that says so; empty if none does."""
    if image.format == "PNG" and (found := sorted(_DRAWN_WITH & text_keywords(stream))):
        return found[0]
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    if _GENERATED in (xmp.encode() if isinstance(xmp, str) else xmp):
        return _GENERATED.decode()
    text = _comment(image)
    return "a comment with sampling steps" if all(words in text for words in _SETTINGS) else ""


def _is_screenshot(image: Image.Image) -> bool:
    """Whether a telephone or a desktop says so: in a comment, as Apple does, or by the program's name in a PNG."""
    said = _comment(image).removeprefix("ASCII").removeprefix("UNICODE").strip().casefold()
    return said == "screenshot" or str(image.info.get("Software", "")).casefold() in _SCREEN_PROGRAMS


def _comment(image: Image.Image) -> str:
    """The user comment in EXIF; empty if there is none."""
    comment = _exif(image).get(ExifTags.Base.UserComment, b"")
    return comment if isinstance(comment, str) else bytes(comment).replace(b"\0", b"").decode("latin-1")


def _turned_already(image: Image.Image) -> str:
    """The size that EXIF gives, where it is that of the stored pixels with width and height exchanged."""
    try:
        orientation = int(image.getexif().get(ExifTags.Base.Orientation, 1))
        stated = [
            int(_exif(image).get(tag, 0)) for tag in (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)
        ]
    except Exception:  # damaged EXIF is no reason to refuse sound pixels
        return ""
    width, height = image.size
    turned = orientation in _SIDEWAYS and width != height and stated == [height, width]
    return f"{stated[0]} x {stated[1]}, of {width} x {height}" if turned else ""


def _exif(image: Image.Image) -> dict[int, Any]:
    """The EXIF of the shot; empty where there is none, or a damaged one."""
    try:
        return dict(image.getexif().get_ifd(ExifTags.IFD.Exif))
    except Exception:  # as above
        return {}
