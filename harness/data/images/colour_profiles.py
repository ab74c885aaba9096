"""Colours as a viewer shows them: an image with an ICC profile is brought to sRGB before anything else is done to it.

Relative colorimetric with black point compensation, as browsers and image editors do by default. A profile that is sRGB
in all but name leaves every pixel as it is. No torch is imported here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

Correction = Callable[[Image.Image], Image.Image]

SAME = 2  # levels of 255 within which a profile's colours count as sRGB's: its curves are rounded tables, often

# What a profile must be made for, by the image's mode; the modes not named here have no profile that counts.
_SPACES = {"RGB": "RGB", "RGBA": "RGB", "RGBX": "RGB", "P": "RGB", "PA": "RGB", "CMYK": "CMYK"}
_GREYS = ("L", "LA", "I", "F")  # and I;16


class UnusableProfileError(Exception):
    """A colour profile is damaged, or made for images of another kind."""


def to_srgb(profile: bytes, mode: str) -> Correction | None:
    """What brings an image of Pillow's mode `mode`, whose colours `profile` describes, to sRGB.

    Args:
        profile: an ICC profile's bytes.

    Returns: a function from the image, in CMYK if that is its mode and else as RGB of 8 bits, to RGB of 8 bits; greys
        stay greys. None if nothing is to be done: the profile is sRGB's, or the mode has none (black and white, LAB).

    Raises:
        UnusableProfileError: the profile is damaged, or not for such images.
    """
    grey = mode.startswith(_GREYS) and mode != "LAB"
    space = "GREY" if grey else _SPACES.get(mode)
    return None if space is None else _correction(profile, space)


@lru_cache(maxsize=16)
def _correction(profile: bytes, space: str) -> Correction | None:
    """The same for a colour space; kept, since a folder's photographs mostly share one profile."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        made_for = source.profile.xcolor_space.strip()
        if space == "GREY":
            return _of_greys(source, made_for)
        if made_for != space:
            raise UnusableProfileError(f"it is for {made_for} images")
        transform = _transform(source, space)
    except ImageCms.PyCMSError as error:
        raise UnusableProfileError("it is damaged") from error
    except OSError as error:
        raise UnusableProfileError("it is damaged") from error

    def correct(image: Image.Image) -> Image.Image:
        return ImageCms.applyTransform(image, transform) or image

    if space == "RGB" and _alike(_probe(), correct(_probe())):
        return None
    return correct


def _of_greys(source: ImageCms.ImageCmsProfile, made_for: str) -> Correction | None:
    """A table from grey to grey: transforms may tint one by a level."""
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    if made_for == "GRAY":
        shown = ImageCms.applyTransform(ramp, _transform(source, "L"))
    elif made_for == "RGB":
        shown = ImageCms.applyTransform(ramp.convert("RGB"), _transform(source, "RGB"))
    else:
        raise UnusableProfileError(f"it is for {made_for} images")
    assert shown is not None  # not in place
    if _alike(ramp.convert("RGB"), shown):
        return None
    table = [int(level) for level in np.asarray(shown)[0, :, 1]]
    return lambda image: image.point(table * 3)


def _transform(source: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def _probe() -> Image.Image:
    """Colours from all over the cube, and every grey: (1, 985) pixels."""
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    return Image.fromarray(np.concatenate([cube, greys])[None])


def _alike(before: Image.Image, after: Image.Image) -> bool:
    return int(np.abs(np.asarray(before).astype(int) - np.asarray(after).astype(int)).max()) <= SAME
