"""Strips of small images: the first images of a folder side by side in one file."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from harness.errors import StoreError

QUALITY = 76
METHOD = 2  # half the time of 4, for 4 % more bytes
WORKERS = 8
PAPER = (128, 128, 128)  # around an image that is not square


@dataclass(frozen=True)
class Size:
    """How much is kept: of each task's X_{i,j} at most so many i, of each set so many images of so many px."""

    steps: int
    images: int
    side: int


def strip(folder: Path, size: Size) -> tuple[bytes, int]:
    """A WebP file of the folder's first images in a row of squares, and their number; (b'', 0) if there are none.

    Small images are not enlarged.

    Raises:
        StoreError: a picture is damaged.
    """
    paths = sorted(folder.glob("*.png"))[: size.images]
    tiles = [_load(path, size.side) for path in paths]
    if not tiles:
        return b"", 0
    side = max(max(tile.size) for tile in tiles)
    row = Image.new("RGB", (side * len(tiles), side), PAPER)
    for position, tile in enumerate(tiles):
        row.paste(tile, (position * side + (side - tile.width) // 2, (side - tile.height) // 2))
    stream = io.BytesIO()
    row.save(stream, format="WEBP", quality=QUALITY, method=METHOD)
    return stream.getvalue(), len(tiles)


def write_strips(folders: Mapping[str, Path], target: Path, size: Size) -> dict[str, int]:
    """Write `target`/<name>.webp for each name -> folder of images.

    Returns:
        Name -> number of images, in the same order; 0 where the folder has none, and no file is written.

    Raises:
        StoreError: a picture is damaged.
        OSError: the folder cannot be written.
    """
    if not folders:
        return {}
    target.mkdir(parents=True, exist_ok=True)

    def write(name: str) -> int:
        data, count = strip(folders[name], size)
        if count:
            _replace(target / f"{name}.webp", data)
        return count

    # Pillow reads, scales and writes without the interpreter's lock, so that threads are enough.
    with ThreadPoolExecutor(min(WORKERS, os.cpu_count() or 1)) as pool:
        try:
            return dict(zip(folders, pool.map(write, folders), strict=True))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def mean_bytes(folders: list[Path], size: Size, sample: int = 32) -> float:
    """The mean size of a strip, by encoding some of them, evenly spaced."""
    chosen = [folders[k * len(folders) // sample] for k in range(sample)] if len(folders) > sample else folders
    return sum(len(strip(folder, size)[0]) for folder in chosen) / max(len(chosen), 1)


def _load(path: Path, side: int) -> Image.Image:
    try:
        with Image.open(path) as stream:
            image = stream.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise StoreError(f"The picture {path} cannot be read ({error}); run that cell again to renew it.") from error
    if max(image.size) > side:
        image = ImageOps.contain(image, (side, side), Image.Resampling.LANCZOS)
    return image


def _replace(path: Path, data: bytes) -> None:
    # In one step, but without waiting for the disk: thousands of syncs would take longer than the pictures.
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
