"""Content hashes of what steps depend on: model folders and the files of a hub model, remembered between runs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.backbones.checks import INDEX, LOADED, is_loaded, single_file
from harness.backbones.hub import KNOWN, NAMES, hub_place, is_folder
from harness.backbones.layouts import STABLE_DIFFUSION
from harness.errors import UsageError, reason
from harness.store.store import hash_file, key_of, write_atomically

MEMO = "file-hashes.json"  # in a store
# what a user fetches of a pipeline by hand: a little more than is loaded, in a line that can be read
FETCHED = ("*.json", "*.txt", "text_encoder/model.safetensors", "*/diffusion_pytorch_model.safetensors")
# of pipelines with other text encoders, which may lie in several files, and be read by SentencePiece's tokenizers
FETCHED_OF_LATER = (
    "*.json", "*.txt", "*.model", "text_encoder*/model.safetensors", "text_encoder*/model-*-of-*.safetensors",
    "*/diffusion_pytorch_model.safetensors", "*/diffusion_pytorch_model-*-of-*.safetensors",
)  # fmt: skip
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

        What is hidden (a clone's or a download's own records) does not count, nor what is not loaded: of a pipeline,
        anything but what `harness.backbones.checks.LOADED` names. Links are followed.
        """
        paths: list[Path] = []
        for place, folders, names in os.walk(folder, followlinks=True):
            folders[:] = [name for name in folders if name[0] != "."]
            paths += [Path(place, name) for name in names if name[0] != "."]
        paths = sorted(p for p in paths if p.is_file() and p.suffix not in IGNORED)
        named = [(p.relative_to(folder).as_posix(), p) for p in paths]
        if (folder / INDEX).exists():
            named = [(name, p) for name, p in named if is_loaded(name)]
        lines = [f"{name} {self.file(p.resolve())}" for name, p in named]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def save(self) -> None:
        """Write the memo, if it changed and has a place."""
        if self._changed and self._path is not None:
            write_atomically(self._path, json.dumps({"sha256": key_of(self._memo), "files": self._memo}))


def model_folder(source: str, *, offline: bool) -> Path:
    """A backbone's folder: itself, or its snapshot in the local hub cache (fetched first where `offline` is False).

    Of a repository only what is loaded is fetched: no pickles, no variants, no safety checker.

    Args:
        source: a name of `known.KNOWN`, a folder, or a hub id, with '@REVISION' if it shall be another than main.

    Raises:
        UsageError: neither a folder nor a whole model in the local hub cache, or it cannot be downloaded.
    """
    if is_folder(source):
        return Path(source).expanduser()
    path, found = Path(source).expanduser(), hub_place(source)
    if path.is_file() and source not in KNOWN:
        raise UsageError(single_file(source))
    if found is None:
        raise UsageError(
            f"The backbone '{source}' is neither a folder nor a hub id such as ID@REVISION; use {NAMES}, or give a "
            "folder."
        )
    repository, revision = found
    missing = _missing(source, repository, revision)
    return hub_snapshot(source, repository, revision, LOADED, missing, offline=offline)


def hub_snapshot(
    source: str, repository: str, revision: str | None, patterns: Sequence[str], missing: str, *, offline: bool
) -> Path:
    """A backbone's snapshot in the local hub cache, fetched first where `offline` is False.

    Args:
        source: what the user calls it. patterns: its files, no others are fetched.
        missing: the sentence if it is not in the cache and must not be fetched.

    Raises:
        UsageError: `missing`, or it cannot be downloaded.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(repository, revision=revision, local_files_only=offline, allow_patterns=list(patterns))
        )
    except Exception as error:
        if not offline:
            raise UsageError(
                f"The backbone '{source}' cannot be downloaded ({reason(error)}); check its name and the network, or "
                "give a folder."
            ) from error
        raise UsageError(missing) from error


def _missing(source: str, repository: str, revision: str | None) -> str:
    """What to fetch, where to put it, and that the mini tier needs nothing."""
    known, folder = KNOWN.get(source), ""
    size = f" ({known.gigabytes:g} GB, licence {known.licence})" if known else ""
    if known and Path(source).is_dir():
        folder = f" (./{source} for the one of that name)"
    return (
        f"The backbone '{source}' is neither a folder nor a model in the local hub cache; give a folder{folder} or "
        f"allow downloads with --no-offline, or fetch it{size} with `{download_command(repository, revision)}`; the "
        "mini tier needs none of this."
    )


def download_command(repository: str, revision: str | None) -> str:
    """The shell command that fetches what is loaded of a pipeline, and no more, into the local hub cache."""
    pinned = f" --revision {revision}" if revision else ""
    first = {known.repository for known in KNOWN.values() if known.pipeline == STABLE_DIFFUSION.pipeline}
    files = FETCHED if repository in first else FETCHED_OF_LATER
    patterns = " ".join(f"--include '{pattern}'" for pattern in files)
    return f"hf download {repository}{pinned} {patterns}"
