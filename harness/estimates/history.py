"""What a run was estimated to take, and what it took: kept beside its results, one entry each time it worked.

`RESULTS/estimates/RUN.json` holds `{"attempts": [...]}`, oldest first. In each, for every kind of step: how many were
pending and how many were made, the estimated seconds of the latter and the seconds they took, and the most memory that
one took: of a GPU what its tensors held, on a CPU the whole process; 0 where it is not known.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.api import Prepared
from harness.errors import BenchError
from harness.estimates.estimate import Cost, estimate
from harness.store.store import MANIFEST, write_atomically

FOLDER = "estimates"
WORTH_SAYING_S = 60.0


def beforehand(prepared: Prepared) -> Cost | None:
    """The estimate of what is pending, where it can be had at once."""
    try:
        return estimate(prepared, cheaply=True)
    except BenchError:  # an estimate is no reason to refuse a run
        return None


def keep(prepared: Prepared, cost: Cost, seconds: float, run_file: Path) -> dict[str, Any]:
    """Add an entry: `seconds` is the wall time that the run worked. Gives it back."""
    pending = prepared.progress.pending
    found = {step.key: facts for step in pending if (facts := _facts(prepared, step.key)) is not None}
    kinds: dict[str, dict[str, float]] = {}
    for kind, count in Counter(step.kind for step in pending).items():
        made = [step.key for step in pending if step.kind == kind and step.key in found]
        kinds[kind] = {
            "steps": count,
            "made": len(made),
            "estimated_s": round(sum(cost.steps[key] for key in made), 3),
            "taken_s": round(sum(found[key]["seconds"] for key in made), 3),
            "peak_memory_bytes": max((found[key].get("peak_memory_bytes") or 0 for key in made), default=0),
        }
    context = prepared.plan.context
    entry = {
        "basis": cost.basis, "device": context.device_type, "dtype": context.dtype, "workers": cost.jobs,
        "estimated_wall_s": round(cost.seconds, 3), "taken_wall_s": round(seconds, 3),
        "finished": len(found) == len(pending), "kinds": kinds,
    }  # fmt: skip
    path = prepared.spec.output / FOLDER / f"{run_file.stem}.json"
    with suppress(OSError):  # on a full disk: the run itself says so
        write_atomically(path, json.dumps({"attempts": [*_read(path), entry]}, indent=1, sort_keys=True) + "\n")
    return entry


def sentence(entry: Mapping[str, Any]) -> str:
    """'Estimated 6 min, took 7 min.'; empty for a run that did not finish, or was over soon."""
    estimated, taken = entry["estimated_wall_s"], entry["taken_wall_s"]
    if not entry["finished"] or max(estimated, taken) < WORTH_SAYING_S:
        return ""
    return f"Estimated {duration(estimated)}, took {duration(taken)}."


def duration(seconds: float) -> str:
    """'48 s', '6 min', '2.4 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def attempts(output: Path) -> dict[str, list[Mapping[str, Any]]]:
    """What the runs of a results folder took: run -> entries, oldest first."""
    return {path.stem: found for path in sorted((output / FOLDER).glob("*.json")) if (found := _read(path))}


def _read(path: Path) -> list[Mapping[str, Any]]:
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["attempts"])
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _facts(prepared: Prepared, key: str) -> Mapping[str, Any] | None:
    """What a step's manifest says of its making; None where it is not made."""
    try:
        manifest = json.loads((prepared.store.folder(key) / MANIFEST).read_text(encoding="utf-8"))
        return {**manifest["facts"], "seconds": float(manifest["facts"]["seconds"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None
