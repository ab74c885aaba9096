"""What may be removed from a store, and how: only what nothing needs, a step in one piece, nothing outside the store.

A step stays if any of these holds, and with it all that it builds on:
- A run file refers to it.
- It is young: a run in progress may be about to use it.
- A run is not finished, and it may be one that the run goes on from: run files name neither merged weights nor class
  images.
- A tuning may have made it: tunings leave no run file, and resume from the store. Only steps on concepts of registered
  benchmarks that are not made for tuning certainly come from runs.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness import registry
from harness.errors import StoreError, UsageError
from harness.records.inventory import KEY, Item, RunFile, StoredStep, Survey, read_runs, store_of, survey
from harness.settings.base import StepKind
from harness.store.store import MANIFEST

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Policy:
    """What to remove beyond what is always safe to."""

    older_than: float = 24 * 3600.0  # seconds
    damaged: bool = False  # what was set aside as damaged, too
    tuning: bool = False  # what a tuning may have made, too


@dataclass
class Decision:
    """What goes, and why the rest of what no run file refers to stays."""

    steps: list[StoredStep] = field(default_factory=list)
    remains: list[Item] = field(default_factory=list)
    temporary: list[Item] = field(default_factory=list)
    checkpoints: list[Item] = field(default_factory=list)
    damaged: list[Item] = field(default_factory=list)
    kept: dict[str, list[StoredStep]] = field(default_factory=dict)  # why -> steps

    @property
    def items(self) -> list[Item]:
        """All that goes and is no step."""
        return [*self.remains, *self.temporary, *self.checkpoints, *self.damaged]

    @property
    def things(self) -> list[StoredStep | Item]:
        """All that goes, the newest steps first: what others build on goes last."""
        return [*sorted(self.steps, key=lambda step: -step.written), *self.items]

    @property
    def paths(self) -> set[Path]:
        """Where all that goes lies."""
        return {thing.path for thing in self.things}

    @property
    def size(self) -> int:
        """Bytes of all that goes."""
        return sum(thing.size for thing in self.things)


def parse_age(text: str) -> float:
    """'30m', '12h' or '7d' in seconds.

    Raises:
        UsageError: something else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if not match:
        raise UsageError(
            f"--older-than '{text}' cannot be used: write a number and s, m, h or d, such as 30m, 12h or 7d."
        )
    return float(match[1]) * UNITS[match[2]]


def compared_concepts() -> frozenset[str]:
    """Fingerprints of the concepts of registered benchmarks on which nothing is tuned.

    A benchmark that cannot be loaded, or has no images at a tier, is left out there: its steps then stay. Which classes
    a task of a classification benchmark has hangs on the trial.
    """
    concepts: dict[bool, set[str]] = {True: set(), False: set()}
    for name in registry.benchmarks().names():
        with suppress(Exception):  # a plugin's code may raise anything
            benchmark = registry.benchmarks().get(name)
            for tier in benchmark.sources:
                with suppress(Exception):
                    known = registry.setting(benchmark.setting).known_tasks(benchmark, tier)
                    shown = (images for task in known for images in (task.images, task.reference) if images is not None)
                    concepts[benchmark.tuning].update(images.fingerprint() for images in shown)
    return frozenset(concepts[False] - concepts[True])


def decide(found: Survey, runs: Sequence[RunFile], policy: Policy, compared: frozenset[str], now: float) -> Decision:
    """What of a store may go.

    Args:
        compared: see `compared_concepts`. now: the time, in seconds since the epoch.

    Raises:
        UsageError: a run file cannot be read, so that what it refers to is not known.
    """
    for run in runs:
        if not run.readable:
            raise UsageError(
                f"{run.path} is damaged, so what it refers to is not known; delete it and run its command again."
            )
    referenced = {key for run in runs for key in run.keys}
    kept = found.closure(referenced)
    decision = Decision()

    def keep(why: str, steps: list[StoredStep]) -> None:
        more = found.closure(step.key for step in steps) - kept
        kept.update(more)
        if more:
            decision.kept[why] = [found.steps[key] for key in sorted(more)]

    def rest() -> list[StoredStep]:
        return [step for key, step in found.steps.items() if key not in kept]

    keep("young", [step for step in rest() if now - step.written < policy.older_than])
    if not all(found.has(score) for run in runs for score in run.scores):
        named = _kinds(lambda kind: kind.named)
        keep("unfinished", [step for step in rest() if step.kind not in named])
    if not policy.tuning:
        certain = _of_runs(found, compared)
        keep("tuning", [step for step in rest() if step.key not in certain])
    decision.steps = rest()

    def old(items: Sequence[Item]) -> list[Item]:
        return [item for item in items if now - item.written >= policy.older_than]

    decision.remains = old(found.remains)
    # a folder's name says whose it is; a file says nothing, but is written in a moment
    files = [item for item in found.temporary if item.path.parent == found.root]
    decision.temporary = [i for i in found.temporary if i not in files and i.owner == "dead"] + old(files)
    decision.checkpoints = [c for c in old(found.checkpoints) if _useless(c, found, referenced, policy)]
    decision.damaged = found.damaged if policy.damaged else []
    return decision


