"""What a tuning tried and chose, as kept in JSON, and where it lies."""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import model_serializer, model_validator

from harness.errors import UsageError
from harness.settings.base import Setting
from harness.spec import Frozen, RunSpec
from harness.store.migrations import refuse_newer

SCHEMA_VERSION = 3  # 1 did not say what the images are; 1 and 2 never widened a range and went by A_mmd + F_mmd
OLD_FINALS = 6  # of versions 1 and 2, which did not say it


class Trial(Frozen):
    """One setting of the searched options, and how it did: the figures that tuning reads, None where it failed.

    `figures` are means over the seeds, `spread` their sample standard deviations; none of one seed. In JSON each figure
    is a field of its own, under its metric's name.
    """

    setting: Mapping[str, Any]
    figures: Mapping[str, float | None] = {}
    spread: Mapping[str, float] = {}
    error: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, content: Any) -> Any:
        if not isinstance(content, Mapping) or "figures" in content:
            return content
        own = {name: value for name, value in content.items() if name in cls.model_fields}
        return {**own, "figures": {name: value for name, value in content.items() if name not in own}}

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        spread = {"spread": dict(self.spread)} if self.spread else {}
        return {"setting": dict(self.setting), **self.figures, **spread, "error": self.error}

    def score(self, setting: Setting) -> float:
        """What the search goes by, lower is better; infinite where it failed."""
        known = {name: value for name, value in self.figures.items() if value is not None}
        return setting.trial_score(known) if len(known) == len(setting.trial_metrics) else math.inf


class TuningRecord(Frozen):
    """What a method's tuning tried and chose, as kept in JSON.

    `fixed` holds the options outside the space that differ from the class's plain defaults, `sampling` what was changed
    of the tier's protocol. `trials`, at most `budget`, ran the first `short_tasks` of the benchmark's `tasks` and are
    in the order tried; `finals`, if there are more tasks, ran all of them: the best trials, and what the search tried
    from there, at most `finals_budget`. `chosen` is the best one's setting, None where all failed. `content` tells the
    benchmark's images and category words, as in run files; '' before they are looked at, and in records of version 1.
    `space` holds each option's range as declared, `widened` the values beyond it that were tried. `at_edge` names the
    options of which the best value is the first or last number tried: the budget was spent, or no option may be
    further out.
    """

    version: int = SCHEMA_VERSION
    note: str
    method: str
    tier: str
    benchmark: str
    content: str = ""
    backbone: str
    seeds: tuple[int, ...]
    criterion: str = ""
    tasks: int
    short_tasks: int
    space: Mapping[str, Sequence[Any]]
    space_size: int
    widened: Mapping[str, Sequence[Any]] = {}
    budget: int
    finals_budget: int = OLD_FINALS
    fixed: Mapping[str, Any]
    sampling: Mapping[str, Any]
    trials: tuple[Trial, ...] = ()
    finals: tuple[Trial, ...] = ()
    chosen: Mapping[str, Any] | None = None
    at_edge: tuple[str, ...] = ()
    complete: bool = False

    @model_validator(mode="before")
    @classmethod
    def _migrated(cls, content: Any) -> Any:
        if isinstance(content, Mapping) and content.get("version") in (1, 2):
            earlier = {"content": ""} if content["version"] == 1 else {}
            return {**content, **earlier, "version": SCHEMA_VERSION, "finals_budget": OLD_FINALS}
        return content

    def json_text(self) -> str:
        """The record as its file holds it: no dates, no absolute paths, so that the same tuning gives the same file."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def benchmark_name(spec: RunSpec) -> str:
    """What a record calls the benchmark that was tuned on."""
    return Path(spec.benchmark).resolve().name


def record_paths(spec: RunSpec, record: Path | None = None) -> dict[str, Path]:
    """Where each method's record goes: by default `<output>/tuning/<tier>/<method>.json`.

    Args:
        record: a folder, or for one method a file whose name ends in '.json'.

    Raises:
        UsageError: one file for several methods, a place that cannot be written, or one that holds the record of
            another method's tuning, or of one on another benchmark.
    """
    folder = record or spec.output / "tuning" / spec.tier
    names = [method.name for method in spec.methods]
    if folder.suffix == ".json" and not folder.is_dir():
        if len(names) > 1:
            raise UsageError(f"--record {folder} is one file for {len(names)} methods; name a folder.")
        paths = {names[0]: folder}
    else:
        paths = {name: folder / f"{re.sub(r'[^A-Za-z0-9_+.-]+', '-', name)}.json" for name in names}
    for path in paths.values():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=path.parent).close()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UsageError(f"{path} cannot be written ({reason}); choose another place with --record.") from None
    for name, path in paths.items():
        _check_own(path, name, benchmark_name(spec))
    return paths


def _kept(path: Path) -> Mapping[str, Any]:
    """What a record's file says; nothing if there is none, or none that is worth keeping."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) and {"method", "benchmark"} <= kept.keys() else {}


def _check_own(path: Path, method: str, benchmark: str) -> None:
    if not (kept := _kept(path)):
        return
    refuse_newer(path, kept.get("version"), SCHEMA_VERSION)
    found = (str(kept["method"]), str(kept["benchmark"]))
    if found != (method, benchmark):
        raise UsageError(
            f"{path} holds the record of a tuning of {found[0]} on {found[1]}; choose another place with --record."
        )


def check_images(path: Path, content: str) -> None:
    """A folder of photographs may hold others than when its name was tuned on.

    Raises:
        UsageError: the record is of other images or category words.
    """
    kept = _kept(path)
    if kept.get("content") and kept["content"] != content:
        raise UsageError(
            f"{path} holds the record of a tuning on other images, or other category words, of {kept['benchmark']}; "
            "choose another place with --record, or remove it."
        )
