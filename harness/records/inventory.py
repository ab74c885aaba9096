"""What a results folder holds: its steps by their manifests, what run files refer to, and what else lies in the store.

Only manifests are read, no result is hashed, and nothing is changed. Symbolic links inside the store are never
followed: they are listed with what does not belong there.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.backbones.hashes import MEMO
from harness.errors import StoreError, UsageError
from harness.records.run_file import parse_run_file
from harness.store.store import MANIFEST

KEY = re.compile(r"[0-9a-f]{64}")
OWNED = re.compile(r"\.(?P<node>.+)-(?P<process>\d+)-[^-]*")  # of `Store.commit`: whose a temporary folder is
UNREADABLE = "(unreadable)"  # the kind of a step whose manifest cannot be read

Owner = Literal["living", "dead", "elsewhere"]


@dataclass(frozen=True)
class StoredStep:
    """A step of the store, as its manifest describes it."""

    key: str
    path: Path
    kind: str
    parents: tuple[str, ...]
    concepts: tuple[str, ...]  # fingerprints of the images that its recipe names itself
    size: int  # bytes of its files, the manifest included
    written: float  # when, in seconds since the epoch

    @property
    def readable(self) -> bool:
        """Whether its manifest could be read."""
        return self.kind != UNREADABLE


@dataclass(frozen=True)
class Item:
    """A file or folder of the store that is no step."""

    path: Path
    size: int
    written: float
    owner: Owner = "dead"  # of a temporary folder: what became of the process that writes it


@dataclass
class Survey:
    """Everything in a store."""

    root: Path
    steps: dict[str, StoredStep] = field(default_factory=dict)
    remains: list[Item] = field(default_factory=list)  # a step's folder without a manifest counts as no step
    temporary: list[Item] = field(default_factory=list)
    checkpoints: list[Item] = field(default_factory=list)  # of trainings that are not finished
    damaged: list[Item] = field(default_factory=list)  # steps set aside
    other: list[Item] = field(default_factory=list)  # what the harness never made, symbolic links among it
    memo: int = 0  # bytes of the remembered file hashes

    @property
    def size(self) -> int:
        """Bytes in all."""
        parts = [self.remains, self.temporary, self.checkpoints, self.damaged, self.other]
        return sum(s.size for s in self.steps.values()) + sum(item.size for part in parts for item in part) + self.memo

    def has(self, key: str) -> bool:
        """Whether it holds the step of that key, with a manifest that can be read."""
        return key in self.steps and self.steps[key].readable

    def closure(self, keys: Iterable[str]) -> set[str]:
        """The steps of those keys and all that they build on, as far as they are in the store."""
        found: set[str] = set()
        stack = [key for key in keys if key in self.steps]
        while stack:
            key = stack.pop()
            if key not in found:
                found.add(key)
                stack.extend(parent for parent in self.steps[key].parents if parent in self.steps)
        return found

    def bytes_of(self, keys: Iterable[str]) -> int:
        """Bytes of those steps."""
        return sum(self.steps[key].size for key in keys)


@dataclass(frozen=True)
class RunFile:
    """What one run's file refers to."""

    path: Path
    benchmark: str
    scores: tuple[str, ...]  # of each cell
    keys: frozenset[str]  # of every step that it names
    readable: bool = True


def store_of(output: Path) -> Path:
    """The store of a results folder.

    Raises:
        UsageError: there is no such folder, or it is not a results folder.
    """
    remedy = "name the folder given to `run` with --output-dir"
    if not output.exists():
        raise UsageError(f"There is no folder {output}; {remedy}.")
    store = output / "store"
    if (store / "steps").is_dir():
        if (store / "steps").is_symlink():
            raise UsageError(f"{store / 'steps'} is a symbolic link, which is not followed; {remedy}.")
        return store
    if output.name == "store" and (output / "steps").is_dir():
        raise UsageError(f"{output} is a store itself; name the results folder that it lies in, {output.parent}.")
    raise UsageError(f"{output} is not a results folder, as it holds no store; {remedy}.")


def survey(root: Path) -> Survey:
    """Everything in the store at `root`.

    Raises:
        StoreError: a folder cannot be read.
    """
    found = Survey(root)
    try:
        for shard in _entries(root / "steps"):
            if not shard.is_dir(follow_symlinks=False) or not re.fullmatch(r"[0-9a-f]{2}", shard.name):
                found.other.append(_item(shard))
                continue
            for entry in _entries(Path(shard.path)):
                _sort_step(found, shard.name, entry)
        for name, items in (("checkpoints", found.checkpoints), ("damaged", found.damaged)):
            folder = root / name
            if folder.is_symlink():
                found.other.append(_item_at(folder))
            elif folder.is_dir():
                items.extend(map(_item, _entries(folder)))
        for entry in _entries(root):
            if entry.name.startswith(f".{MEMO}."):
                found.temporary.append(_item(entry))
            elif entry.name == MEMO:
                found.memo = _size(Path(entry.path))
            elif entry.name not in ("steps", "checkpoints", "damaged", "locks"):
                found.other.append(_item(entry))
    except OSError as error:
        raise _unreadable(error, root) from error
    return found


def _sort_step(found: Survey, shard: str, entry: os.DirEntry[str]) -> None:
    """Put one entry of a folder of steps where it belongs."""
    try:
        real = entry.is_dir(follow_symlinks=False)
        owned = OWNED.fullmatch(entry.name)
        if real and owned:
            owner = owner_of(owned["node"], int(owned["process"]))
            found.temporary.append(_item(entry, owner))
        elif not real or not KEY.fullmatch(entry.name) or not entry.name.startswith(shard):
            found.other.append(_item(entry))
        elif os.path.lexists(Path(entry.path) / MANIFEST):
            step = read_step(Path(entry.path))
            found.steps[step.key] = step
        else:
            found.remains.append(_item(entry))
    except FileNotFoundError:  # gone meanwhile: another process finished or removed it
        return


