"""Whether every step of a store is what its manifest says: all files re-hashed; and how damaged ones are set aside."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.errors import StoreError
from harness.records.inventory import StoredStep
from harness.store.store import MANIFEST, hash_file, intact, key_of, set_aside

Sort = Literal["changed", "missing", "extra", "link", "manifest", "key", "unreadable", "parent"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a step."""

    sort: Sort
    text: str
    file: str = ""

    @property
    def damage(self) -> bool:
        """Whether the step is not whole. A missing parent is no damage: nothing needs it while its users are whole."""
        return self.sort != "parent"


@dataclass(frozen=True)
class Verdict:
    """A step and what is wrong with it."""

    step: StoredStep
    problems: tuple[Problem, ...]

    @property
    def whole(self) -> bool:
        """Whether it is what its manifest says."""
        return not any(problem.damage for problem in self.problems)


def check_steps(steps: Iterable[StoredStep], known: Iterable[str], jobs: int) -> Iterator[Verdict]:
    """A verdict on each step, in their order, by `jobs` threads: hashing and reading both run beside Python.

    Args:
        known: keys of all steps of the store, to notice missing parents.
    """
    keys = frozenset(known)
    pool = ThreadPoolExecutor(jobs)
    try:
        yield from pool.map(lambda step: check_step(step, keys), steps)
    finally:
        pool.shutdown(cancel_futures=True)


def check_step(step: StoredStep, known: frozenset[str]) -> Verdict:
    """What is wrong with one step. One that vanished meanwhile is whole: another process removed all of it."""
    try:
        problems = list(_check(step.path))
    except OSError as error:
        if not step.path.exists():
            return Verdict(step, ())
        reason = (error.strerror or str(error)).lower()
        problems = [Problem("unreadable", f"{Path(error.filename or step.path).name} cannot be read ({reason})")]
    missing = [parent for parent in step.parents if parent not in known]
    problems += [Problem("parent", f"its parent {parent[:12]} is not in the store") for parent in missing]
    return Verdict(step, tuple(problems))


def _check(folder: Path) -> Iterator[Problem]:
    found, links = _files(folder)
    broken = Problem("manifest", f"unreadable {MANIFEST}", MANIFEST)
    if MANIFEST not in found:
        yield broken
        return
    try:
        manifest: Any = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        listed = {str(name): (int(file["bytes"]), str(file["sha256"])) for name, file in manifest["files"].items()}
        right_key = manifest["key"] == folder.name == key_of(manifest["recipe"])
    except (ValueError, KeyError, TypeError, AttributeError):
        yield broken
        return
    if not right_key:
        yield Problem("key", "its key is not that of its recipe", MANIFEST)
    elif not intact(manifest):
        yield Problem("manifest", f"damaged {MANIFEST}", MANIFEST)
    for name, (size, digest) in sorted(listed.items()):
        if name in found:
            path = folder / name
            if path.stat().st_size != size or hash_file(path) != digest:
                yield Problem("changed", f"damaged file {name}", name)
        elif any(name == link or name.startswith(f"{link}/") for link in links):
            yield Problem("link", f"{name} is reached by a symbolic link", name)
        else:
            yield Problem("missing", f"missing file {name}", name)
    for name in sorted((found | links) - listed.keys() - {MANIFEST}):
        if not any(file.startswith(f"{name}/") for file in listed):  # said above
            yield Problem("extra", f"extra file {name}", name)


def _files(folder: Path) -> tuple[set[str], set[str]]:
    """Names of all regular files, and of all else that is no folder (symbolic links, say); no link is followed."""
    files: set[str] = set()
    links: set[str] = set()

    def give_up(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(folder, onerror=give_up):
        for name in (*folders, *names):
            path = Path(place, name)
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                links.add(path.relative_to(folder).as_posix())
            elif path.is_file():
                files.add(path.relative_to(folder).as_posix())
    return files, links


def repair(verdict: Verdict, root: Path) -> str:
    """Set a damaged step aside, as `Store.get` does, so that the next run makes it again. Gives what was done.

    It is looked at once more before. A step with nothing but extra files stays, and the extra files go.

    Raises:
        StoreError: it cannot be moved.
    """
    step = verdict.step
    now = [problem for problem in check_step(step, frozenset()).problems if problem.damage]
    if not now:
        return "is whole now"
    if any(problem.sort == "unreadable" for problem in now):  # no sign of damage: nothing is moved
        return "left where it is; check who may read it"
    try:
        target = set_aside(step.path, root)
        if all(problem.sort == "extra" for problem in now):
            for problem in now:
                (target / problem.file).parent.mkdir(parents=True, exist_ok=True)
                os.replace(step.path / problem.file, target / problem.file)
            return "extra files moved aside; the step stays"
        os.replace(step.path, target)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StoreError(f"{step.path} cannot be moved aside ({reason}); check who may write there.") from None
    return "moved aside; its command, run again, makes it anew"
