"""Labelled image files as the images of classes: hashed once in a process, decoded when asked for, never written.

Within a class, images are in the order of their content's hash, so that neither a file's name nor its place changes a
result.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data.class_tasks import ClassImages, ClassTask, Split
from harness.data.images.decoding_versions import image_key
from harness.data.masks import Toned
from harness.errors import UsageError
from harness.seeds import derive_seed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAMED = 3  # classes that a task's name spells out
SHARE = 5  # one image of so many is a test image where nobody says which

Stamp = tuple[int, int, int]  # a file's size and both its times

# of this process, by path: SHA-256; and with the least side, what was found
_hashes: dict[str, tuple[Stamp, str]] = {}
_examined: dict[tuple[str, int], tuple[Stamp, ClassFile]] = {}


@dataclass(frozen=True)
class ClassFile:
    """An image's file as it was when it was listed: absolute path, hash and size of its bytes, modification time.

    decoding: the version of the decoding since which it is shown as now; None: not looked up. notes: what its owner
    should know of it, in sentences. thumbnail, sketch, overview: those of `Examined`; empty if it was not looked at.
    toned: its stored size and tones, if it was looked at. taken: when it was taken, if that was found.
    """

    path: str
    sha256: str
    size: int
    mtime_ns: int
    decoding: int | None = 1
    notes: tuple[str, ...] = field(default=(), compare=False)
    thumbnail: bytes = field(default=b"", compare=False, repr=False)
    sketch: bytes = field(default=b"", compare=False, repr=False)
    toned: Toned | None = field(default=None, compare=False, repr=False)
    overview: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)
    taken: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class FileClass:
    """A class: its name, and its images of each split in the order of their hashes."""

    name: str
    train: tuple[ClassFile, ...]
    test: tuple[ClassFile, ...]

    def files(self, split: Split) -> tuple[ClassFile, ...]:
        """Its images of one split."""
        return self.train if split == "train" else self.test


@dataclass(frozen=True)
class FileImages:
    """A task's images, class after class: a `ClassImages`.

    remedy: what to do when a file is no longer as it was listed, as the end of a sentence.
    """

    classes: tuple[FileClass, ...]
    remedy: str

    def __len__(self) -> int:
        return sum(len(one.train) for one in self.classes)

    def labels(self, split: Split) -> NDArray[np.int64]:
        """(n,): of each image, which of the classes it shows, counted from 0."""
        import numpy as np

        return np.repeat(np.arange(len(self.classes), dtype=np.int64), [len(one.files(split)) for one in self.classes])

    def image(self, split: Split, index: int) -> NDArray[np.uint8]:
        """(h, w, 3) RGB, upright, at its own size.

        Raises:
            UsageError: the file is missing, changed since it was listed, or cannot be decoded.
        """
        from harness.data.images.decoding import decode_whole

        file = self._file(split, index)
        return decode_whole(io.BytesIO(self._read(file)), file.path)

    def load(self, size: int) -> NDArray[np.uint8]:
        """The training images' central squares, (n, size, size, 3); errors as of `image`."""
        import numpy as np

        from harness.data.images.decoding import decode_image

        files = [file for one in self.classes for file in one.train]
        return np.stack([decode_image(io.BytesIO(self._read(file)), size, file.path) for file in files])

    def fingerprint(self) -> str:
        """Hash of every image's key (`image_key`), label and split; names and places of files do not matter.

        Raises:
            UsageError: a file is missing, or changed since it was listed.
        """
        self.look()
        lines = "\n".join(
            f"{split} {label} {image_key(file.sha256, self._decoding(file))}" for split, label, file in self._all()
        )
        return hashlib.sha256(lines.encode()).hexdigest()

    def _decoding(self, file: ClassFile) -> int:
        """The version since which an image is shown as now; of an older manifest's, by its header."""
        return _looked_up(file.path, file.sha256) if file.decoding is None else file.decoding

    def look(self) -> None:
        """Notice what is missing or changed without reading what seems unchanged; raises as `fingerprint`."""
        for _, _, file in self._all():
            self._look(file)

    def verify(self) -> Iterator[UsageError | None]:
        """Read and hash every file again: for each one None, or what is wrong with it."""
        for _, _, file in self._all():
            try:
                self._read(file)
            except UsageError as error:
                yield error
            else:
                yield None

    def _all(self) -> Iterator[tuple[Split, int, ClassFile]]:
        splits: tuple[Split, ...] = ("train", "test")
        for split in splits:
            for label, one in enumerate(self.classes):
                for file in one.files(split):
                    yield split, label, file

    def _file(self, split: Split, index: int) -> ClassFile:
        place = index
        for one in self.classes:
            files = one.files(split)
            if 0 <= place < len(files):
                return files[place]
            place -= len(files)
        raise IndexError(f"image {index} of {len(self.labels(split))}")

    def _look(self, file: ClassFile) -> None:
        """Notice a file that is missing or changed; one of the same size and time is not read."""
        try:
            seen = os.stat(file.path)
        except OSError as error:
            raise self._missing(file) from error
        if seen.st_size != file.size or (seen.st_mtime_ns != file.mtime_ns and hash_of(file.path) != file.sha256):
            raise self._changed(file)

    def _read(self, file: ClassFile) -> bytes:
        """The encoded image, if it is the one that was listed."""
        try:
            data = read_file(file.path)
        except FileNotFoundError as error:
            raise self._missing(file) from error
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise self._changed(file)
        return data

    def _missing(self, file: ClassFile) -> UsageError:
        return UsageError(f"{file.path} is missing since it was listed; {self.remedy}.")

    def _changed(self, file: ClassFile) -> UsageError:
        return UsageError(f"{file.path} changed since it was listed; {self.remedy}.")


