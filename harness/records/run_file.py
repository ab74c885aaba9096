"""What a run leaves beside the store: a YAML file with its resolved configuration and its cells, and how it is read."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import Field, TypeAdapter

from harness import registry
from harness.engine.plan import Plan
from harness.errors import MachineError, UsageError
from harness.metrics.scores import time_figures
from harness.records.old_identity import Recipes, identified
from harness.results import FIXED_ORDER, CellResult, Composition, Measure, PlainPrompt, Row, TaskResult, Unfinished
from harness.spec import Frozen, RunSpec, SettingName
from harness.store.artifacts import FIGURES
from harness.store.failures import read_failures, write_failures
from harness.store.identity import MadeBy
from harness.store.migrations import VERSION, migrate, refuse_newer, version_of
from harness.store.store import Store, write_atomically

T = TypeVar("T")
FEATURES, FAILURES = "features.safetensors", ".failures.json"
YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast: a run's file lists thousands of keys
Key = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]  # of a step in the store: nothing that could lead out of it
NAMED_DIGEST = re.compile(r"-([0-9a-f]{10})\.yaml$")


class TaskRecord(Frozen):
    """One task of a cell, with the keys of its steps in the store."""

    index: int = Field(ge=1)
    name: str
    category: str
    train: Key | None = Field(description="of its training; null: not known, of a file before version 3")
    real: Key | None = Field(description="of X_{D,j}, its real images; null: none, in a setting that draws nothing")
    real_features: Key | None = Field(description="of their features; null: not known, of a file before version 3")
    images: Mapping[int, Key] = Field(description="i -> of X_{i,j}, for each i that was asked for")
    features: Mapping[int, Key] = Field(description="i -> of the features of X_{i,j}")
    content: str = Field(
        description="hash of its images and category word, to tell apart what shares a name; empty: not known, of a "
        "file before version 7, or in a setting whose tasks differ from trial to trial"
    )


class CompositionRecord(Frozen):
    """One prompt with several concepts, and the key of its images in the store."""

    prompt: str
    tasks: tuple[int, ...]
    images: Key


class PlainRecord(Frozen):
    """One prompt without a custom token, and the keys of its images in the store."""

    prompt: str
    before: Key = Field(description="by the pre-trained model")
    after: Key = Field(description="by the model after the last task, from the same noise")


class CellRecord(Frozen):
    """One cell that a run asked for: (benchmark, tier, backbone, method, seed), and the keys of its steps."""

    benchmark: str
    setting: SettingName = Field(description="customization, classification, or a plugin's")
    title: str
    tier: str
    backbone: str
    method: str
    label: str = Field(description="the method's name, with its changed options in brackets")
    seed: int
    options: Mapping[str, Any] = Field(description="every option of the method")
    partial: bool = Field(description="whether only the first tasks of the benchmark were asked for")
    tasks_total: int = Field(description="how many tasks the benchmark has")
    score: Key = Field(description="key of its figures")
    variant: str = Field(description="tells apart what options do not: sources, checkpoints, device")
    order: int = Field(description="0: the benchmark's own order of tasks; k: the k-th shuffled one")
    base: str = Field(description="the benchmark's name without the order, where it has one")
    content: str = Field(
        description="hash of what its tasks are: those that were asked for, or where trials order them otherwise all "
        "of them in any order; empty: not known, of a file before version 7"
    )
    made_by: MadeBy = Field(description="sources, models and device, as short hashes")
    inherited: tuple[str, ...] = Field(
        description="options that say how much is trained and are the class's plain defaults, which are another tier's"
    )
    tasks: tuple[TaskRecord, ...] = Field(min_length=1)
    compositions: tuple[CompositionRecord, ...]
    plain: tuple[PlainRecord, ...] = Field((), description="drawn where a metric that was asked for looks at them")
    measures: Mapping[str, Key] = Field(description="name of a metric that was asked for -> key of its figures")


class RunRecord(Frozen):
    """A run's file, `runs/*.yaml`: what was asked for, and the cells that belong to it.

    Its name ends in the first ten hexadecimal digits of the SHA-256 of `[spec, cells]` as JSON with sorted keys. In
    JSON the numbers that are keys of `images` and `features` become strings.
    """

    schema_version: int = Field(json_schema_extra={"const": VERSION})
    spec: RunSpec
    cells: tuple[CellRecord, ...]


CELLS = TypeAdapter(tuple[CellRecord, ...])


def record(spec: RunSpec, plan: Plan) -> Path:
    """Write the resolved configuration, and which cells belong to it: what `report` and `--config` read.

    A file that says the same already is only marked as the newest; one that was damaged is written anew.
    """
    resolved = spec.model_dump(mode="json")
    cells = [
        {
            "benchmark": c.benchmark, "setting": c.setting, "title": c.title, "tier": c.tier, "backbone": c.backbone,
            "method": c.method, "label": c.label, "seed": c.seed, "options": c.options.model_dump(mode="json"),
            "partial": c.partial,
            "tasks_total": c.tasks_total, "score": c.score, "variant": c.variant, "order": c.order, "base": c.base,
            "content": c.content, "made_by": c.made_by.model_dump(), "inherited": list(c.inherited),
            "tasks": [
                {"index": task.index, "name": task.name, "category": task.category, **plan.setting.task_keys(c, place)}
                for place, task in enumerate(c.tasks)
            ],
            "compositions": [{"prompt": x.prompt, "tasks": list(x.tasks), "images": x.key} for x in c.compositions],
            "plain": [asdict(prompt) for prompt in c.plain], "measures": dict(c.measures),
        }
        for c in plan.cells
    ]  # fmt: skip
    content = {"schema_version": VERSION, "spec": resolved, "cells": cells}
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(spec.benchmark).name)[:80].strip("-") or "run"
    path = spec.output / "runs" / f"{name}-{spec.tier}-{_digest(content)}.yaml"
    if _holds(path, content):
        os.utime(path)
    else:
        write_atomically(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return path


def _digest(content: Mapping[str, Any]) -> str:
    """Of what every version holds, so that a run's file has one name whatever version wrote it."""
    text = json.dumps([content["spec"], content["cells"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _holds(path: Path, content: Mapping[str, Any]) -> bool:
    try:
        return path.exists() and parse_run_file(path) == content
    except UsageError:
        return False


def record_failures(run_file: Path, errors: Mapping[str, str], traces: Mapping[str, str] | None = None) -> None:
    """Keep why cells failed beside the run's file, until it is run again.

    Args:
        errors: key of the score -> first error. traces: the same, and keys of failed steps -> traceback of that error.
    """
    write_failures(run_file.with_suffix(FAILURES), errors, traces)


def parse_run_file(path: Path) -> Mapping[str, Any]:
    """What a run's file holds, as the version that wrote it has it; a newer one's is not looked into.

    Raises:
        UsageError: it is damaged: not what its name says.
    """
    try:
        content: Mapping[str, Any] = yaml.load(path.read_text(encoding="utf-8"), YAML_LOADER)
        named = NAMED_DIGEST.search(path.name)  # a file that someone renamed says nothing of its content
        if version_of(content) <= VERSION and named and named[1] != _digest(content):
            raise ValueError("not what its name says")
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
        raise _damaged(path) from None
    return content


def read_spec(run_file: Path) -> RunSpec:
    """What a run was asked for.

    Raises:
        UsageError: the file is damaged, or of a newer version.
    """
    try:
        return RunSpec.model_validate(_read(run_file)["spec"])
    except ValueError:
        raise _damaged(run_file) from None


def _read(path: Path) -> Mapping[str, Any]:
    """What a run's file holds, as the present version has it."""
    content = parse_run_file(path)
    refuse_newer(path, version_of(content), VERSION)
    try:
        content = migrate(content)
        return {name: content[name] for name in ("spec", "cells")}
    except (KeyError, TypeError, ValueError):
        raise _damaged(path) from None


def _damaged(path: Path) -> UsageError:
    return UsageError(f"{path} is damaged; delete it and run its command again.")


def run_files(output: Path) -> list[Path]:
    """Every run's file of a results folder, in the order in which the runs were last asked for."""
    return sorted((output / "runs").glob("*.yaml"), key=lambda path: path.stat().st_mtime_ns)


def each_run(
    files: Iterable[Path], read: Callable[[Path], T], left_out: Callable[[UsageError], object] | None
) -> Iterator[tuple[Path, T]]:
    """What `read` makes of each run's file; those of which it can make nothing do not keep it from the others.

    Args:
        left_out: is told of each of them; without it the first one ends the reading.

    Raises:
        UsageError: the last one's, if `read` can make nothing of any file.
    """
    failed: list[UsageError] = []
    read_any = False
    for path in files:
        try:
            found = read(path)
        except MachineError:  # no other file would fare better
            raise
        except UsageError as error:
            if left_out is None:
                raise
            failed.append(error)
            continue
        read_any = True
        yield path, found
    last = failed.pop() if failed and not read_any else None
    for other in failed:
        if left_out is not None:
            left_out(other)
    if last is not None:
        raise last


def read_cells(
    output: Path, record: Path | None = None, left_out: Callable[[UsageError], object] | None = None
) -> list[CellResult]:
    """Every finished cell of a results folder, in the order in which its runs were last asked for.

    Args:
        output: the results folder. record: one run's file, to read just its cells.
        left_out: is told of files that are damaged or of a newer version, which then do not keep it from the others.

    Raises:
        UsageError: the folder holds no run, or a file that is damaged or of a newer version (with `left_out`: only
            such files).
    """
    store = Store(output / "store")
    recipes = Recipes(store)
    cells: dict[tuple[object, ...], CellResult] = {}
    measures: dict[tuple[object, ...], Mapping[str, str]] = {}  # of whichever run they were asked for
    for path, spec, cell in _described(output, record, left_out):
        measures[_identity(cell)] = {**measures.get(_identity(cell), {}), **cell.measures}
        cell = cell.model_copy(update={"measures": measures[_identity(cell)]})
        found = _read_cell(identified(cell, recipes), store, path, spec)
        if found is not None:
            # two benchmarks can share a score (the same first tasks); the newest description of a cell counts
            cells.pop(_identity(cell), None)
            cells[_identity(cell)] = found
    return list(cells.values())


def read_unfinished(
    output: Path, record: Path | None = None, left_out: Callable[[UsageError], object] | None = None
) -> list[Unfinished]:
    """Every cell that a run was asked for and that is not in the store, with how far it came and why it stopped.

    Args, raises: as `read_cells`.
    """
    store = Store(output / "store")
    recipes = Recipes(store)
    cells: dict[tuple[object, ...], Unfinished] = {}
    for path, _, cell in _described(output, record, left_out):
        cells.pop(_identity(cell), None)
        if store.get(cell.score) is None:
            cell = identified(cell, recipes)
            trained = sum(task.train is not None and store.has(task.train) for task in cell.tasks)
            cells[_identity(cell)] = Unfinished(
                benchmark=cell.benchmark, tier=cell.tier, backbone=cell.backbone, label=cell.label, seed=cell.seed,
                trained=trained, tasks=len(cell.tasks), reason=failures(path).get(cell.score, ""),
                setting=cell.setting, content=cell.content, contents=tuple(task.content for task in cell.tasks),
                made_by=cell.made_by, order=cell.order, tasks_total=cell.tasks_total,
            )  # fmt: skip
    return list(cells.values())


def _described(
    output: Path, record: Path | None, left_out: Callable[[UsageError], object] | None
) -> Iterator[tuple[Path, Mapping[str, Any], CellRecord]]:
    """Each run's file, what was asked for, and one of its cells."""
    files = [record] if record else run_files(output)
    if not files:
        raise UsageError(f"{output} holds no runs; make one with `stamina-bench run mixed50 --methods stamina,ti++`.")
    for path, (spec, cells) in each_run(files, _asked, left_out):
        for cell in cells:
            yield path, spec, cell


def _asked(run_file: Path) -> tuple[Mapping[str, Any], tuple[CellRecord, ...]]:
    content = _read(run_file)
    return content["spec"], _cells(content, run_file)


def finished(run_file: Path) -> bool:
    """Whether the store has all that a run was asked for.

    Raises:
        UsageError: the file is damaged, or of a newer version.
    """
    store, cells = Store(run_file.parent.parent / "store"), described_cells(run_file)
    return bool(cells) and all(
        store.has(key)
        for cell in cells
        for key in (cell.score, *(each.images for each in cell.compositions), *cell.measures.values())
    )


def described_cells(run_file: Path) -> tuple[CellRecord, ...]:
    """The cells that a run asked for, finished or not.

    Raises:
        UsageError: the file is damaged, or of a newer version.
    """
    return _cells(_read(run_file), run_file)


def _cells(content: Mapping[str, Any], run_file: Path) -> tuple[CellRecord, ...]:
    try:
        return CELLS.validate_python(content["cells"])
    except ValueError:
        raise _damaged(run_file) from None


def _identity(cell: CellRecord) -> tuple[object, ...]:
    # what is scored on other images has another score
    return cell.score, cell.benchmark, cell.tier, cell.backbone, cell.label, cell.tasks_total


def failures(run_file: Path) -> Mapping[str, str]:
    """Why cells of a run failed when it was last run: key of the score -> first error."""
    return read_failures(run_file.with_suffix(FAILURES))


def _read_cell(cell: CellRecord, store: Store, run_file: Path, spec: Mapping[str, Any]) -> CellResult | None:
    """The cell's figures, or None where it is not finished. `spec`: what the run was asked for."""
    entry = store.get(cell.score)
    if entry is None:
        return None
    scored = entry.json(FIGURES)
    common = {k: getattr(cell, k) for k in ("benchmark", "tier", "backbone", "seed", "partial")}
    # seconds depend on the machine: they are no file of the step, whose bytes do not (but were, in older steps)
    times = [asdict(figure) for figure in time_figures(entry.manifest["facts"].get("train_seconds", []))]
    measured = [found.json(FIGURES) for key in cell.measures.values() if (found := store.get(key)) is not None]
    others = [figure for each in measured for figure in each["figures"]]
    rows = tuple(Row(method=cell.label, **common, **figure) for figure in (*scored["figures"], *times, *others))

    def drawn(key: str) -> Path | None:
        return folder if (folder := store.folder(key) / "images").is_dir() else None

    compositions = tuple(
        Composition(prompt=c.prompt, tasks=c.tasks, images=images)
        for c in cell.compositions
        if (images := drawn(c.images)) is not None
    )
    plain = tuple(
        PlainPrompt(prompt=p.prompt, before=before, after=after)
        for p in cell.plain
        if (before := drawn(p.before)) is not None and (after := drawn(p.after)) is not None
    )
    protocol = dict(scored["protocol"])
    if cell.made_by.extractor_name and "extractor" in protocol:  # of a hub's, older scores say half of the name
        protocol["extractor"] = re.sub("'.*'", lambda _: f"'{cell.made_by.extractor_name}'", protocol["extractor"])
    if spec.get("class_order") is not None and "class order" in protocol:  # a score does not know of it
        protocol["class order"] = f"{spec['class_order']} {FIXED_ORDER}"
    return CellResult(
        **common, setting=cell.setting, title=cell.title, method=cell.method, label=cell.label, options=cell.options,
        variant=cell.variant, order=cell.order, base=cell.base, tasks_total=cell.tasks_total,
        tasks=tuple(_read_task(task, store) for task in cell.tasks), protocol=protocol, rows=rows,
        compositions=compositions, plain=plain, key=cell.score, store=store.root, run_file=run_file,
        content=cell.content, made_by=cell.made_by, inherited=cell.inherited,
        measures=tuple(Measure(**each["metric"]) for each in measured), notes=_notes(cell, store),
        measure_notes=tuple(dict.fromkeys(note for key in cell.measures.values() for note in store.notes(key))),
        keeps_data=registry.methods(cell.setting).get(cell.method).keeps_data if _is_ours(cell) else "",
        # a registered name comes before a folder's; whatever else is asked for only happens to have the name
        registered=spec.get("benchmark") == (cell.base or cell.benchmark),
    )  # fmt: skip


def _is_ours(cell: CellRecord) -> bool:
    """Whether its method is built in."""
    return cell.setting in registry.settings().names() and registry.methods(cell.setting).is_ours(cell.method)


def _notes(cell: CellRecord, store: Store) -> tuple[str, ...]:
    """What was told while the cell was trained, and tested; only plugins have more to tell than of a disk."""
    if _is_ours(cell):
        return ()
    trained = [note for task in cell.tasks if task.train for note in store.notes(task.train)]
    return tuple(dict.fromkeys([*trained, *store.notes(cell.score, "told")]))


def _read_task(task: TaskRecord, store: Store) -> TaskResult:
    def file(key: str | None, name: str) -> Path | None:
        return None if key is None else store.folder(key) / name

    after = {i: store.folder(key) / "images" for i, key in sorted(task.images.items())}
    return TaskResult(
        index=task.index, name=task.name, category=task.category, real=file(task.real, "images"),
        generated=after[max(after)] if after else None, after=after, training=file(task.train, "training.json"),
        real_features=file(task.real_features, FEATURES),
        features={i: store.folder(key) / FEATURES for i, key in sorted(task.features.items())}, content=task.content,
    )  # fmt: skip
