"""Classification benchmarks over a published data set on this machine: a manifest says which files, where, which hash.

As with `manifest.py`, `stamina-bench data prepare` writes the manifest and nothing else; the images are only read. It
lies at `classes/NAME.json` in the folder of the manifests.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, Protocol, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from harness.data.class_files import ClassFile, FileClass, FileImages, drawn_split, examine, file_tasks
from harness.data.class_tasks import ClassTask, class_order, split_into
from harness.data.manifest import checked_name, confined, data_folder
from harness.data.selection import Published, Watch, unwatched
from harness.errors import UsageError, presentable
from harness.registry import NAME
from harness.spec import Frozen
from harness.store.store import write_atomically

SCHEMA = 1
FOLDER = "classes"  # in the folder of the manifests


class ListedFile(Frozen):
    """An image: a file under the manifest's root."""

    path: str = Field(description="with '/'")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=1)
    mtime_ns: int = Field(description="the file's modification time; another one makes its hash be taken again")
    decoding: int | None = Field(None, description="the version since which it is shown as now; null: not looked up")

    _stays = field_validator("path")(confined)


class ListedClass(Frozen):
    """A class: its id in the data set, its name, and its images in the order of their hashes."""

    id: str
    name: str = Field(min_length=1)
    train: tuple[ListedFile, ...] = Field(min_length=1)
    test: tuple[ListedFile, ...] = Field(min_length=1)

    @field_validator("id", "name")
    @classmethod
    def _printable(cls, text: str) -> str:
        if not text.isprintable():
            raise ValueError("a name has unprintable characters")
        return text


class ClassManifest(Frozen):
    """A prepared classification benchmark; class k of it has the label k."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=f"^{NAME.pattern}$")
    title: str = Field(description="the data set")
    root: str = Field(description="absolute path of its folder")
    terms: str
    citation: str = ""
    split: str = Field(description="which images are for testing, in words")
    note: str = Field("", description="what a reader of results must know of the split; empty for the published one")
    classes: tuple[ListedClass, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if not Path(self.root).is_absolute():
            raise ValueError("a root is an absolute path")
        paths = [file.path for one in self.classes for file in (*one.train, *one.test)]
        if len(set(paths)) != len(paths):
            raise ValueError("an image is listed twice")
        if len({one.name for one in self.classes}) != len(self.classes):
            raise ValueError("two classes have one name")
        return self

    @property
    def images(self) -> int:
        """How many images all classes have together."""
        return sum(len(one.train) + len(one.test) for one in self.classes)

    def file_classes(self) -> tuple[FileClass, ...]:
        """The classes with absolute paths, by label."""

        def located(files: Sequence[ListedFile]) -> tuple[ClassFile, ...]:
            return tuple(
                ClassFile(os.path.join(self.root, f.path), f.sha256, f.bytes, f.mtime_ns, f.decoding) for f in files
            )

        return tuple(FileClass(one.name, located(one.train), located(one.test)) for one in self.classes)

    def verify(self) -> Iterator[UsageError | None]:
        """Read and hash every image again: for each one None, or what is wrong with it."""
        yield from FileImages(self.file_classes(), _again(self.name)).verify()


@dataclass(frozen=True)
class FoundClass:
    """A class in a copy of a data set: paths under its root, with '/'. Without `test`, the split is to be drawn."""

    id: str
    name: str
    train: tuple[str, ...]
    test: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """What a copy of a data set holds: classes by label, and in words how it is split."""

    root: Path
    classes: tuple[FoundClass, ...]
    split: str
    note: str = ""


class ClassSet(Published, Protocol):
    """A published data set of classes in its own file format."""

    def find(self, root: Path, lists: Path | None) -> Found:
        """Read its tree, and its lists if they are there (or in `lists`).

        Raises:
            UsageError: the folder is not a whole copy of the data set; the sentence says what to do.
        """
        ...


@dataclass(frozen=True)
class PreparedClasses:
    """The classes of the manifest of that name in `count` tasks: a `ClassList`."""

    name: str
    of: ClassSet
    count: int

    @property
    def photographs(self) -> bool:
        """Whether the images are photographs, which not every tier's model knows."""
        return True

    @property
    def note(self) -> str:
        """What a reader must know of the split; empty if it is not prepared."""
        try:
            manifest = read_class_manifest(self.name)
        except UsageError:
            return ""
        return manifest.note if manifest is not None else ""

    def tasks(self) -> Sequence[ClassTask]:
        """All tasks in the order of the labels; raises as `in_order`."""
        return self.in_order(0)

    def in_order(self, seed: int) -> Sequence[ClassTask]:
        """All tasks in the class order of a trial. No image is looked at here.

        Raises:
            UsageError: it is not prepared yet, or its manifest is damaged or has too few classes.
        """
        manifest = read_class_manifest(self.name)
        if manifest is None:
            raise UsageError(
                f"'{self.name}' needs the images of {self.of.title}, which are not prepared; name their place with "
                f"`{self.command()}`."
            )
        classes = manifest.file_classes()
        if len(classes) < self.count:
            raise _damaged(manifest_path(self.name), self.name)
        return file_tasks(classes, split_into(class_order(len(classes), seed), self.count), _again(self.name))

    def command(self) -> str:
        """The command that prepares it."""
        return f"stamina-bench data prepare {self.name} --{self.of.key} DIR"


