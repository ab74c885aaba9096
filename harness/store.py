"""The folder in which every step's result is kept, under a key made of all that it depends on.

Guarantees:
- A step exists if and only if its folder does: files are written and synced in a temporary folder beside it, the
  manifest last, and one rename makes it visible. A killed run leaves at most a temporary folder.
- A committed step is never written to again. Who makes a step holds its lock; another process waits, and finds it made.
  Where the file system has no locks, both make it, and the first one's stays.
- Every file's size and SHA-256 stand in the manifest, and its own. A damaged step is named, moved aside and made again.
- No clock is asked: a step is what its key says, however old its files claim to be.

Trade-off accepted: each commit costs a few fsyncs (milliseconds), whatever the size of the step.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from harness.errors import StoreError, UnwritableError

MANIFEST = "manifest.json"
# the folder's or the disk's fault, not that of the code that writes
FOLDER_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}  # some network file systems
LOCK_POLL_S = 0.1


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces and no NaN: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def key_of(recipe: Mapping[str, Any]) -> str:
    """The key of a step: SHA-256 of its recipe's canonical JSON."""
    return hashlib.sha256(canonical_json(recipe).encode()).hexdigest()


def intact(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest is as it was written; those of early versions had no checksum of their own."""
    return manifest.get("sha256") in (None, _checksum(manifest))


def _checksum(manifest: Mapping[str, Any]) -> str:
    return key_of({name: value for name, value in manifest.items() if name != "sha256"})


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


def folder_error(error: BaseException) -> str | None:
    """'no space left on device', say, where an error is the folder's or the disk's fault; else None."""
    number = error.errno if isinstance(error, OSError) else None
    # what writes safetensors wraps the system's error in its own, and keeps the number in the text
    if number is None and type(error).__name__ == "SafetensorError":
        found = re.search(r"os error (\d+)", str(error))
        number = int(found[1]) if found else None
    return os.strerror(number).lower() if number in FOLDER_ERRORS else None


def set_aside(folder: Path, root: Path) -> Path:
    """An empty folder in `root`/damaged, for what is damaged in `folder`.

    Raises:
        StoreError: `damaged` is a link, which could lead anywhere. OSError: it cannot be written.
    """
    aside = root / "damaged"
    if aside.is_symlink():
        raise StoreError(f"{aside} is a symbolic link, which is not followed; remove it.")
    aside.mkdir(exist_ok=True)
    return Path(tempfile.mkdtemp(dir=aside, prefix=f"{folder.name}-"))


def sync(path: Path) -> None:
    """Make a file's bytes, or a folder's names, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def usual_mode(path: Path) -> None:
    """Let a file be read as any new one: what writes safetensors keeps them to their owner."""
    path.chmod(0o666 & ~_UMASK)


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
            UnwritableError: it cannot, said before any work is done.
        """
        try:
            (self.root / "steps").mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root / "steps") as stream:
                stream.write(b"writable")
        except OSError as error:
            raise self._unwritable(error) from None

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
            damage = self._set_aside_if_damaged(key)
        if damage:
            self.damaged(f"{damage} in {folder}; it will be made again")
            return None
        if not (folder / MANIFEST).exists():  # another process has just moved it aside
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
            if manifest["key"] != folder.name or not intact(manifest):
                return f"damaged {MANIFEST}"
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

    def _set_aside_if_damaged(self, key: str) -> str | None:
        """What is damaged, now that nobody else mends it. In a folder that cannot be written it stays where it is."""
        folder = self.folder(key)
        try:
            with self.lock(key):
                damage = self._damage(folder) if folder.exists() else None
                if damage:
                    self._set_aside(folder)
        except OSError:
            return self._damage(folder)
        return damage

    def _set_aside(self, folder: Path) -> None:
        os.replace(folder, set_aside(folder, self.root))

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold a step, so that no other process makes it or moves it at the same time; waits for who holds it now.

        The system releases the lock of a process that dies. Where the file system has no locks, this holds nothing.

        Raises:
            OSError: the folder cannot be written.
        """
        path = self.root / "locks" / f"{key}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(path, poll_interval=LOCK_POLL_S, is_singleton=True, fallback_to_soft=False)
        try:
            held.acquire()
        except (OSError, NotImplementedError) as error:
            if isinstance(error, OSError) and error.errno not in NO_LOCKS:
                raise
            yield
            return
        try:
            yield
        finally:
            # nobody needs the lock of a finished step: who waits for it finds the step, who comes later, too
            if (self.folder(key) / MANIFEST).exists():
                path.unlink(missing_ok=True)
            held.release()

    @contextmanager
    def commit(self, key: str, recipe: Mapping[str, Any], facts: Mapping[str, Any] | None = None) -> Iterator[Path]:
        """Write a step: fill the folder that this yields; on a clean exit it becomes the step, else it vanishes.

        Args:
            key: the step's key; recipe: what it was computed from, kept in the manifest.
            facts: what else to keep in the manifest (versions, seconds); may be filled while the step is written.

        Raises:
            UnwritableError: the step cannot be kept.
        """
        parent = self.folder(key).parent
        try:
            parent.mkdir(parents=True, exist_ok=True)
            # the name says whose it is, so that `sweep` never takes it from a process that lives
            temporary = Path(tempfile.mkdtemp(dir=parent, prefix=f".{platform.node()}-{os.getpid()}-"))
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            try:
                yield temporary
            except Exception as error:
                reason = folder_error(error)
                if reason is None:  # the step's own
                    raise
                raise self._cannot_write(reason) from error
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
            usual_mode(path)
            sync(path)
        listed = {str(p.relative_to(temporary)): {"bytes": p.stat().st_size, "sha256": hash_file(p)} for p in files}
        manifest: dict[str, Any] = {"key": key, "recipe": recipe, "facts": facts, "files": listed}
        manifest["sha256"] = _checksum(json.loads(canonical_json(manifest)))
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

    def _unwritable(self, error: OSError) -> UnwritableError:
        return self._cannot_write((error.strerror or str(error)).lower())

    def _cannot_write(self, reason: str) -> UnwritableError:
        return UnwritableError(
            f"The results folder {self.root} cannot be written ({reason}); "
            "free space or choose another one with --output-dir."
        )

    def notes(self, key: str) -> list[str]:
        """What a step that was just committed has to tell the user."""
        try:
            manifest = json.loads((self.folder(key) / MANIFEST).read_text(encoding="utf-8"))
            return [str(note) for note in manifest["facts"].get("notes", [])]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return []

    def checkpoint(self, key: str) -> Path:
        """Where a step that is not finished keeps how far it came."""
        return self.root / "checkpoints" / f"{key}.safetensors"

    def sweep(self) -> None:
        """Remove what killed runs left: this machine's temporary folders, checkpoints and locks of finished steps."""
        for path in (*(self.root / "checkpoints").glob("*.safetensors"), *(self.root / "locks").glob("*.lock")):
            if (self.folder(path.stem) / MANIFEST).exists():
                path.unlink(missing_ok=True)
        for leftover in (self.root / "steps").glob("*/.*-*"):
            if leftover.parent.is_symlink():  # it would lead out of the store
                continue
            node, _, rest = leftover.name[1:].rpartition("-")[0].rpartition("-")
            if node == platform.node() and rest.isdigit() and not _alive(int(rest)):
                shutil.rmtree(leftover, ignore_errors=True)