def read_file(path: str) -> bytes:
    """A plain file's bytes.

    Raises:
        FileNotFoundError: there is none.
        UsageError: it cannot be read, or is no plain file; a pipe would be waited for without end.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise UsageError(f"{path} is not a file; give an image file.")
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror or error}); check its permissions.") from error


def examine(path: Path, min_side: int | None = None) -> ClassFile:
    """An image's file, hashed and decoded once, then known by its size and both times while the process lasts.

    Args:
        min_side: the fewest pixels that its shorter side may have; None for the decoder's default.

    Raises:
        UsageError: it is missing, unreadable, damaged, too small or no image.
    """
    from harness.data.images.decoding import MIN_SIDE, examine_image

    least = MIN_SIDE if min_side is None else min_side
    place = os.path.abspath(path)
    try:
        seen, _ = _known(place)
        known = _examined.get((place, least))
        if known is None or known[0] != _stamp(seen):
            data = read_file(place)
            found = examine_image(io.BytesIO(data), path, least)
            digest = _remember(place, seen, data)
            file = ClassFile(
                place, digest, seen.st_size, seen.st_mtime_ns, found.decoding, found.notes, found.thumbnail,
                found.sketch, Toned.of(found), found.overview, found.taken,
            )  # fmt: skip
            known = _examined[place, least] = _stamp(seen), file
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist or is a broken link; restore or remove it.") from error
    return known[1]


def hash_of(path: str) -> str:
    """SHA-256 of a file's bytes, remembered by its size and both times; raises as `read_file`."""
    seen, known = _known(path)
    return known if known is not None else _remember(path, seen, read_file(path))


def _known(path: str) -> tuple[os.stat_result, str | None]:
    try:
        seen = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror or error}); check its permissions.") from error
    stamp, digest = _hashes.get(path, (None, None))
    return seen, digest if stamp == _stamp(seen) else None


def _remember(path: str, seen: os.stat_result, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    _hashes[path] = _stamp(seen), digest
    return digest


def _stamp(seen: os.stat_result) -> Stamp:
    return seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns


@lru_cache(maxsize=1 << 16)
def _looked_up(path: str, sha256: str) -> int:
    """The version of the decoding since which the file with these bytes is shown as now."""
    from harness.data.images.decoding import decoding_of

    return decoding_of(Path(path))


def by_hash(files: Sequence[ClassFile]) -> tuple[ClassFile, ...]:
    """The files in the order of their content's hash."""
    return tuple(sorted(files, key=lambda file: (file.sha256, file.path)))


def pictures_of(files: Sequence[ClassFile]) -> dict[str, str]:
    """Of each file, by its path, what all files of one picture have in common, however they were saved.

    That is the hash of its bytes where no other file holds its pixels, and the first of the hashes where some do.

    Raises:
        UsageError: a file cannot be read any more.
    """
    from harness.data.duplicates import same_pictures

    digests = {file.path: file.sha256 for file in files}
    once = {file.sha256: file for file in files if file.thumbnail}  # copies of the same bytes need no look
    groups = same_pictures({Path(file.path): file.thumbnail for file in once.values()})
    first = {digests[str(path)]: min(digests[str(one)] for one in group) for group in groups for path in group}
    return {path: first.get(digest, digest) for path, digest in digests.items()}


def drawn_split(files: Sequence[ClassFile], name: str) -> tuple[tuple[ClassFile, ...], tuple[ClassFile, ...]]:
    """A class's images for training and for testing: for testing a fifth of the distinct ones, at least one.

    The draw depends on the images' content alone. Copies of an image stay on one side, also those of its pixels
    in another format.

    Args:
        name: what errors call the class.

    Raises:
        UsageError: there is one image, or copies of one.
    """
    if len(files) < 2:
        raise UsageError(f"{name} has only one image; add more, for training and for testing.")
    pictures = pictures_of(files)
    distinct = sorted(set(pictures.values()), key=lambda digest: derive_seed("test image", digest))
    if len(distinct) < 2:
        raise UsageError(f"All images of {name} are the same; add others, for training and for testing.")
    tests = set(distinct[: max(1, round(len(distinct) / SHARE))])
    return (
        by_hash([file for file in files if pictures[file.path] not in tests]),
        by_hash([file for file in files if pictures[file.path] in tests]),
    )


def file_tasks(classes: Sequence[FileClass], groups: Sequence[Sequence[int]], remedy: str) -> list[ClassTask]:
    """A task for each group of positions in `classes`."""
    return class_tasks(
        [one.name for one in classes],
        groups,
        [FileImages(tuple(classes[number] for number in group), remedy) for group in groups],
    )


def class_tasks(
    names: Sequence[str], groups: Sequence[Sequence[int]], images: Sequence[ClassImages]
) -> list[ClassTask]:
    """Tasks numbered from 1, each with a name of its own: up to three classes in full, else the first two and a count.

    Args:
        names: of all classes. groups: of each task, its classes' positions in `names`. images: of each task.
    """
    tasks: list[ClassTask] = []
    taken: set[str] = set()
    for index, (group, some) in enumerate(zip(groups, images, strict=True), 1):
        classes = tuple(names[number] for number in group)
        short = len(classes) <= NAMED
        name = ", ".join(classes) if short else f"{classes[0]}, {classes[1]}, ... ({len(classes)})"
        name = name if name not in taken else f"{name} (task {index})"
        taken.add(name)
        tasks.append(
            ClassTask(
                index=index, name=name, category=", ".join(classes), images=some, classes=classes, numbers=tuple(group)
            )
        )
    return tasks
