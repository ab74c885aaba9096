"""Tasks of the procedural object classes (`objects.py`) in the eight renditions that are not photo-like.

Importing this module imports no torch: names and sources of the classes are enough to plan a run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.data.class_files import class_tasks
from harness.data.class_tasks import ClassTask, Split, class_order, split_into

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TRAIN: Final = 32  # images of a class: four of each rendition
TEST: Final = 24  # three of each

# `objects.BENCHMARK_CLASSES`, which pre-training sees as photos only
BENCHMARK: Final = (
    "fish", "mushroom", "tree", "bird", "cat", "rabbit", "butterfly", "snail", "turtle", "duck",
    "flower", "cactus", "apple", "pear", "dog", "mug", "teapot", "house", "guitar", "car",
    "key", "umbrella", "ice cream", "cake", "bottle", "wine glass", "lamp", "chair", "clock", "scissors",
    "hammer", "sailboat", "rocket", "airplane", "bicycle", "hat", "boot", "lighthouse", "balloon", "castle",
)  # fmt: skip
# some of the classes that are for pre-training only
TUNING: Final = ("owl", "crab", "bell", "camera", "helicopter", "tent", "pineapple", "violin", "candle", "anchor")


@cache
def sources_hash() -> str:
    """`objects.objects_hash()`, without importing torch."""
    folder = Path(__file__).parent
    files = [folder / f"{name}.py" for name in ("canvas", "objects", "renditions", "world")]
    shapes = sorted((folder / "shapes").glob("*.py"))
    files += sorted(shapes, key=lambda path: path.name != "__init__.py")  # first, then by name
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@lru_cache(maxsize=256)
def images_of(name: str, split: Split, count: int, seed: int) -> NDArray[np.uint8]:
    """(count, 64, 64, 3), read-only: a class's images, drawn once in a process."""
    from benchmarks.mini.objects import dataset

    images: NDArray[np.uint8] = dataset(split, [name], count, seed)[0]
    images.flags.writeable = False
    return images


@dataclass(frozen=True)
class ObjectImages:
    """The images of some object classes, drawn when asked for: a `ClassImages`."""

    classes: tuple[str, ...]
    train: int = TRAIN
    test: int = TEST
    seed: int = 0

    def __len__(self) -> int:
        return len(self.classes) * self.train

    def labels(self, split: Split) -> NDArray[np.int64]:
        """(n,): 0 for all images of the first class, and so on."""
        import numpy as np

        return np.repeat(np.arange(len(self.classes), dtype=np.int64), self._count(split))

    def image(self, split: Split, index: int) -> NDArray[np.uint8]:
        """(64, 64, 3)."""
        label, place = divmod(index, self._count(split))
        if not 0 <= label < len(self.classes):
            raise IndexError(f"image {index} of {len(self.classes) * self._count(split)}")
        image: NDArray[np.uint8] = images_of(self.classes[label], split, self._count(split), self.seed)[place].copy()
        return image

    def load(self, size: int) -> NDArray[np.uint8]:
        """The training images, (n, size, size, 3); drawn at 64 px, and resized if another size is asked for."""
        import numpy as np
        from PIL import Image

        images = np.concatenate([images_of(name, "train", self.train, self.seed) for name in self.classes])
        if size == images.shape[1]:
            return images
        resized = [Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS) for image in images]
        return np.stack([np.asarray(image) for image in resized])

    def fingerprint(self) -> str:
        """Hash of what determines images, labels and splits: the classes in order, counts, seed, and the sources."""
        text = f"{sources_hash()}/{','.join(self.classes)}/{self.train}/{self.test}/{self.seed}"
        return hashlib.sha256(text.encode()).hexdigest()

    def _count(self, split: Split) -> int:
        return self.train if split == "train" else self.test


@dataclass(frozen=True)
class ObjectClasses:
    """Object classes in `count` tasks: a `ClassList`."""

    classes: tuple[str, ...]
    count: int
    note: str = ""

    def tasks(self) -> Sequence[ClassTask]:
        """All tasks, in the order of `classes`."""
        return self.in_order(0)

    def in_order(self, seed: int) -> Sequence[ClassTask]:
        """All tasks in the class order of a trial."""
        groups = split_into(class_order(len(self.classes), seed), self.count)
        images = [ObjectImages(tuple(self.classes[number] for number in group)) for group in groups]
        return class_tasks(self.classes, groups, images)
