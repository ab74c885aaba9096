"""Image sets in a step's folder: 00.png, 01.png, ... Lossless, and readable without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def save_images(images: NDArray[np.uint8], folder: Path) -> None:
    """Write (n, h, w, 3) uint8 RGB images into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{index:02d}.png", compress_level=1)


def load_images(folder: Path) -> NDArray[np.uint8]:
    """The (n, h, w, 3) uint8 RGB images of `folder`, in order."""
    paths = sorted(folder.glob("*.png"), key=lambda p: int(p.stem))
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