def prepare_classes(
    source: PreparedClasses, root: Path, lists: Path | None = None, watch: Watch = unwatched,
    notes: list[str] | None = None,
) -> ClassManifest:  # fmt: skip
    """The manifest of a benchmark: every image of a copy of its data set hashed and decoded once.

    Args:
        root: the data set's folder. lists: folder of its lists, if they are not where `source.of` looks. notes: takes
            what is odd about images, in sentences.

    Raises:
        UsageError: the folder is no whole copy, has fewer classes than the benchmark has tasks, or an image cannot be
            used.
    """
    found = source.of.find(root, lists)
    if len(found.classes) < source.count:
        raise UsageError(
            f"{found.root} has {len(found.classes)} classes, and '{source.name}' has {source.count} tasks; use a whole "
            f"copy of {source.of.title}."
        )
    place = found.root.resolve()
    paths = [path for one in found.classes for path in (*one.train, *one.test)]
    files = {
        path: examine(place / confined(path))
        for path in watch(paths, f"reading images of {source.of.title}", len(paths))
    }
    if notes is not None:
        notes += [text for file in files.values() for text in file.notes]

    def listed(some: Sequence[ClassFile]) -> tuple[ListedFile, ...]:
        return tuple(
            ListedFile(
                path=Path(file.path).relative_to(place).as_posix(), sha256=file.sha256, bytes=file.size,
                mtime_ns=file.mtime_ns, decoding=file.decoding,
            )
            for file in sorted(some, key=lambda file: (file.sha256, file.path))
        )  # fmt: skip

    classes: list[ListedClass] = []
    names = [one.name for one in found.classes]
    for one in found.classes:
        train, test = [files[path] for path in one.train], [files[path] for path in one.test]
        if not test:
            train, test = map(list, drawn_split(train, str(found.root / one.id)))
        name = one.name if names.count(one.name) == 1 else f"{one.name} ({one.id})"
        classes.append(ListedClass(id=one.id, name=presentable(name), train=listed(train), test=listed(test)))
    return ClassManifest(
        name=source.name, title=source.of.title, root=str(place), terms=source.of.terms, citation=source.of.citation,
        split=found.split, note=found.note, classes=tuple(classes),
    )  # fmt: skip


def manifest_path(name: str, folder: Path | None = None) -> Path:
    """Where the manifest of that name lies, or would."""
    return data_folder(folder) / FOLDER / f"{checked_name(name)}.json"


def read_class_manifest(name: str, folder: Path | None = None) -> ClassManifest | None:
    """A prepared classification benchmark, or None if nothing of that name is prepared.

    Raises:
        UsageError: its manifest is damaged, or of a newer version.
    """
    path = manifest_path(name, folder)
    try:
        seen = path.stat()
        return _read(path, name, (seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _damaged(path, name) from error


@lru_cache(maxsize=4)  # tens of thousands of files: a second to read
def _read(path: Path, name: str, _: tuple[int, int, int]) -> ClassManifest:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if int(content["schema_version"]) > SCHEMA:
            raise UsageError(f"{path} was written by a newer version of stamina-bench; install that one.")
        manifest = ClassManifest.model_validate(content)
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, name) from error
    if manifest.name != name:
        raise UsageError(f"{path} describes '{manifest.name}'; give the file that name, or prepare '{name}'.")
    return manifest


def write_class_manifest(manifest: ClassManifest, folder: Path | None = None) -> Path:
    """Write it in one step, over an earlier one of that name.

    Raises:
        UsageError: the folder cannot be written.
    """
    path = manifest_path(manifest.name, folder)
    try:
        write_atomically(path, manifest.model_dump_json(indent=1) + "\n")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{path} cannot be written ({reason}); choose another folder with --data-dir.") from error
    return path


def _again(name: str) -> str:
    return f"restore it, or run `stamina-bench data prepare {name} ...` again"


def _damaged(path: Path, name: str) -> UsageError:
    return UsageError(f"{path} is damaged; run `stamina-bench data prepare {name} ...` again.")
