"""Labelled images as a classifier sees them: random crops to learn from, centre crops to test on."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from harness.data.class_tasks import ClassImages, Split
from harness.spec import Recognition

ASPECT = (3 / 4, 4 / 3)  # of a random crop
TRIES = 10  # at a crop that fits into the image
SMALL = 128**2  # pixels; decoding and rescaling smaller images pays for no thread


@dataclass(frozen=True)
class Pixels:
    """The images of one or more tasks, ready for a ViT.

    images: of each task. offsets: what to add to each task's own labels. mean, std: of the checkpoint, per channel.
    """

    images: Sequence[ClassImages]
    offsets: Sequence[int]
    recognition: Recognition
    mean: tuple[float, ...]
    std: tuple[float, ...]
    threads: int = 1

    @cached_property
    def _ends(self) -> dict[Split, list[int]]:
        """Where each task's images end."""
        splits: tuple[Split, ...] = ("train", "test")
        return {split: list(accumulate(len(each.labels(split)) for each in self.images)) for split in splits}

    def labels(self, split: Split) -> Tensor:
        """(n,) int64, task after task."""
        parts = [
            torch.from_numpy(images.labels(split)).long() + offset
            for images, offset in zip(self.images, self.offsets, strict=True)
        ]
        return torch.cat(parts)

    def training(self, rows: Sequence[int], generator: torch.Generator) -> Tensor:
        """Random crops of the given training images, mirrored at times: (B, 3, size, size) float32.

        The draws are one image's after another's, from the (CPU) generator.
        """
        draws = torch.rand(len(rows), 2 * TRIES + 3, generator=generator, dtype=torch.float64)
        size, found = self.recognition.resolution, self._read("train", rows)
        boxes = [
            crop_box(pixels.shape[1], pixels.shape[2], self.recognition.min_crop, own.tolist())
            for pixels, own in zip(found, draws, strict=True)
        ]
        mirrored = (draws[:, -1] < 0.5).tolist() if self.recognition.flip else [False] * len(rows)

        def made(number: int) -> Tensor:
            top, left, height, width = boxes[number]
            cut = found[number][:, top : top + height, left : left + width]
            return _scaled(cut.flip(2) if mirrored[number] else cut, size, size)

        return self._normalised(torch.stack(self._map(made, range(len(rows)), found)))

    def testing(self, rows: Sequence[int], split: Split = "test") -> Tensor:
        """Centre crops of the given images, those of a test unless told otherwise: (B, 3, size, size) float32."""
        size, shorter = self.recognition.resolution, self.recognition.resize
        found = self._read(split, rows)

        def made(number: int) -> Tensor:
            pixels = found[number]
            height, width = pixels.shape[1:]
            least = min(height, width)
            pixels = _scaled(pixels, shorter * height // least, shorter * width // least)  # rounded as torchvision does
            top, left = round((pixels.shape[1] - size) / 2), round((pixels.shape[2] - size) / 2)
            return pixels[:, top : top + size, left : left + size]

        return self._normalised(torch.stack(self._map(made, range(len(rows)), found)))

    def _read(self, split: Split, rows: Sequence[int]) -> list[Tensor]:
        """(3, h, w) uint8 each."""
        ends = self._ends[split]

        def read(row: int) -> Tensor:
            task = bisect_right(ends, row)
            start = ends[task - 1] if task else 0
            return torch.from_numpy(self.images[task].image(split, row - start)).permute(2, 0, 1)

        return self._map(read, rows)

    def _map(
        self, function: Callable[[int], Tensor], items: Sequence[int], found: Sequence[Tensor] = ()
    ) -> list[Tensor]:
        """The function of each item; on several threads, unless the images in hand are small."""
        small = bool(found) and max(pixels[0].numel() for pixels in found) <= SMALL
        if self.threads <= 1 or small:
            return [function(item) for item in items]
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(function, items))

    def _normalised(self, pixels: Tensor) -> Tensor:
        if not self.recognition.normalise:
            return pixels
        mean, std = (torch.tensor(each)[:, None, None] for each in (self.mean, self.std))
        return (pixels - mean) / std


def crop_box(height: int, width: int, least: float, draws: Sequence[float]) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random crop: area uniform in [least, 1] of the image, log-uniform aspect.

    As torchvision's RandomResizedCrop, from given draws: after ten crops that do not fit, the largest central one of a
    permitted aspect.

    Args:
        draws: 2 TRIES + 2 numbers in [0, 1), for area and aspect of each try, then for the place.
    """
    low, high = (math.log(each) for each in ASPECT)
    down, right = draws[2 * TRIES], draws[2 * TRIES + 1]
    for attempt in range(TRIES):
        area = height * width * (least + (1 - least) * draws[2 * attempt])
        aspect = math.exp(low + (high - low) * draws[2 * attempt + 1])
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return int(down * (height - h + 1)), int(right * (width - w + 1)), h, w
    w, h = width, height
    if width / height < ASPECT[0]:
        h = round(width / ASPECT[0])
    elif width / height > ASPECT[1]:
        w = round(height * ASPECT[1])
    return (height - h) // 2, (width - w) // 2, h, w


def _scaled(pixels: Tensor, height: int, width: int) -> Tensor:
    """(3, h, w) uint8 to (3, height, width) float32 in [0, 1], bilinear, antialiased where it shrinks."""
    scaled = pixels[None].float() / 255
    if pixels.shape[1:] != (height, width):
        scaled = interpolate(scaled, (height, width), mode="bilinear", antialias=True, align_corners=False)
    return scaled[0]
