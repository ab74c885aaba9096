"""The folder in which every step's result is kept, under a key made of all that it depends on.

Guarantees:
- A step exists if and only if its folder does: files are written and synced in a temporary folder beside it, the
  manifest last, and one rename makes it visible. A killed run leaves at most a temporary folder.
- A committed step is never written to again. Who makes a step holds its lock, with a heartbeat; another process waits,
  and finds it made. Should two make it after all, they make the same bytes, and the first one's stay.
- On a network file system, too: only exclusive creation, rename and listing are relied upon.
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
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import AcquireReturnProxy, SoftFileLease, Timeout

from harness.errors import StoreError, UnwritableError
from harness.machine.limits import of_system

MANIFEST = "manifest.json"
# the folder's or the disk's fault, not that of the code that writes
FOLDER_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}
LEASE_S, LOCK_POLL_S = 60.0, 0.1


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


def alive(process: int) -> bool:
    """Whether a process of this machine, by its number, is there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def folder_error(error: BaseException) -> int | None:
    """The system's number of an error that is the folder's or the disk's fault, ENOSPC say; else None."""
    number = error.errno if isinstance(error, OSError) else None
    # what writes safetensors wraps the system's error in its own, and keeps the number in the text
    if number is None and type(error).__name__ == "SafetensorError":
        found = re.search(r"os error (\d+)", str(error))
        number = int(found[1]) if found else None
    return number if number in FOLDER_ERRORS else None


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
        _move(temporary, path)
        sync(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _move(source: Path | str, target: Path) -> None:
    """Rename. A network file system that had to ask twice says the second time that there is no such file."""
    try:
        os.replace(source, target)
    except FileNotFoundError:
        if os.path.lexists(source) or not os.path.lexists(target):
            raise


def _hold(path: Path) -> AcquireReturnProxy[SoftFileLease]:
    """Wait for a lease, and take it.

    filelock takes over only what has an owner's record, and only where two names can be exchanged, as no NFS can. What
    gave no sign for longer than a lease is removed here.
    """
    lease = SoftFileLease(path, lease_duration=LEASE_S, poll_interval=LOCK_POLL_S, is_singleton=True)
    while True:
        before = _last_sign(path)
        try:
            return lease.acquire(timeout=1.25 * LEASE_S)
        except Timeout:
            if before is not None and _last_sign(path) == before:
                lease.break_lock()


def _last_sign(path: Path) -> tuple[int, ...] | None:
    """What each heartbeat changes. The file is opened, as a network file system then asks the server."""
    try:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns


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

    def has(self, key: str) -> bool:
        """Whether there is a step of that key; nothing of it is read or verified."""
        return (self.folder(key) / MANIFEST).exists()

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
        except (OSError, UnwritableError):
            return self._damage(folder)
        return damage

    def _set_aside(self, folder: Path) -> None:
        _move(folder, set_aside(folder, self.root))

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold a step, so that no other process, here or on another machine, makes it at the same time; waits for it.

        A lease: a file made by an exclusive creation, which is atomic on network file systems, too, and touched three
        times in `LEASE_S`. A holder that died is noticed at once on its own machine, and by a heartbeat missed for
        `LEASE_S` of the waiting one's clock on another. Should two ever hold it, both make the same bytes.

        Raises:
            UnwritableError: the folder cannot be written.
        """
        path = self.lease(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held = _hold(path)
        except OSError as error:
            raise self._unwritable(error) from error
        with held:
            yield

    def lease(self, key: str) -> Path:
        """The file that says who makes a step now."""
        return self.root / "locks" / f"{key}.lock"

    def wait_for(self, keys: Iterable[str], patience_s: float) -> list[str]:
        """Wait until steps that were made on other machines are seen here, too; gives those that are not in time.

        A network file system may remember for a minute that a folder had no such entry. Listing the folder asks anew.
        """
        until = time.monotonic() + patience_s
        missing = list(keys)
        while True:
            for folder in [self.root / "steps", *sorted({self.folder(key).parent for key in missing})]:
                with suppress(OSError), os.scandir(folder) as entries:
                    next(entries, None)
            missing = [key for key in missing if not self.has(key)]
            if not missing or time.monotonic() >= until:
                return missing
            time.sleep(min(1.0, patience_s / 10))

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
                number = folder_error(error)
                if number is None:  # the step's own
                    raise
                raise self._unwritable(OSError(number, os.strerror(number))) from error
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
            if self.wait_for([key], 0.0):  # nobody was faster, nor was it this one, asked twice by the file system
                raise
        else:
            sync(target.parent)

    def _unwritable(self, error: OSError) -> UnwritableError:
        why, remedy = of_system(error)
        return UnwritableError(
            f"The results folder {self.root} cannot be written ({why}); "
            f"{remedy or 'free space'} or choose another one with --output-dir."
        )

    def notes(self, key: str, fact: str = "notes") -> list[str]:
        """What a step that was just committed has to tell the user, or another list of sentences among its facts."""
        try:
            manifest = json.loads((self.folder(key) / MANIFEST).read_text(encoding="utf-8"))
            return [str(note) for note in manifest["facts"].get(fact, [])]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return []

    def checkpoint(self, key: str) -> Path:
        """Where a step that is not finished keeps how far it came."""
        return self.root / "checkpoints" / f"{key}.safetensors"

    def sweep(self) -> None:
        """Remove what killed runs left: this machine's temporary folders, checkpoints and locks of finished steps."""
        for path in (*(self.root / "checkpoints").glob("*.safetensors"), *(self.root / "locks").glob("*.lock")):
            if self.has(path.stem):
                path.unlink(missing_ok=True)
        for leftover in (self.root / "steps").glob("*/.*-*"):
            if leftover.parent.is_symlink():  # it would lead out of the store
                continue
            node, _, rest = leftover.name[1:].rpartition("-")[0].rpartition("-")
            if node == platform.node() and rest.isdigit() and not alive(int(rest)):
                shutil.rmtree(leftover, ignore_errors=True)
