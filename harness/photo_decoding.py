"""One photograph of the user's, from an open file or a path: upright, RGB, as a viewer would show it.

What cannot be used is a `UsageError` of one sentence that names the file and the remedy. Files are only ever read.
"""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from harness.errors import UsageError

# Pillow knows these but cannot decode them by itself: stubs for other libraries, and EPS, which runs Ghostscript.
_NOT_PHOTOS = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})

# How to turn an image upright, by the value of its EXIF orientation (1, upright, is absent).
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def load_image(path: Path, size: int) -> NDArray[np.uint8]:
    """The photograph at `path`, upright, its central square resized (Lanczos) to `size` x `size`.

    Of an animation or a multi-page file, the first frame. Transparency is laid on white. 16-bit greys are divided by
    257. 32-bit integers have the full scale (255, 65535 or 2^31 - 1) that their largest value fits in, floats that of
    1 if none is larger and else of 255; what lies outside is clipped. Colour profiles are not applied, and a damaged
    EXIF block counts as upright.

    Returns: (size, size, 3) uint8 in RGB, 0..255, writable and contiguous.
    Raises `UsageError` if the file is missing, unreadable, truncated, no image, or has more pixels than Pillow's
    `Image.MAX_IMAGE_PIXELS`; `ValueError` if `size` is below 1.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, not {size}")
    _require_file(path)
    try:
        stream = path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from error
    with stream:
        return decode_image(stream, size, path)


def decode_image(stream: BinaryIO, size: int, name: object) -> NDArray[np.uint8]:
    """The photograph that an open file holds, as `load_image` returns it; errors call it `name`."""
    square = _central_square(_decoded(stream, name))
    return np.array(square.resize((size, size), Image.Resampling.LANCZOS))


def decode_whole(stream: BinaryIO, name: object) -> NDArray[np.uint8]:
    """The same photograph uncropped at its own size, (h, w, 3) uint8; errors as of `load_image`."""
    return np.array(_decoded(stream, name))


def check_image(stream: BinaryIO, name: object) -> None:
    """Decode the photograph that an open file holds, a JPEG at an eighth of its size; errors as of `load_image`."""
    _decoded(stream, name, coarse=True)


def _decoded(stream: BinaryIO, name: object, coarse: bool = False) -> Image.Image:
    """The photograph that an open file holds: upright, RGB, at its own size (`coarse`: of a JPEG, the nearest to 8)."""
    try:
        Image.init()
        with Image.open(stream, formats=[kind for kind in Image.ID if kind not in _NOT_PHOTOS]) as image:
            _refuse_bomb(name, image)
            if coarse:
                image.draft(None, (8, 8))
            image.load()  # before EXIF: a PNG may carry it after the pixels, and a TIFF is turned upright here
            upright = _UPRIGHT.get(_orientation(image))
            rgb = _to_rgb(image)
        return rgb if upright is None else rgb.transpose(upright)
    except (UsageError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name) from error
    except Exception as error:  # what decoders raise on damaged bytes is not limited to OSError
        raise UsageError(f"{name} cannot be read as an image (truncated?); replace or remove it.") from error


def content_hash(path: Path) -> str:
    """The SHA-256 of the file's bytes, as 64 hexadecimal digits; `UsageError` if it cannot be read."""
    _require_file(path)
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def kind_of(path: Path) -> Literal["folder", "file", "missing", "other"]:
    """What is at `path`, links followed: a broken link is "missing", a pipe or a device "other"."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError as error:
        raise unreadable(path, error) from error
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"


def image_extensions() -> frozenset[str]:
    """Lower-case extensions that Pillow, with the plugins registered by now, can decode."""
    known = Image.registered_extensions()  # first: this is what fills Image.OPEN
    return frozenset(ext.lower() for ext, kind in known.items() if kind in Image.OPEN and kind not in _NOT_PHOTOS)


# Pixels


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1..8; 1 where there is none. Damaged EXIF is no reason to refuse sound pixels."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # as with pixels, what the parser raises on damaged bytes is not limited
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any mode of Pillow's as 8-bit RGB, of the same size."""
    if image.mode.startswith(("I", "F")):
        return _grey(image).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _grey(image: Image.Image) -> Image.Image:
    """Greys of 16 or 32 bits ("I;16", "I;16B", "I", "F") as 8 bits; `load_image` states the scales."""
    pixels = np.asarray(image).astype(np.float32)
    largest = float(np.max(pixels, where=np.isfinite(pixels), initial=0.0))
    if image.mode.startswith("I;16"):
        full = 65535.0
    elif image.mode == "I":
        full = next((scale for scale in (255.0, 65535.0) if largest <= scale), 2.0**31 - 1)
    else:
        full = 1.0 if largest <= 1 else 255.0
    scaled = np.nan_to_num(pixels, nan=0.0, posinf=full, neginf=0.0) * (255.0 / full)
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))


def _central_square(image: Image.Image) -> Image.Image:
    """The largest square in the middle; of an odd margin the smaller half is cut on the left or at the top."""
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _refuse_bomb(name: object, image: Image.Image) -> None:
    """Refuse what Pillow only warns about.

    The size is compared here, not by turning the warning into an error: warning filters belong to all threads.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise _too_large(name)


# Errors


def _require_file(path: Path) -> None:
    """Refuse what is missing or no plain file; a pipe would be waited for without end."""
    kind = kind_of(path)
    if kind == "missing":
        raise UsageError(f"{path} does not exist or is a broken link; restore or remove it.")
    if kind != "file":
        raise UsageError(f"{path} is not a file; give an image file.")


def _too_large(name: object) -> UsageError:
    limit = f"{(Image.MAX_IMAGE_PIXELS or 0) / 1e6:.1f} million"
    return UsageError(f"{name} has more pixels than Pillow decodes safely ({limit}); save a smaller copy in its place.")


def unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"{path} cannot be read ({error.strerror or error}); check its permissions.")
