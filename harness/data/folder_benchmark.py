"""A folder of the user's own photographs as a benchmark: one sub-folder per concept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data.concept_folder import Concept, Reading, benchmark_name, checked, name_of, read_photos
from harness.data.images.decoding import content_hash, decoding_of, load_image
from harness.data.images.decoding_versions import image_key
from harness.data.moments import moments
from harness.data.selection import Watch, unwatched
from harness.formats.figure_text import counted
from harness.spec import Benchmark, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class PhotoImages:
    """The photographs of one concept, centre-cropped and resized; only ever read."""

    concept: Concept
    alike: tuple[tuple[Path, Path], ...] = ()  # those that look like each other
    taken: Mapping[Path, float | None] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.concept.images)

    def fingerprint(self) -> str:
        """Hash of the images' keys (`image_key`), in order; the files' names and place do not matter."""
        keys = [image_key(content_hash(path), decoding_of(path)) for path in self.concept.images]
        return hashlib.sha256("\n".join(keys).encode()).hexdigest()

    def load(self, size: int) -> NDArray[np.uint8]:
        """(n, size, size, 3) uint8."""
        import numpy as np

        return np.stack([load_image(path, size) for path in self.concept.images])

    def names(self) -> Sequence[str]:
        """The files' names."""
        return [path.name for path in self.concept.images]

    def content_keys(self) -> Sequence[str]:
        """The files' SHA-256."""
        return [content_hash(path) for path in self.concept.images]

    def kin(self) -> Sequence[int]:
        """Of each file, the place of the first of those that look alike, by way of others, too."""
        of = list(range(len(self)))
        place = {path: number for number, path in enumerate(self.concept.images)}
        for path, other in self.alike:
            old, new = sorted((of[place[path]], of[place[other]]), reverse=True)
            of = [new if number == old else number for number in of]
        return of

    def moments(self) -> Sequence[int]:
        """Of each file, the place of the first that was taken at the same moment."""
        first = moments({path: self.taken.get(path) for path in self.concept.images})
        return [self.concept.images.index(first[path]) for path in self.concept.images]

    def only(self, places: Sequence[int]) -> PhotoImages:
        """Some of the photographs."""
        return replace(
            self, concept=replace(self.concept, images=tuple(self.concept.images[k] for k in places)), alike=()
        )


@dataclass(frozen=True)
class PhotoTasks:
    """The concepts as tasks, in the order of their folders' names."""

    reading: Reading

    @property
    def photographs(self) -> bool:
        """Whether the images are photographs, which not every tier's model knows."""
        return True

    @property
    def cautions(self) -> tuple[str, ...]:
        """What a reader of the figures must know of the images, in whole sentences."""
        return self.reading.cautions

    def tasks(self) -> Sequence[Task]:
        """All tasks, numbered from 1."""
        return [
            Task(
                index=index, name=concept.name, category=concept.category,
                images=PhotoImages(concept, self._alike(concept), self.reading.taken),
            )
            for index, concept in enumerate(self.reading.concepts, 1)
        ]  # fmt: skip

    def _alike(self, concept: Concept) -> tuple[tuple[Path, Path], ...]:
        named = {f"{concept.name}/{path.name}": path for path in concept.images}
        pairs = (pair for pair in self.reading.looks_like if all(name in named for name in pair))
        return tuple((named[name], named[first]) for name, first in pairs)


def photo_benchmark(folder: Path, tier: str, watch: Watch = unwatched, min_side: int | None = None) -> Benchmark:
    """The benchmark that a folder of photographs is, at any tier.

    Args:
        watch: shows how far the reading is. min_side: pixels that an image's shorter side needs; None
            for the decoder's default.

    Raises:
        UsageError: the folder, one of its sub-folders or one of its images cannot be used; every image is opened first.
    """
    reading = checked(read_photos(folder), watch, min_side)
    return Benchmark(
        name=benchmark_name(folder),
        title=f"{counted(len(reading.concepts), 'concept')} of {name_of(folder)}",
        summary="the user's own photographs",
        sources={tier: PhotoTasks(reading)},
        tuning=True,  # whether to compare methods on the same photographs is their owner's choice
    )
