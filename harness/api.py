"""The run as a function: what the command line calls, and what a notebook may call, too."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from harness import registry
from harness.errors import UsageError, nearest
from harness.fingerprint import Fingerprints
from harness.method import Method
from harness.plan import Plan, Setting
from harness.results import CellResult, Row, TaskResult
from harness.runner import Progress, check
from harness.spec import Benchmark, MethodSpec, RunSpec, Sampling, Task, Tier
from harness.store import Store, write_atomically


@dataclass(frozen=True)
class Prepared:
    """A spec turned into a plan, with what the store has of it."""

    spec: RunSpec
    plan: Plan
    store: Store
    progress: Progress


def method_specs(names: str, changes: Sequence[str]) -> tuple[MethodSpec, ...]:
    """'stamina,ti++' and ['stamina.rank=8', 'steps=100'] as method specs.

    An assignment without a method's name goes to every method that has the option.

    Raises:
        UsageError: an unknown method or option, a malformed assignment.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if wanted == ["all"]:
        wanted = registry.methods().names()
    if not wanted:
        raise UsageError(f"--methods names no method; known: {', '.join(registry.methods().names())}.")
    if len(set(wanted)) < len(wanted):
        raise UsageError(f"--methods '{names}' names a method twice; name each once.")
    plugins = {name: registry.methods().get(name) for name in wanted}
    assigned: dict[str, dict[str, Any]] = {name: {} for name in wanted}
    for change in changes:
        left, equals, value = change.partition("=")
        left = left.strip()
        if not equals or not left:
            raise UsageError(f"--set '{change}' is not of the form option=value or method.option=value.")
        target, dot, option = left.rpartition(".")
        if dot and target not in plugins:
            raise UsageError(f"--set '{change}' names the method '{target}', which --methods does not.")
        homes = [target] if dot else [n for n, p in plugins.items() if option in p.options_class.model_fields]
        fields = {f for n in (homes or plugins) for f in plugins[n].options_class.model_fields}
        if not homes or option not in fields:
            close = nearest(option, fields)
            hint = f"did you mean {' or '.join(close)}" if close else f"known: {', '.join(sorted(fields))}"
            raise UsageError(f"--set '{change}': unknown option '{option}'; {hint}.")
        for name in homes:
            assigned[name][option] = yaml.safe_load(value)
    return tuple(MethodSpec(name=name, changes=assigned[name]) for name in wanted)


def find_benchmark(name: str, tier: str) -> Benchmark:
    """A registered benchmark, or a folder of the user's own photographs.

    Raises:
        UsageError: neither of both.
    """
    if name in registry.benchmarks().names() or ":" in name:
        return registry.benchmarks().get(name)
    if "/" in name or "\\" in name or name in (".", "..") or Path(name).exists():
        from harness.photo_benchmark import photo_benchmark

        return photo_benchmark(Path(name), tier)
    error = str(_unknown_benchmark(name))
    raise UsageError(error)


def _unknown_benchmark(name: str) -> UsageError:
    from harness.errors import unknown

    plain = str(unknown("benchmark", name, registry.benchmarks().names()))
    return UsageError(plain.rstrip("?.") + ", or a folder with one sub-folder of photographs per concept.")


