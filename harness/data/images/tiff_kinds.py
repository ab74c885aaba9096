"""TIFFs that are sound and that Pillow does not read, or not as they are meant, told from the others."""

from __future__ import annotations

import PIL
from packaging.version import Version
from PIL import Image

_COMPRESSION, _PHOTOMETRIC, _SUBSAMPLING = 259, 262, 530  # TIFF tags
_WHITE_IS_ZERO, _NONE, _YCBCR = 0, 1, 6

READS_YCBCR = Version("13")  # Pillow before it takes uncompressed YCbCr, subsampled or not, for a truncated file


def unread_kind(image: Image.Image) -> tuple[str, str] | None:
    """What an opened image is that this Pillow cannot load, and the remedy; None if it can.

    What is stored by JPEG or LZW goes through libtiff, which reads all of it.
    """
    tags = getattr(image, "tag_v2", {})
    if image.format != "TIFF" or tags.get(_PHOTOMETRIC) != _YCBCR or tags.get(_COMPRESSION, _NONE) != _NONE:
        return None
    whole = tuple(tags.get(_SUBSAMPLING, (2, 2))) == (1, 1)
    if Version(PIL.__version__) < READS_YCBCR:
        newer = f"`pip install 'pillow>={READS_YCBCR}'`, or " if whole else ""
        return "an uncompressed YCbCr TIFF", f"{newer}save it as RGB"
    return None if whole else ("an uncompressed TIFF with subsampled colours", "save it as RGB")


def is_negative(image: Image.Image) -> bool:
    """Whether 0 is white in an opened TIFF of more than 8 bits, which Pillow turns over in those of fewer alone."""
    deep = image.format == "TIFF" and image.mode.startswith(("I", "F"))
    return deep and getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO
