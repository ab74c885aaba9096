"""When a photograph was taken, by its EXIF."""

from __future__ import annotations

from datetime import datetime

from PIL import ExifTags, Image


def taken_at(image: Image.Image) -> float | None:
    """The second at which the shutter was pressed, on the camera's own clock; None where it is not said.

    Midnight and noon to the second are what scanners and photo programs write of a day alone: they count as not said.
    """
    try:
        exif = image.getexif().get_ifd(ExifTags.IFD.Exif)
        moment = datetime.strptime(str(exif[ExifTags.Base.DateTimeOriginal])[:19], "%Y:%m:%d %H:%M:%S")
        part = str(exif.get(ExifTags.Base.SubsecTimeOriginal, "")).strip().rstrip("\0")
    except Exception:  # none, or a damaged one, which is no reason to refuse sound pixels
        return None
    if (moment.hour % 12, moment.minute, moment.second) == (0, 0, 0):
        return None
    return (moment - datetime(1900, 1, 1)).total_seconds() + (float(f"0.{part}") if part.isdecimal() else 0.0)
