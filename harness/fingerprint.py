"""Content hashes of what steps depend on: model folders and the files of a hub model, remembered between runs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.store import hash_file, write_atomically

IGNORED = (".md", ".msgpack", ".onnx", ".bin", ".ckpt", ".pt", ".h5")


class Fingerprints:
    """Hashes files once and remembers them by path, size and modification time, in `memo`."""

    def __init__(self, memo: Path | None = None) -> None:
        self._path = memo
        self._memo: dict[str, Any] = {}
        self._changed = False
        if memo is not None and memo.exists():
            try:
                self._memo = dict(json.loads(memo.read_text(encoding="utf-8")))
            except (ValueError, TypeError):
                self._memo = {}

    def file(self, path: Path) -> str:
        """SHA-256 of a file's bytes."""
        stat = path.stat()
        known = self._memo.get(str(path))
        if known and known[0] == stat.st_size and known[1] == stat.st_mtime_ns:
            return str(known[2])
        digest = hash_file(path)
        self._memo[str(path)] = [stat.st_size, stat.st_mtime_ns, digest]
        self._changed = True
        return digest

    def folder(self, folder: Path) -> str:
        """One hash of all of a model folder's files that can change its output, by relative name and content."""
        paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix not in IGNORED and p.name[0] != ".")
        lines = [f"{p.relative_to(folder).as_posix()} {self.file(p.resolve())}" for p in paths]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def save(self) -> None:
        """Write the memo, if it changed and has a place."""
        if self._changed and self._path is not None:
            write_atomically(self._path, json.dumps(self._memo))


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
