"""Benchmarks over photographs that lie on this machine: one small manifest each says which, where, and with which hash.

`stamina-bench data prepare` writes a manifest; nothing else is written, nothing is copied, and the photographs are only
ever read. Paths in it are relative to the folder of the data set that the user named. A manifest lies in the folder
`$STAMINA_BENCH_DATA_DIR`, by default `stamina-bench` in `$XDG_DATA_HOME` or `~/.local/share`.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from harness.data.images.decoding_versions import image_key
from harness.errors import UsageError
from harness.formats.figure_text import counted
from harness.registry import NAME
from harness.spec import Benchmark, Frozen, Task
from harness.store.store import write_atomically

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.data.selection import PhotoSet

SCHEMA = 1
VARIABLE = "STAMINA_BENCH_DATA_DIR"


def confined(path: str) -> str:
    """A relative path with '/' that stays in its folder, on any system."""
    for kind in (PurePosixPath, PureWindowsPath):
        if kind(path).anchor or ".." in kind(path).parts or not kind(path).parts:
            raise ValueError("a path leads out of its data set's folder")
    return path


class Credit(Frozen):
    """Whom a photograph is owed to, as its data set says; empty where it does not."""

    author: str = ""
    licence: str = ""
    title: str = ""
    url: str = ""


class Photo(Frozen):
    """One photograph: a file, or a row of a table."""

    path: str = Field("", description="under the root of its origin, with '/'; empty: a row of its table")
    row: int | None = Field(None, ge=0, description="of the table's split")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of the encoded image")
    bytes: int = Field(ge=1, description="of the encoded image")
    mtime_ns: int = Field(0, description="the file's modification time; another one makes its hash be taken again")
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    decoding: int | None = Field(None, description="the version since which it is shown as now; null: not looked up")
    credit: Credit | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.row is None) == (not self.path):
            raise ValueError("a photograph has either a path or a row")
        if self.path:
            confined(self.path)
        return self


class DataFile(Frozen):
    """A Parquet file of a table."""

    path: str
    bytes: int = Field(ge=0)

    _stays = field_validator("path")(confined)


class Table(Frozen):
    """Parquet files that hold images as bytes, read by Hugging Face `datasets`."""

    split: str
    column: str = Field(description="the images' column")
    files: tuple[DataFile, ...] = Field(min_length=1)


class Origin(Frozen):
    """A data set that photographs come from, and how they were chosen."""

    title: str
    root: str = Field(description="absolute path of its folder")
    terms: str = Field(description="under which it may be used, in words")
    citation: str = ""
    obtain: str = Field("", description="where it is to be had")
    people: bool = Field(False, description="whether it shows people")
    drawn: str = Field(description="how concepts and images were chosen, in words")
    seed: int = 0
    min_images: int = Field(ge=1)
    images_per_concept: int | None = Field(None, description="null: all")
    hub_id: str = ""
    revision: str = Field("", description="commit of the hub's data set")
    table: Table | None = None

    @field_validator("root")
    @classmethod
    def _absolute(cls, root: str) -> str:
        if not Path(root).is_absolute():
            raise ValueError("a root is an absolute path")
        return root


class Concept(Frozen):
    """One task: its concept as the data set calls it, and its photographs in order."""

    id: str
    name: str = Field(min_length=1)
    category: str = Field(min_length=1)
    origin: str = Field(description="a key of `origins`")
    images: tuple[Photo, ...] = Field(min_length=2)

    @field_validator("id", "name", "category")
    @classmethod
    def _printable(cls, text: str) -> str:
        if not text.isprintable():
            raise ValueError("a name has unprintable characters")
        return text


class Manifest(Frozen):
    """A prepared benchmark, `NAME.json`."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=f"^{NAME.pattern}$")
    origins: Mapping[str, Origin]
    tasks: tuple[Concept, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _origins_are_there(self) -> Self:
        for task in self.tasks:
            if task.origin not in self.origins:
                raise ValueError(f"origin '{task.origin}' is not described")
            if any(photo.row is not None for photo in task.images) and self.origins[task.origin].table is None:
                raise ValueError(f"origin '{task.origin}' has no table")
        return self

    @property
    def images(self) -> int:
        """How many photographs all tasks have together."""
        return sum(len(task.images) for task in self.tasks)


def data_folder(folder: Path | None = None) -> Path:
    """The folder of the manifests; it need not exist."""
    if folder is not None:
        return folder.expanduser()
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE]).expanduser()
    shared = os.environ.get("XDG_DATA_HOME", "")
    # the XDG specification: a relative path is invalid, to be ignored
    home = Path(shared) if Path(shared).is_absolute() else Path.home() / ".local" / "share"
    return home / "stamina-bench"