def detect_device(device: str) -> str:
    """'cpu' or 'cuda', of 'auto', 'cpu', 'cuda' or 'cuda:N', without importing torch for 'cpu'.

    Raises:
        UsageError: something else, or a GPU where there is none.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise UsageError(f"Unknown device '{device}'; use auto, cpu, cuda or cuda:N.")
    if device == "cpu" or (device == "auto" and not Path("/proc/driver/nvidia/version").exists()):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "auto":
        return "cpu"
    raise UsageError(f"--device {device} needs a CUDA GPU that torch can see, and there is none; use --device cpu.")


def device_slots(device: str, kind: str) -> list[str]:
    """The devices that workers share: ['cpu'], ['cuda:1'], or every GPU."""
    if kind == "cpu" or ":" in device:
        return [device if ":" in device else kind]
    import torch

    return [f"cuda:{i}" for i in range(torch.cuda.device_count())]


def prepare(spec: RunSpec) -> Prepared:
    """Turn a spec into a plan; everything that can be wrong with it is said here, before any work.

    Raises:
        BenchError: unknown names, unusable options, folders or models.
    """
    tier: Tier = registry.tiers().get(spec.tier)
    benchmark = find_benchmark(spec.benchmark, tier.name)
    tasks: Sequence[Task] = benchmark.tasks(tier.name)
    total = len(tasks)
    chosen = [t for t in tasks if spec.tasks is None or t.index in spec.tasks]
    store = Store(spec.output / "store")
    store.prepare()
    fingerprints = Fingerprints(spec.output / "store" / "file-hashes.json")
    device = tier.device if spec.device == "auto" else spec.device
    backbone = str(Path(spec.backbone).expanduser()) if spec.backbone else tier.backbone
    if spec.backbone:
        tier = tier.model_copy(update={"resolution": own_resolution(backbone) or tier.resolution})
    try:
        sampling = Sampling.model_validate({**tier.sampling.model_dump(), **spec.sampling})
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"Sampling option '{first['loc'][0]}' cannot be {first['input']!r}: {first['msg'].lower()}."
        ) from None
    setting = Setting(
        tier=tier, sampling=sampling, backbone=backbone,
        backbone_name=Path(backbone).name if Path(backbone).is_dir() else backbone,
        backbone_hash=fingerprints.model(backbone, offline=spec.offline), extractor=tier.extractor,
        extractor_hash=_extractor_hash(tier.extractor, fingerprints), device_type=detect_device(device),
        dtype=spec.dtype or tier.dtype, offline=spec.offline,
    )  # fmt: skip
    plan = Plan(setting)
    for seed in spec.seeds:
        for method_spec in spec.methods:
            plugin: type[Method[Any]] = registry.methods().get(method_spec.name)
            try:
                options = plugin.options_class.for_tier(tier.name, method_spec.changes)
            except UsageError as error:
                raise UsageError(f"Method '{method_spec.name}': {error}") from None
            plan.add_cell(benchmark, chosen, total, method_spec.name, plugin, options, seed)
    fingerprints.save()
    return Prepared(spec, plan, store, check(plan, store))


def own_resolution(backbone: str) -> int | None:
    """Pixels along each side that a pipeline folder was made for, from its configuration files; None if unknown."""
    try:
        unet = json.loads((Path(backbone) / "unet" / "config.json").read_text(encoding="utf-8"))
        vae = json.loads((Path(backbone) / "vae" / "config.json").read_text(encoding="utf-8"))
        widths = vae.get("block_out_channels") or vae["encoder_block_out_channels"]
        return int(unet["sample_size"] * 2 ** (len(widths) - 1))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _extractor_hash(source: str, fingerprints: Fingerprints) -> str:
    return fingerprints.folder(Path(source)) if Path(source).is_dir() else source


def record(prepared: Prepared) -> Path:
    """Write the resolved configuration, and which cells belong to it: what `report` and `--config` read."""
    spec, plan = prepared.spec, prepared.plan
    resolved = spec.model_dump(mode="json")
    cells = [
        {
            "benchmark": c.benchmark, "title": c.title, "tier": c.tier, "backbone": c.backbone, "method": c.method,
            "label": c.label, "seed": c.seed, "options": c.options.model_dump(mode="json"), "partial": c.partial,
            "tasks_total": c.tasks_total, "score": c.score,
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


def read_cells(output: Path, only: Collection[str] | None = None) -> list[CellResult]:
    """Every finished cell of a results folder, in the order in which its runs were last asked for.

    Args:
        output: the results folder. only: keys of score steps, to read just these cells.

    Raises:
        UsageError: the folder holds no run.
    """
    files = sorted((output / "runs").glob("*.yaml"), key=lambda p: p.stat().st_mtime_ns)
    if not files:
        raise UsageError(f"{output} holds no runs; make one with `stamina-bench run mixed50 --methods stamina,ti++`.")
    store = Store(output / "store")
    cells: dict[str, CellResult] = {}
    for path in files:
        try:
            described: list[Mapping[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["cells"]
        except (yaml.YAMLError, KeyError, TypeError):
            raise UsageError(f"{path} is damaged; delete it and run its command again.") from None
        for cell in described:
            if cell["score"] not in cells and (only is None or cell["score"] in only):
                found = _read_cell(cell, store)
                if found is not None:
                    cells[cell["score"]] = found
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
        tasks_total=cell["tasks_total"], tasks=tasks, protocol=scored["protocol"], rows=rows,
    )  # fmt: skip