def read_step(folder: Path) -> StoredStep:
    """The step in a folder, as its manifest describes it; one with a broken manifest is `UNREADABLE`.

    Raises:
        OSError: it cannot be read.
    """
    path = folder / MANIFEST
    status = path.lstat()
    try:
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("not a file")
        manifest = json.loads(path.read_text(encoding="utf-8"))
        recipe = manifest["recipe"]
        size = status.st_size + sum(int(file["bytes"]) for file in manifest["files"].values())
        parents = tuple(map(str, recipe.get("parents", ())))
        return StoredStep(
            folder.name, folder, str(recipe.get("kind", "(none)")), parents, _concepts(recipe), size, status.st_mtime
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return StoredStep(folder.name, folder, UNREADABLE, (), (), _size(folder), status.st_mtime)


def _concepts(recipe: Mapping[str, Any]) -> tuple[str, ...]:
    named = [recipe.get("images"), recipe.get("concept"), *recipe.get("concepts", ()), *recipe.get("tests", ())]
    return tuple(dict.fromkeys(concept for concept in named if concept and isinstance(concept, str)))


def owner_of(node: str, process: int) -> Owner:
    """What became of a process, as far as this machine can tell."""
    if node != platform.node():
        return "elsewhere"
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return "dead"
    except OSError:  # alive, and another user's
        pass
    return "living"


def read_runs(output: Path) -> list[RunFile]:
    """Every run file of a results folder, by name; those that cannot be read are marked.

    Raises:
        StoreError: the folder of run files cannot be read, so that it is not known whether there are any.
    """
    try:
        names = [entry.name for entry in _entries(output / "runs")]
    except OSError as error:
        raise _unreadable(error, output) from error
    return [_read_run(output / "runs" / name) for name in names if name.endswith(".yaml")]


def _read_run(path: Path) -> RunFile:
    try:
        cells = parse_run_file(path)["cells"]
        scores = tuple(str(cell["score"]) for cell in cells)
        benchmark = str(cells[0]["benchmark"]) if cells else ""
        # whatever looks like a key counts, so that a field added to these files later refers to steps, too
        return RunFile(path, benchmark, scores, frozenset(_keys(cells)))
    except (UsageError, ValueError, KeyError, TypeError):
        return RunFile(path, "", (), frozenset(), readable=False)


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if KEY.fullmatch(value):
            yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _keys(part)
    elif isinstance(value, list):
        for part in value:
            yield from _keys(part)


def summary(output: Path) -> dict[str, Any]:
    """What `cache info` prints: counts and bytes by kind, by run, and of all that no run refers to.

    Raises:
        UsageError: not a results folder. StoreError: it cannot be read.
    """
    found, runs = survey(store_of(output)), read_runs(output)
    reachable = {run.path: found.closure(run.keys) for run in runs}
    users: dict[str, int] = {}
    for keys in reachable.values():
        for key in keys:
            users[key] = users.get(key, 0) + 1
    unreferenced = [key for key in found.steps if key not in users]
    kinds: dict[str, list[StoredStep]] = {}
    for step in found.steps.values():
        kinds.setdefault(step.kind, []).append(step)
    return {
        "store": str(found.root),
        "steps": len(found.steps),
        "kinds": [
            {"kind": kind, "steps": len(steps), "bytes": sum(step.size for step in steps)}
            for kind, steps in sorted(kinds.items())
        ],
        "runs": [
            {
                "file": run.path.name, "readable": run.readable, "benchmark": run.benchmark, "cells": len(run.scores),
                "finished": sum(map(found.has, run.scores)),
                "steps": len(reachable[run.path]), "bytes": found.bytes_of(reachable[run.path]),
                "own_bytes": found.bytes_of(key for key in reachable[run.path] if users[key] == 1),
            }
            for run in runs
        ],
        "unreferenced": {"steps": len(unreferenced), "bytes": found.bytes_of(unreferenced)},
        "remains": _totals(found.remains),
        "temporary": {
            **_totals(found.temporary),
            **{owner: sum(i.owner == owner for i in found.temporary) for owner in ("living", "dead", "elsewhere")},
        },
        "checkpoints": _totals(found.checkpoints),
        "damaged": {**_totals(found.damaged), "names": sorted(item.path.name for item in found.damaged)},
        "other": {**_totals(found.other), "names": sorted(str(i.path.relative_to(found.root)) for i in found.other)},
        "bytes": found.size,
        "free_bytes": shutil.disk_usage(found.root).free,
    }  # fmt: skip


def _totals(items: list[Item]) -> dict[str, int]:
    return {"count": len(items), "bytes": sum(item.size for item in items)}


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []


def _item(entry: os.DirEntry[str], owner: Owner = "dead") -> Item:
    return _item_at(Path(entry.path), owner)


def _item_at(path: Path, owner: Owner = "dead") -> Item:
    try:
        return Item(path, _size(path), path.lstat().st_mtime, owner)
    except FileNotFoundError:  # gone meanwhile
        return Item(path, 0, 0.0, owner)


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; symbolic links count for themselves."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:  # gone meanwhile
                continue
    return total


def _unreadable(error: OSError, root: Path) -> StoreError:
    reason = (error.strerror or str(error)).lower()
    return StoreError(f"{error.filename or root} cannot be read ({reason}); check who may read the results folder.")
