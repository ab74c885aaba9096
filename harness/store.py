"""The folder in which every step's result is kept, under a key made of all that it depends on.

Guarantees:
- A step exists if and only if its folder does: files are written and synced in a temporary folder beside it, the
  manifest last, and one rename makes it visible. A killed run leaves at most a temporary folder.
- A committed step is never written to again. If two processes make the same step, the first one's stays.
- Every file's size and SHA-256 stand in the manifest. A damaged step is named, moved aside and made again.

Trade-off accepted: each commit costs a few fsyncs (milliseconds), whatever the size of the step.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import StoreError

MANIFEST = "manifest.json"


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces and no NaN: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def key_of(recipe: Mapping[str, Any]) -> str:
    """The key of a step: SHA-256 of its recipe's canonical JSON."""
    return hashlib.sha256(canonical_json(recipe).encode()).hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomically(path: Path, text: str) -> None:
    """Replace a small text file in one step, durably."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        _sync(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@dataclass(frozen=True)
class Entry:
    """A committed step: its folder and its manifest."""

    folder: Path
    manifest: Mapping[str, Any]

    def file(self, name: str) -> Path:
        """The path of one of its files."""
        if name not in self.manifest["files"]:
            raise StoreError(f"{self.folder} holds no file '{name}'; delete that folder and run again.")
        return self.folder / name

    def json(self, name: str) -> Any:
        """One of its JSON files, parsed."""
        return json.loads(self.file(name).read_text(encoding="utf-8"))


class Store:
    """`root/steps/ab/abcdef...`: one folder a step."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._verified: dict[str, Entry] = {}

    def prepare(self) -> None:
        """Create the store and make sure that it can be written.

        Raises:
            StoreError: it cannot, said before any work is done.
        """
        try:
            (self.root / "steps").mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root / "steps") as stream:
                stream.write(b"writable")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StoreError(
                f"The results folder {self.root} cannot be written ({reason}); choose another one with --output-dir."
            ) from None

    def folder(self, key: str) -> Path:
        """Where the step of that key lies, or would lie."""
        return self.root / "steps" / key[:2] / key

    def get(self, key: str) -> Entry | None:
        """The step, verified, or None if there is none. A damaged one is moved aside and counts as absent."""
        if key in self._verified:
            return self._verified[key]
        folder = self.folder(key)
        if not (folder / MANIFEST).exists():
            return None
        damage = self._damage(folder)
        if damage:
            self._set_aside(folder)
            self.damaged(f"{damage} in {folder}; it will be made again")
            return None
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        self._verified[key] = Entry(folder, manifest)
        return self._verified[key]

    def open(self, key: str) -> Entry:
        """The step of that key.

        Raises:
            StoreError: there is none.
        """
        entry = self.get(key)
        if entry is None:
            raise StoreError(f"Step {key[:12]} is missing from {self.root}; run the same command again to make it.")
        return entry

    def damaged(self, message: str) -> None:
        """Called with a sentence on each damaged step; replaced by the runner to show it."""
        import warnings

        warnings.warn(message, stacklevel=3)

    @staticmethod
    def _damage(folder: Path) -> str | None:
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            files: Mapping[str, Any] = manifest["files"]
            for name, expected in files.items():
                path = folder / name
                if not path.is_file():
                    return f"missing file {name}"
                if path.stat().st_size != expected["bytes"] or hash_file(path) != expected["sha256"]:
                    return f"damaged file {name}"
        except (OSError, ValueError, KeyError, TypeError):
            return f"unreadable {MANIFEST}"
        return None

    def _set_aside(self, folder: Path) -> None:
        aside = self.root / "damaged"
        aside.mkdir(exist_ok=True)
        os.replace(folder, aside / f"{folder.name}-{time.time_ns()}")

    @contextmanager
    def commit(self, key: str, recipe: Mapping[str, Any], facts: Mapping[str, Any] | None = None) -> Iterator[Path]:
        """Write a step: fill the folder that this yields; on a clean exit it becomes the step, else it vanishes.

        Args:
            key: the step's key; recipe: what it was computed from, kept in the manifest.
            facts: what else to keep in the manifest (versions, seconds); may be filled while the step is written.
        """
        parent = self.folder(key).parent
        parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=parent, prefix=f".{key[:12]}-"))
        try:
            yield temporary
            files = sorted(p for p in temporary.rglob("*") if p.is_file())
            for path in files:
                _sync(path)
            manifest = {
                "key": key,
                "recipe": recipe,
                "facts": facts or {},
                "files": {
                    str(p.relative_to(temporary)): {"bytes": p.stat().st_size, "sha256": hash_file(p)} for p in files
                },
            }
            write_atomically(temporary / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True) + "\n")
            try:
                os.rename(temporary, self.folder(key))
            except OSError:
                if not (self.folder(key) / MANIFEST).exists():
                    raise
            else:
                _sync(parent)
        except OSError as error:
            raise StoreError(f"The results folder {self.root} cannot be written ({error.strerror}).") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def sweep(self, older_than_s: float = 3600.0) -> None:
        """Remove temporary folders that killed runs left behind."""
        for leftover in (self.root / "steps").glob("*/.*-*"):
            if time.time() - leftover.stat().st_mtime > older_than_s:
                shutil.rmtree(leftover, ignore_errors=True)