def checked_name(name: str) -> str:
    """The name of a prepared benchmark.

    Raises:
        UsageError: it cannot be one.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"'{name}' cannot name a benchmark; use up to 80 letters, digits, '.', '_', '+' or '-'.")
    return name


def manifest_path(name: str, folder: Path | None = None) -> Path:
    """Where the manifest of that name lies, or would."""
    return data_folder(folder) / f"{checked_name(name)}.json"


def prepared_names(folder: Path | None = None) -> list[str]:
    """Every name with a manifest, whole or damaged, in alphabetical order."""
    place = data_folder(folder)
    found = place.glob("*.json") if place.is_dir() else ()
    return sorted(path.stem for path in found if NAME.fullmatch(path.stem))


def read_manifest(name: str, folder: Path | None = None) -> Manifest | None:
    """A prepared benchmark, or None if nothing of that name is prepared.

    Raises:
        UsageError: its manifest is damaged, or of a newer version.
    """
    path = manifest_path(name, folder)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, name) from error
    manifest = parse_manifest(text, path)
    if manifest.name != name:
        raise UsageError(f"{path} describes '{manifest.name}'; give the file that name, or prepare '{name}'.")
    return manifest


def parse_manifest(text: str, path: Path) -> Manifest:
    """A manifest's text.

    Raises:
        UsageError: it is damaged, or of a newer version.
    """
    import json

    try:
        content = json.loads(text)
        if int(content["schema_version"]) > SCHEMA:
            raise UsageError(f"{path} was written by a newer version of stamina-bench; install that one.")
        return Manifest.model_validate(content)
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, path.stem) from error


def write_manifest(manifest: Manifest, folder: Path | None = None) -> Path:
    """Write it in one step, over an earlier one of that name.

    Raises:
        UsageError: the folder cannot be written.
    """
    path = manifest_path(manifest.name, folder)
    try:
        write_atomically(path, manifest.model_dump_json(indent=1, exclude_defaults=False) + "\n")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{path} cannot be written ({reason}); choose another folder with --data-dir.") from error
    return path


def _damaged(path: Path, name: str) -> UsageError:
    return UsageError(f"{path} is damaged; run `stamina-bench data prepare {name} ...` again.")


@dataclass(frozen=True)
class PreparedImages:
    """The photographs of one concept, centre-cropped and resized; only ever read.

    benchmark: the name that prepared them. Every file is checked against the manifest: by size and time when a run is
    planned, by its hash when it is loaded.
    """

    benchmark: str
    origin: Origin
    photos: tuple[Photo, ...]

    def __len__(self) -> int:
        return len(self.photos)

    def fingerprint(self) -> str:
        """Hash of the images' keys (`image_key`), in order; their names and place do not matter.

        Raises:
            UsageError: a file is missing, or changed since it was prepared.
        """
        self.look()
        keys = [image_key(photo.sha256, self._decoding(photo)) for photo in self.photos]
        return hashlib.sha256("\n".join(keys).encode()).hexdigest()

    def _decoding(self, photo: Photo) -> int:
        """The version since which a photograph is shown as now; of an older manifest's, by its header."""
        if photo.decoding is not None:
            return photo.decoding
        from harness.data.images.decoding import decoding_of_image

        return decoding_of_image(io.BytesIO(self._read(photo)), self._where(photo))

    def look(self) -> None:
        """Notice what is missing or changed without reading what seems unchanged.

        Raises:
            UsageError: names the first such file and the remedy.
        """
        root = Path(self.origin.root)
        if self.origin.table is not None:
            for file in self.origin.table.files:
                if self._stat(root / file.path).st_size != file.bytes:
                    raise self._changed(root / file.path)
        for photo in self.photos:
            if photo.path:
                path = root / photo.path
                seen = self._stat(path)
                if seen.st_size != photo.bytes:
                    raise self._changed(path)
                if seen.st_mtime_ns != photo.mtime_ns:
                    self._read(photo)

    def verify(self) -> Iterator[UsageError | None]:
        """Hash every photograph again: for each one None, or what is wrong with it."""
        for photo in self.photos:
            try:
                self._read(photo)
            except UsageError as error:
                yield error
            else:
                yield None

    def load(self, size: int) -> NDArray[np.uint8]:
        """(n, size, size, 3) uint8.

        Raises:
            UsageError: an image is missing, changed since it was prepared, or cannot be decoded.
        """
        import numpy as np

        from harness.data.images.decoding import decode_image

        return np.stack(
            [decode_image(io.BytesIO(self._read(photo)), size, self._where(photo)) for photo in self.photos]
        )

    def names(self) -> Sequence[str]:
        """The files' paths below the data set's folder, or the rows of its table."""
        return [photo.path or f"row {photo.row}" for photo in self.photos]

    def content_keys(self) -> Sequence[str]:
        """The SHA-256 of each encoded image."""
        return [photo.sha256 for photo in self.photos]

    def kin(self) -> Sequence[int]:
        """Of each image, the place of the first of the same bytes; those that only look alike are not known here."""
        keys = self.content_keys()
        return [keys.index(key) for key in keys]

    def only(self, places: Sequence[int]) -> PreparedImages:
        """Some of the photographs."""
        return replace(self, photos=tuple(self.photos[k] for k in places))

    def _read(self, photo: Photo) -> bytes:
        """The encoded image, if it is the one that was prepared."""
        if photo.path:
            path = Path(self.origin.root) / photo.path
            self._stat(path)
            try:
                data = path.read_bytes()
            except OSError as error:
                raise UsageError(f"{path} cannot be read ({error.strerror}); check its permissions.") from error
        else:
            from harness.data.parquet_rows import read_row

            assert self.origin.table is not None  # the manifest's validation
            data = read_row(self.origin, self.origin.table, photo.row or 0)
        if hashlib.sha256(data).hexdigest() != photo.sha256:
            raise self._changed(self._where(photo))
        return data

    def _where(self, photo: Photo) -> str:
        """What to call a photograph in a sentence."""
        if photo.path:
            return str(Path(self.origin.root) / photo.path)
        return f"Row {photo.row} of {self.origin.title}"

    def _stat(self, path: Path) -> os.stat_result:
        try:
            seen = path.stat()
        except OSError as error:
            raise UsageError(
                f"{path} is missing since '{self.benchmark}' was prepared; restore it, or run "
                f"`stamina-bench data prepare {self.benchmark} ...` again."
            ) from error
        if not path.is_file():  # a pipe would be waited for without end
            raise self._changed(path)
        return seen

    def _changed(self, what: object) -> UsageError:
        return UsageError(
            f"{what} changed since '{self.benchmark}' was prepared; restore it, or run "
            f"`stamina-bench data prepare {self.benchmark} ...` again."
        )


