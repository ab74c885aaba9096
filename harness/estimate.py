"""What a plan will cost, from what finished steps of the same kind cost on this machine, or from nominal figures."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from statistics import median

from harness.api import Prepared
from harness.plan import NOMINAL
from harness.runner import default_jobs
from harness.store import MANIFEST


@dataclass(frozen=True)
class Cost:
    """Wall seconds on `jobs` workers, disk space, and what the estimate rests on."""

    seconds: float
    megabytes: float
    jobs: int
    basis: str


def estimate(prepared: Prepared) -> Cost:
    """The pending steps' cost. The longest chain of trainings bounds the time from below, whatever the workers."""
    seen: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for path in (prepared.store.root / "steps").glob(f"*/*/{MANIFEST}"):
        if path.parent.name.startswith("."):
            continue
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        seconds = manifest["facts"].get("seconds")
        if seconds is not None:
            size = sum(f["bytes"] for f in manifest["files"].values()) / 1e6
            recipe = manifest["recipe"]
            seen[recipe["kind"], recipe.get("method", "")].append((seconds, size))
    jobs = prepared.spec.jobs or default_jobs([prepared.plan.setting.device_type])
    seconds = megabytes = 0.0
    chains: dict[tuple[str, int], float] = defaultdict(float)
    for step in prepared.progress.pending:
        known = seen.get((step.kind, step.recipe.get("method", "")))
        cost = (median(c[0] for c in known), median(c[1] for c in known)) if known else NOMINAL[step.kind]
        seconds, megabytes = seconds + cost[0], megabytes + cost[1]
        if step.kind == "train" and len(step.parents) > 1:
            chains[step.recipe["method"], step.recipe["seed"]] += cost[0]
    basis = "from finished steps in this store" if seen else "nominal, for the mini tier on a CPU"
    return Cost(max(seconds / jobs, *chains.values(), 0.0) if chains else seconds / jobs, megabytes, jobs, basis)
