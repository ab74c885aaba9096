"""Folders of a user's own photographs: noise, no two pictures alike."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
from PIL import Image

from harness.data.concept_folder import checked, read_photos

LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
JPEG_XL = b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100)


def noise(seed: str, width: int = 20, height: int = 16) -> Image.Image:
    """A picture of its own for each seed."""
    number = int.from_bytes(hashlib.sha256(os.fsencode(seed)).digest()[:8], "big")
    return Image.fromarray(np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8))


def concept(folder: Path, name: str, images: tuple[str, ...] = ("a.png", "b.png"), category: str | None = None) -> Path:
    """A concept's folder with small images, PNG where the name says nothing else, and perhaps a category file."""
    home = folder / name
    home.mkdir(parents=True)
    for image in images:
        picture(home / image)
    if category is not None:
        (home / "category.txt").write_text(category, encoding="utf-8")
    return home


def picture(path: Path, image: Image.Image | None = None) -> Path:
    """An image's file, of noise unless another is given."""
    (image or noise(str(path))).save(path, format=None if path.suffix in Image.registered_extensions() else "PNG")
    return path


def lines(folder: Path) -> list[str]:
    """What a run says of a folder, which is left out of the sentences."""
    return [line.replace(str(folder), "HERE") for line in checked(read_photos(folder)).lines()]