def _of_runs(found: Survey, compared: frozenset[str]) -> set[str]:
    """The steps that certainly are of benchmarks on which nothing is tuned, by what they build on."""
    users: dict[str, list[str]] = {}
    for step in found.steps.values():
        for parent in step.parents:
            users.setdefault(parent, []).append(step.key)

    def descendants(keys: Iterable[str]) -> set[str]:
        reached: set[str] = set()
        stack = list(keys)
        while stack:
            key = stack.pop()
            if key not in reached:
                reached.add(key)
                stack.extend(users.get(key, ()))
        return reached

    steps = found.steps.values()
    known = descendants(step.key for step in steps if step.concepts)
    foreign = descendants(step.key for step in steps if not compared.issuperset(step.concepts))
    # class images show no concept: those that stay are kept by what was trained with them
    loose = _kinds(lambda kind: kind.of_no_concept)
    priors = {step.key for step in steps if step.kind in loose and step.key in users}
    return (known - foreign) | priors


def _kinds(like: Callable[[StepKind], bool]) -> set[str]:
    """The kinds of steps of any setting that are so."""
    settings = map(registry.setting, registry.setting_names())
    return {name for setting in settings for name, kind in setting.step_kinds.items() if like(kind)}


def _useless(checkpoint: Item, found: Survey, referenced: set[str], policy: Policy) -> bool:
    """Whether a training's checkpoint serves nobody: it is finished, or no run asks for it."""
    if checkpoint.path.name.startswith("."):  # half written
        return True
    key = checkpoint.path.name.partition(".")[0]
    if not KEY.fullmatch(key):
        return False
    # whose training it was stands in no manifest yet, so that it may be a tuning's
    return key in found.steps or (policy.tuning and key not in referenced)


def plan_prune(output: Path, policy: Policy) -> tuple[Survey, Decision]:
    """What of a results folder's store may go; nothing is changed.

    Raises:
        UsageError: not a results folder, or one whose references are not all known. StoreError: it cannot be read.
    """
    root = store_of(output)
    if root.is_symlink():
        raise UsageError(
            f"{root} is a symbolic link: other results folders may use that store, too, so nothing of it is removed; "
            "make it a folder of its own, or delete it as a whole."
        )
    compared = frozenset() if policy.tuning else compared_concepts()
    found = survey(root)  # the store first: a step that a run adds after this is not in it
    return found, decide(found, read_runs(output), policy, compared, time.time())


def carry_out(
    output: Path, policy: Policy, decision: Decision, told: Callable[[StoredStep | Item], None] = lambda _: None
) -> tuple[int, int]:
    """Remove what was decided; gives how many things went, and their bytes.

    A run that starts meanwhile keeps what it asks for: when run files change, the rest is decided anew.

    Args:
        told: hears of each thing that went.

    Raises:
        StoreError: something cannot be removed. UsageError: as of `plan_prune`.
    """
    root = store_of(output)
    count = size = 0
    seen, going = _signature(output), decision.paths
    for thing in decision.things:
        if (current := _signature(output)) != seen:
            seen = current
            going &= plan_prune(output, policy)[1].paths
        if thing.path in going and _untouched(thing) and remove(thing.path, root):
            count, size = count + 1, size + thing.size
            told(thing)
    return count, size


def _signature(output: Path) -> list[tuple[str, int, int]]:
    """What changes whenever a run is asked for."""
    found: list[tuple[str, int, int]] = []
    for path in sorted((output / "runs").glob("*.yaml")):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        found.append((path.name, status.st_mtime_ns, status.st_size))
    return found


def _untouched(thing: StoredStep | Item) -> bool:
    """Whether it still is what was looked at, and not made anew meanwhile."""
    path = thing.path / MANIFEST if isinstance(thing, StoredStep) else thing.path
    try:
        return path.lstat().st_mtime == thing.written
    except OSError:
        return False


def remove(path: Path, root: Path) -> bool:
    """Take a file or folder away in one piece: renamed into a temporary folder beside it, then deleted.

    Returns:
        Whether it was there.

    Raises:
        StoreError: it lies outside the store, or cannot be removed.
    """
    if not path.parent.resolve().is_relative_to(root.resolve()) or path.name in ("", ".", ".."):
        raise StoreError(f"{path} lies outside the store {root} and is left alone; remove it yourself if it is yours.")
    try:
        # named like what `Store.commit` writes, so that the next run sweeps up what a killed deletion leaves
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{platform.node()}-{os.getpid()}-"))
        try:
            os.rename(path, temporary / path.name)
        except FileNotFoundError:  # another process was faster
            temporary.rmdir()
            return False
        shutil.rmtree(temporary)  # never follows a symbolic link
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StoreError(f"{path} cannot be removed ({reason}); check who may write in {root}.") from None
    return True