@dataclass(frozen=True)
class Part:
    """How many concepts of which data set a benchmark has."""

    photo_set: PhotoSet
    concepts: int


@dataclass(frozen=True)
class PreparedTasks:
    """The tasks of the manifest of that name.

    parts: of which data sets a registered benchmark is prepared; empty for a benchmark of the user's own.
    """

    name: str
    parts: tuple[Part, ...] = ()

    @property
    def photographs(self) -> bool:
        """Whether the images are photographs, which not every tier's model knows."""
        return True

    def tasks(self) -> Sequence[Task]:
        """All tasks, numbered from 1. No photograph is looked at here.

        Raises:
            UsageError: it is not prepared yet, or its manifest is damaged.
        """
        manifest = read_manifest(self.name)
        if manifest is None:
            raise UsageError(
                f"'{self.name}' needs photographs of {self.needs()}, which are not prepared; name their place with "
                f"`{self.command()}`."
            )
        return tasks_of(manifest)

    def needs(self) -> str:
        """The data sets by name."""
        return " and ".join(part.photo_set.title for part in self.parts)

    def command(self) -> str:
        """The command that prepares it."""
        options = " ".join(f"--{part.photo_set.key} DIR" for part in self.parts)
        return f"stamina-bench data prepare {self.name} {options}".rstrip()


@dataclass(frozen=True)
class ManifestTasks:
    """The tasks of a manifest in hand, which lies in no file. `cautions`: sentences on its images."""

    manifest: Manifest
    cautions: tuple[str, ...] = ()

    @property
    def photographs(self) -> bool:
        """Whether the images are photographs, which not every tier's model knows."""
        return True

    def tasks(self) -> Sequence[Task]:
        """All tasks, numbered from 1."""
        return tasks_of(self.manifest)


def tasks_of(manifest: Manifest) -> list[Task]:
    """A manifest's tasks, numbered from 1."""
    return [
        Task(
            index=index, name=task.name, category=task.category,
            images=PreparedImages(manifest.name, manifest.origins[task.origin], task.images),
        )
        for index, task in enumerate(manifest.tasks, 1)
    ]  # fmt: skip


def prepared_benchmark(name: str, tier: str) -> Benchmark | None:
    """A benchmark of the user's own, at any tier, or None if nothing of that name is prepared.

    Raises:
        UsageError: its manifest is damaged.
    """
    manifest = read_manifest(name) if NAME.fullmatch(name) else None
    if manifest is None:
        return None
    titles = " and ".join(origin.title for origin in manifest.origins.values())
    return Benchmark(
        name=name,
        title=f"{counted(len(manifest.tasks), 'concept')} of {titles}",
        summary=f"prepared from {titles}",
        sources={tier: PreparedTasks(name)},
        licence="; ".join(origin.terms for origin in manifest.origins.values()),
        citation="; ".join(origin.citation for origin in manifest.origins.values() if origin.citation),
        tuning=True,  # as with a folder of photographs: whether to compare on them is their owner's choice
    )
