"""What a run leaves beside the store: a YAML file with its resolved configuration and its cells, and how it is read."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from harness.errors import UsageError
from harness.metrics.scores import time_figures
from harness.plan import Cell, Plan
from harness.results import CellResult, Composition, Row, TaskResult, Unfinished
from harness.spec import RunSpec
from harness.store import MANIFEST, Store, write_atomically

FEATURES, FAILURES = "features.safetensors", ".failures.json"
YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast: a run's file lists thousands of keys


def record(spec: RunSpec, plan: Plan) -> Path:
    """Write the resolved configuration, and which cells belong to it: what `report` and `--config` read."""
    resolved = spec.model_dump(mode="json")
    cells = [
        {
            "benchmark": c.benchmark, "title": c.title, "tier": c.tier, "backbone": c.backbone, "method": c.method,
            "label": c.label, "seed": c.seed, "options": c.options.model_dump(mode="json"), "partial": c.partial,
            "tasks_total": c.tasks_total, "score": c.score, "variant": c.variant, "order": c.order, "base": c.base,
            "tasks": [_task(c, position) for position in range(len(c.tasks))],
            "compositions": [{"prompt": x.prompt, "tasks": list(x.tasks), "images": x.key} for x in c.compositions],
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


def _task(cell: Cell, position: int) -> dict[str, Any]:
    task = cell.tasks[position]
    after = [i for i, j in cell.images if j == task.index]
    return {
        "index": task.index, "name": task.name, "category": task.category, "train": cell.trains[position],
        "real": cell.real[position], "real_features": cell.real_features[position],
        "images": {i: cell.images[i, task.index] for i in after},
        "features": {i: cell.features[i, task.index] for i in after},
    }  # fmt: skip


def record_failures(run_file: Path, errors: Mapping[str, str]) -> None:
    """Keep why cells failed (key of the score -> first error) beside the run's file, until it is run again."""
    path = run_file.with_suffix(FAILURES)
    if errors:
        write_atomically(path, json.dumps(dict(errors), indent=1, sort_keys=True) + "\n")
    else:
        path.unlink(missing_ok=True)


def read_spec(run_file: Path) -> RunSpec:
    """What a run was asked for.

    Raises:
        UsageError: the file is damaged, or of another version.
    """
    try:
        return RunSpec.model_validate(yaml.load(run_file.read_text(encoding="utf-8"), YAML_LOADER)["spec"])
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
        raise UsageError(f"{run_file} is damaged or of another version; run its command again.") from None


def read_cells(output: Path, record: Path | None = None) -> list[CellResult]:
    """Every finished cell of a results folder, in the order in which its runs were last asked for.

    Args:
        output: the results folder. record: one run's file, to read just its cells.

    Raises:
        UsageError: the folder holds no run.
    """
    store = Store(output / "store")
    cells: dict[tuple[object, ...], CellResult] = {}
    for path, cell in _described(output, record):
        found = _read_cell(cell, store, path)
        if found is not None:
            # two benchmarks can share a score (the same first tasks); the newest description of a cell counts
            cells.pop(_identity(cell), None)
            cells[_identity(cell)] = found
    return list(cells.values())


def read_unfinished(output: Path, record: Path | None = None) -> list[Unfinished]:
    """Every cell that a run was asked for and that is not in the store, with how far it came and why it stopped.

    Args, raises: as `read_cells`.
    """
    store = Store(output / "store")
    cells: dict[tuple[object, ...], Unfinished] = {}
    for path, cell in _described(output, record):
        cells.pop(_identity(cell), None)
        if store.get(cell["score"]) is None:
            trained = sum((store.folder(task["train"]) / MANIFEST).exists() for task in cell["tasks"])
            cells[_identity(cell)] = Unfinished(
                **{k: cell[k] for k in ("benchmark", "tier", "backbone", "label", "seed")},
                trained=trained, tasks=len(cell["tasks"]), reason=_failures(path).get(cell["score"], ""),
            )  # fmt: skip
    return list(cells.values())


def _described(output: Path, record: Path | None) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    files = [record] if record else sorted((output / "runs").glob("*.yaml"), key=lambda p: p.stat().st_mtime_ns)
    if not files:
        raise UsageError(f"{output} holds no runs; make one with `stamina-bench run mixed50 --methods stamina,ti++`.")
    for path in files:
        try:
            described: list[Mapping[str, Any]] = yaml.load(path.read_text(encoding="utf-8"), YAML_LOADER)["cells"]
        except (OSError, yaml.YAMLError, KeyError, TypeError):
            raise UsageError(f"{path} is damaged; delete it and run its command again.") from None
        for cell in described:
            if "compositions" not in cell:
                raise UsageError(f"{path} is of an earlier version; run its command again, which keeps what is there.")
            yield path, cell


def _identity(cell: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(cell[k] for k in ("score", "benchmark", "tier", "backbone", "label", "tasks_total"))


def _failures(run_file: Path) -> Mapping[str, str]:
    try:
        found: Mapping[str, str] = json.loads(run_file.with_suffix(FAILURES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _read_cell(cell: Mapping[str, Any], store: Store, run_file: Path) -> CellResult | None:
    entry = store.get(cell["score"])
    if entry is None:
        return None
    scored = entry.json("figures.json")
    common = {k: cell[k] for k in ("benchmark", "tier", "backbone", "seed", "partial")}
    # seconds depend on the machine: they are no file of the step, whose bytes do not
    times = [asdict(figure) for figure in time_figures(entry.manifest["facts"].get("train_seconds", []))]
    rows = tuple(Row(method=cell["label"], **common, **figure) for figure in (*scored["figures"], *times))
    compositions = tuple(
        Composition(prompt=c["prompt"], tasks=tuple(c["tasks"]), images=folder)
        for c in cell["compositions"]
        if (folder := store.folder(c["images"]) / "images").is_dir()
    )
    return CellResult(
        **common, title=cell["title"], method=cell["method"], label=cell["label"], options=cell["options"],
        variant=cell["variant"], order=cell["order"], base=cell["base"], tasks_total=cell["tasks_total"],
        tasks=tuple(_read_task(task, store) for task in cell["tasks"]), protocol=scored["protocol"], rows=rows,
        compositions=compositions, key=cell["score"], store=store.root, run_file=run_file,
    )  # fmt: skip


def _read_task(task: Mapping[str, Any], store: Store) -> TaskResult:
    after = {int(i): store.folder(key) / "images" for i, key in sorted(task["images"].items())}
    return TaskResult(
        index=task["index"], name=task["name"], category=task["category"], real=store.folder(task["real"]) / "images",
        generated=after[max(after)], after=after, training=store.folder(task["train"]) / "training.json",
        real_features=store.folder(task["real_features"]) / FEATURES,
        features={int(i): store.folder(key) / FEATURES for i, key in sorted(task["features"].items())},
    )  # fmt: skip
