"""What a run leaves beside the store: a YAML file with its resolved configuration and its cells, and how it is read."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from harness.errors import UsageError
from harness.plan import Plan
from harness.results import CellResult, Row, TaskResult
from harness.spec import RunSpec
from harness.store import Store, write_atomically


def record(spec: RunSpec, plan: Plan) -> Path:
    """Write the resolved configuration, and which cells belong to it: what `report` and `--config` read."""
    resolved = spec.model_dump(mode="json")
    cells = [
        {
            "benchmark": c.benchmark, "title": c.title, "tier": c.tier, "backbone": c.backbone, "method": c.method,
            "label": c.label, "seed": c.seed, "options": c.options.model_dump(mode="json"), "partial": c.partial,
            "tasks_total": c.tasks_total, "score": c.score, "variant": c.variant,
            "tasks": [
                {"index": t.index, "name": t.name, "category": t.category, "real": real, "generated": final}
                for t, real, final in zip(c.tasks, c.real, c.final, strict=True)
            ],
        }
        for c in plan.cells
    ]  # fmt: skip
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(spec.benchmark).name).strip("-") or "run"
    digest = hashlib.sha256(json.dumps([resolved, cells], sort_keys=True).encode()).hexdigest()
    path = spec.output / "runs" / f"{name}-{spec.tier}-{digest[:10]}.yaml"
    if path.exists():
        os.utime(path)
    else:
        write_atomically(path, yaml.safe_dump({"spec": resolved, "cells": cells}, sort_keys=False, allow_unicode=True))
    return path


def read_cells(output: Path, record: Path | None = None) -> list[CellResult]:
    """Every finished cell of a results folder, in the order in which its runs were last asked for.

    Args:
        output: the results folder. record: one run's file, to read just its cells.

    Raises:
        UsageError: the folder holds no run.
    """
    files = [record] if record else sorted((output / "runs").glob("*.yaml"), key=lambda p: p.stat().st_mtime_ns)
    if not files:
        raise UsageError(f"{output} holds no runs; make one with `stamina-bench run mixed50 --methods stamina,ti++`.")
    store = Store(output / "store")
    cells: dict[tuple[object, ...], CellResult] = {}
    for path in files:
        try:
            described: list[Mapping[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["cells"]
        except (OSError, yaml.YAMLError, KeyError, TypeError):
            raise UsageError(f"{path} is damaged; delete it and run its command again.") from None
        for cell in described:
            found = _read_cell(cell, store)
            if found is not None:
                # two benchmarks can share a score (the same first tasks); the newest description of a cell counts
                identity = tuple(cell[k] for k in ("score", "benchmark", "tier", "backbone", "label", "tasks_total"))
                cells.pop(identity, None)
                cells[identity] = found
    return list(cells.values())


def _read_cell(cell: Mapping[str, Any], store: Store) -> CellResult | None:
    entry = store.get(cell["score"])
    if entry is None:
        return None
    scored = entry.json("figures.json")
    common = {k: cell[k] for k in ("benchmark", "tier", "backbone", "seed", "partial")}
    rows = tuple(Row(method=cell["label"], **common, **figure) for figure in scored["figures"])
    tasks = tuple(
        TaskResult(
            index=t["index"], name=t["name"], category=t["category"],
            real=store.folder(t["real"]) / "images", generated=store.folder(t["generated"]) / "images",
        )
        for t in cell["tasks"]
    )  # fmt: skip
    return CellResult(
        **common, title=cell["title"], method=cell["method"], label=cell["label"], options=cell["options"],
        variant=cell["variant"],
        tasks_total=cell["tasks_total"], tasks=tasks, protocol=scored["protocol"], rows=rows,
    )  # fmt: skip
