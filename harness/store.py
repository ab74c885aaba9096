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
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
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


def _current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _current_umask()


def _say(message: str) -> None:
    print(message, file=sys.stderr)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def sync(path: Path) -> None:
    """Make a file's bytes, or a folder's names, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file in one step, durably; text as UTF-8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_UMASK)
        os.replace(temporary, path)
        sync(path.parent)
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

    def __init__(self, root: Path, damaged: Callable[[str], None] = _say) -> None:
        """`damaged` is told, in a sentence, of each damaged step."""
        self.root, self.damaged = root, damaged
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

    def _damage(self, folder: Path) -> str | None:
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            files: Mapping[str, Any] = manifest["files"]
            for name, expected in files.items():
                path = folder / name
                if not path.is_file():
                    return f"missing file {name}"
                if path.stat().st_size != expected["bytes"] or hash_file(path) != expected["sha256"]:
                    return f"damaged file {name}"
        except (ValueError, KeyError, TypeError, AttributeError):
            return f"unreadable {MANIFEST}"
        except OSError as error:  # no sign of damage: nothing is moved
            raise StoreError(f"{folder} cannot be read ({(error.strerror or str(error)).lower()}).") from error
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

        Raises:
            StoreError: the step cannot be kept.
        """
        parent = self.folder(key).parent
        try:
            parent.mkdir(parents=True, exist_ok=True)
            # the name says whose it is, so that `sweep` never takes it from a process that lives
            temporary = Path(tempfile.mkdtemp(dir=parent, prefix=f".{platform.node()}-{os.getpid()}-"))
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            yield temporary
            try:
                self._publish(key, recipe, facts or {}, temporary)
            except OSError as error:
                raise self._unwritable(error) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _publish(self, key: str, recipe: Mapping[str, Any], facts: Mapping[str, Any], temporary: Path) -> None:
        target = self.folder(key)
        files = sorted(p for p in temporary.rglob("*") if p.is_file())
        for path in files:
            path.chmod(0o666 & ~_UMASK)
            sync(path)
        listed = {str(p.relative_to(temporary)): {"bytes": p.stat().st_size, "sha256": hash_file(p)} for p in files}
        manifest = {"key": key, "recipe": recipe, "facts": facts, "files": listed}
        write_atomically(temporary / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True) + "\n")
        temporary.chmod(0o777 & ~_UMASK)
        if target.exists() and not (target / MANIFEST).exists():  # the remains of a copy or a deletion broken off
            self._set_aside(target)
        try:
            os.rename(temporary, target)
        except OSError:
            if not (target / MANIFEST).exists():
                raise
        else:
            sync(target.parent)

    def _unwritable(self, error: OSError) -> StoreError:
        reason = (error.strerror or str(error)).lower()
        return StoreError(
            f"The results folder {self.root} cannot be written ({reason}); free space or choose another --output-dir."
        )

    def checkpoint(self, key: str) -> Path:
        """Where a step that is not finished keeps how far it came."""
        return self.root / "checkpoints" / f"{key}.safetensors"

    def sweep(self) -> None:
        """Remove what killed runs left behind: this machine's temporary folders, checkpoints of finished steps."""
        for path in (self.root / "checkpoints").glob("*.safetensors"):
            if (self.folder(path.stem) / MANIFEST).exists():
                path.unlink(missing_ok=True)
        for leftover in (self.root / "steps").glob("*/.*-*"):
            if leftover.parent.is_symlink():  # it would lead out of the store
                continue
            node, _, rest = leftover.name[1:].rpartition("-")[0].rpartition("-")
            if node == platform.node() and rest.isdigit() and not _alive(int(rest)):
                shutil.rmtree(leftover, ignore_errors=True)
