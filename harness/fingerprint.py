"""Content hashes of what steps depend on: model folders and the files of a hub model, remembered between runs."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.store import hash_file, key_of, write_atomically

MEMO = "file-hashes.json"  # in a store
IGNORED = (".md", ".msgpack", ".onnx", ".bin", ".ckpt", ".pt", ".h5")


class Fingerprints:
    """Hashes files once and remembers them in `memo`, by path, size and both times.

    A file whose content was exchanged and its modification time put back, as copying tools do, has another change time.
    """

    def __init__(self, memo: Path | None = None) -> None:
        self._path = memo
        self._memo: dict[str, Any] = {}
        self._changed = False
        if memo is not None and memo.exists():
            try:
                kept = json.loads(memo.read_text(encoding="utf-8"))
                self._memo = dict(kept["files"]) if kept["sha256"] == key_of(kept["files"]) else {}
            except (ValueError, TypeError, KeyError):  # damaged, or of an early version: hash again
                self._memo = {}

    def file(self, path: Path) -> str:
        """SHA-256 of a file's bytes."""
        stat = path.stat()
        seen = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        *known, digest = self._memo.get(str(path), [None])
        if known == seen:
            return str(digest)
        digest = hash_file(path)
        self._memo[str(path)] = [*seen, digest]
        self._changed = True
        return digest

    def folder(self, folder: Path) -> str:
        """One hash of all of a model folder's files that can change its output, by relative name and content.

        What is hidden (a clone's or a download's own records) does not count, nor what is not loaded. Links are
        followed.
        """
        paths: list[Path] = []
        for place, folders, names in os.walk(folder, followlinks=True):
            folders[:] = [name for name in folders if name[0] != "."]
            paths += [Path(place, name) for name in names if name[0] != "."]
        paths = sorted(p for p in paths if p.is_file() and p.suffix not in IGNORED)
        lines = [f"{p.relative_to(folder).as_posix()} {self.file(p.resolve())}" for p in paths]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def save(self) -> None:
        """Write the memo, if it changed and has a place."""
        if self._changed and self._path is not None:
            write_atomically(self._path, json.dumps({"sha256": key_of(self._memo), "files": self._memo}))


def model_folder(source: str, *, offline: bool, kind: str = "backbone") -> Path:
    """A model's folder: itself, or a hub id's snapshot in the local cache (fetched first where `offline` is False).

    Raises:
        UsageError: neither a folder nor a model in the local hub cache.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return path
    from huggingface_hub import snapshot_download

    try:
        patterns = ["*.json", "*.txt", "*.safetensors", "*.model"]
        return Path(snapshot_download(source, local_files_only=offline, allow_patterns=patterns))
    except Exception as error:
        remedy = " or allow downloads with --no-offline" if offline else ""
        raise UsageError(
            f"The {kind} '{source}' is neither a folder nor a model in the local hub cache; give a folder{remedy}."
        ) from error
