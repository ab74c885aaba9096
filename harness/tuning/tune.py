"""Chooses methods' options on the tuning sequence, with the same size of space and the same budget for each method.

A search tries its budget on the sequence's first tasks. The best few then run all of it (successive halving), and the
search goes on from the best of those, as a short sequence cannot show how forgetting adds up.

Every round makes one plan of the trials that all methods' searches want next, so that no worker waits for one method's
search. A trial is an ordinary cell in the ordinary store: a tuning that was killed finds its trials there and goes on.
"""

from __future__ import annotations

import json
import math
import re
import shlex
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from pydantic import model_serializer, model_validator

from harness import api, registry
from harness.engine.devices import Slot
from harness.engine.display import Display
from harness.engine.plan import Cell, Step
from harness.engine.runner import Executor, Outcome, run
from harness.errors import BenchError, UsageError
from harness.method import Method
from harness.settings.base import Setting
from harness.spec import Frozen, MethodSpec, RunSpec, SettingName
from harness.store.migrations import refuse_newer
from harness.store.store import Store, write_atomically
from harness.tuning.pattern_search import PatternSearch, Point

SHORT = 6  # tasks on which a search tries its budget,
FINALISTS = 3  # run so many of these on all tasks,
FINALS = 6  # and try so many on all tasks in the end
SCHEMA_VERSION = 2  # 1 did not say what the images are
CHANGED = "A method's source, a model or an image changed while tuning; run the same command again."


class Trial(Frozen):
    """One setting of the searched options, and how it did: the figures that tuning goes by, None where it failed.

    In JSON each figure is a field of its own, under its metric's name.
    """

    setting: Mapping[str, Any]
    figures: Mapping[str, float | None] = {}
    error: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, content: Any) -> Any:
        if not isinstance(content, Mapping) or "figures" in content:
            return content
        own = {name: value for name, value in content.items() if name in cls.model_fields}
        return {**own, "figures": {name: value for name, value in content.items() if name not in own}}

    @model_serializer
    def _spread(self) -> dict[str, Any]:
        return {"setting": dict(self.setting), **self.figures, "error": self.error}

    def score(self, setting: Setting) -> float:
        """What the search goes by, lower is better; infinite where it failed."""
        known = {name: value for name, value in self.figures.items() if value is not None}
        return setting.trial_score(known) if len(known) == len(setting.trial_metrics) else math.inf


class TuningRecord(Frozen):
    """What a method's tuning tried and chose, as kept in JSON.

    `fixed` holds the options outside the space that differ from the class's plain defaults, `sampling` what was changed
    of the tier's protocol. `trials` ran the first `short_tasks` of the benchmark's `tasks` and are in the order tried;
    `finals`, if there are more, ran all of them: the best trials, and what the search tried from there. `chosen` is the
    best one's setting, None where all failed. `content` tells the benchmark's images and category words, as in run
    files; '' before they are looked at, and in records of version 1.
    `at_edge` names the options of which the best value is the first or last number of its range.
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
    budget: int
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
        if isinstance(content, Mapping) and content.get("version") == 1:
            return {**content, "version": SCHEMA_VERSION, "content": ""}
        return content

    def json_text(self) -> str:
        """The record as its file holds it: no dates, no absolute paths, so that the same tuning gives the same file."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


@dataclass
class _Search:
    """One method's search: its space, what stays fixed, and its trials so far."""

    name: str
    changes: Mapping[str, Any]
    space: Mapping[str, Sequence[Any]]
    fixed: Mapping[str, Any]
    grid: PatternSearch
    tasks: int
    trials: dict[Point, Trial]
    finals: dict[Point, Trial]
    of: Setting

    @property
    def short_tasks(self) -> int:
        return min(SHORT, self.tasks)

    @property
    def long_grid(self) -> PatternSearch:
        """The search on all tasks, as far as it is."""
        return PatternSearch(
            self.grid.sizes, FINALS, {point: trial.score(self.of) for point, trial in self.finals.items()}
        )

    def wanted_finals(self) -> list[Point]:
        """Settings to run on all tasks next: first the best trials, then what the search from the best of them asks."""
        if self.tasks == self.short_tasks or self.grid.best is None:
            return []
        scores = {point: score for point, score in self.grid.scores.items() if math.isfinite(score)}
        missing = [p for p in sorted(scores, key=lambda p: scores[p])[:FINALISTS] if p not in self.finals]
        return missing or self.long_grid.ask()

    @property
    def best(self) -> Point | None:
        """The best of the finals; before there are any, the best trial."""
        return self.long_grid.best or self.grid.best

    def setting(self, point: Point) -> dict[str, Any]:
        return {option: values[i] for (option, values), i in zip(self.space.items(), point, strict=True)}

    def record(self, spec: RunSpec, backbone: str, content: str = "") -> TuningRecord:
        best = self.best
        size = math.prod(self.grid.sizes)
        benchmark = _benchmark_name(spec)
        return TuningRecord(
            criterion=self.of.criterion,
            note=f"Options of {self.name} at the tier {spec.tier}, chosen on {benchmark}: the best of at most "
            f"{self.grid.budget} of {size} settings. Made by: {_command(spec, self)}",
            tasks=self.tasks, short_tasks=self.short_tasks,
            method=self.name, tier=spec.tier, benchmark=benchmark, content=content, backbone=backbone,
            seeds=spec.seeds,
            space={option: list(values) for option, values in self.space.items()}, space_size=size,
            budget=self.grid.budget, fixed=self.fixed, 
            sampling=spec.protocols().get(self.of.protocol_name, {}), trials=tuple(self.trials.values()),
            finals=tuple(self.finals.values()),
            chosen=None if best is None else self.setting(best), at_edge=() if best is None else self._at_edge(best),
            complete=not self.grid.ask() and not self.wanted_finals(),
        )  # fmt: skip

    def _at_edge(self, best: Point) -> tuple[str, ...]:
        def numbers(values: Sequence[Any]) -> bool:
            return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)

        pairs = zip(self.space.items(), best, strict=True)
        return tuple(o for (o, values), i in pairs if len(values) > 1 and numbers(values) and i in (0, len(values) - 1))


def as_text(value: Any) -> str:
    """A value as `--set` takes it: 30 for 30.0, true for True."""
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return value if isinstance(value, str) else json.dumps(value)


def _command(spec: RunSpec, search: _Search) -> str:
    words = ["stamina-bench", "tune", search.name, "--tier", spec.tier]
    for option, given in (("--benchmark", spec.benchmark), ("--backbone", spec.backbone)):
        if given is not None:
            words += [option, f"path/to/{Path(given).name}" if Path(given).is_absolute() else given]
    words += ["--seeds", ",".join(map(str, spec.seeds)), "--budget", str(search.grid.budget)]
    changes = {f"{search.name}.{k}": v for k, v in search.changes.items()}
    changes |= {f"{name}.{k}": v for name, own in spec.protocols().items() for k, v in own.items()}
    for key, value in changes.items():
        words += ["--set", f"{key}={as_text(value)}"]
    return shlex.join(words)


def fixed_options(
    plugin: type[Method[Any]], tier: str, changes: Mapping[str, Any], searched: Mapping[str, Any],
    setting: SettingName = "customization",
) -> dict[str, Any]:  # fmt: skip
    """The options at a tier, with `changes`, that are not searched and differ from the class's plain defaults."""
    of = plugin.options_for(setting)
    options, plain = of.for_tier(tier, changes), of()
    return {k: v for k, v in options.model_dump(mode="json").items() if k not in searched and v != getattr(plain, k)}


def searchable(setting: SettingName = "customization") -> list[str]:
    """The registered methods that have something to tune; the others take over another method's options."""
    known = registry.methods(setting)
    return [name for name in known.names() if known.get(name).space_for(setting)]


def _search(spec: RunSpec, method: MethodSpec, budget: int, tasks: int, setting: SettingName) -> _Search:
    plugin: type[Method[Any]] = registry.methods(setting).get(method.name)
    space = plugin.space_for(setting)
    if not space:
        raise UsageError(
            f"Method '{method.name}' has nothing to tune; declare in its class which values each option may take, "
            "such as search_space = {'learning_rate': [1e-4, 1e-3, 1e-2]}."
        )
    for option in space:
        if option in method.changes:
            raise UsageError(f"--set {option}: '{method.name}' searches this option; leave it out, or set another one.")
    for option, values in space.items():
        if not values or any(value in values[:i] for i, value in enumerate(values)):
            raise UsageError(f"Method '{method.name}': search_space['{option}'] must be a list of distinct values.")
        for value in values:
            try:
                plugin.options_for(setting).for_tier(spec.tier, {**method.changes, option: value})
            except UsageError as error:
                raise UsageError(f"Method '{method.name}', with {option}={value!r}: {error}") from None
    fixed = fixed_options(plugin, spec.tier, method.changes, space, setting)
    grid = PatternSearch([len(values) for values in space.values()], budget)
    return _Search(method.name, method.changes, space, fixed, grid, tasks, {}, {}, registry.setting(setting))


def _searches(spec: RunSpec, budget: int | None) -> list[_Search]:
    if budget is not None and budget < 1:
        raise UsageError(f"A budget of {budget} trials cannot choose anything; give at least 1.")
    tier = registry.tiers().get(spec.tier).name
    benchmark = api.find_benchmark(spec.benchmark, tier)
    if not benchmark.tuning:
        known = registry.benchmarks()
        found = [(name, known.get(name)) for name in known.names()]
        names = [f"--benchmark {name}" for name, b in found if b.tuning and b.setting == benchmark.setting]
        raise UsageError(
            f"Options must not be chosen on the benchmarks they are compared on; use {' or '.join(names)}."
        )
    tasks = len(benchmark.tasks(tier))
    budget = registry.setting(benchmark.setting).trial_budget if budget is None else budget
    return [_search(spec, method, budget, tasks, benchmark.setting) for method in spec.methods]


def outline(spec: RunSpec, budget: int | None = None) -> list[TuningRecord]:
    """The records of a tuning before its first trial: spaces, budget and what stays fixed. Nothing is run or written.

    Raises:
        UsageError: as of `tune`.
    """
    searches, tier = _searches(spec, budget), registry.tiers().get(spec.tier)
    backbone = Path(spec.backbone or searches[0].of.default_backbone(tier)).name
    return [search.record(spec, backbone) for search in searches]


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
        _check_own(path, name, _benchmark_name(spec))
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


def _check_images(path: Path, content: str) -> None:
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


def _benchmark_name(spec: RunSpec) -> str:
    return Path(spec.benchmark).resolve().name


class _Shared:
    """An executor that outlives a round, so that its workers keep the models they have loaded."""

    def __init__(self, inner: Executor) -> None:
        self.inner, self.slots, self.closed = inner, inner.slots, False

    def submit(self, step: Step, slot: Slot) -> Future[float]:
        return self.inner.submit(step, slot)

    def restart(self, slot: Slot) -> bool:
        return self.inner.restart(slot)

    def close(self, *, kill: bool = False) -> None:
        if kill:
            self.finish(kill=True)

    def finish(self, *, kill: bool) -> None:
        if not self.closed:
            self.closed = True
            self.inner.close(kill=kill)


def local_executor(prepared: api.Prepared) -> Executor:
    """Worker processes on this machine."""
    from harness.executors.local import LocalExecutor

    return LocalExecutor(prepared.plan.context, prepared.store.root, api.slots_of(prepared))


def tune(
    spec: RunSpec,
    budget: int | None = None,
    *,
    display: Callable[[], Display],
    record: Path | None = None,
    executor: Callable[[api.Prepared], Executor] = local_executor,
) -> list[TuningRecord]:
    """Choose the options of each of the spec's methods, and keep a record of each.

    Args:
        spec: methods with what is fixed for all trials, tuning benchmark, tier, seeds and place of the store.
        budget: settings to try of each method; by default the setting's own budget.
        display: makes what shows a round's progress. executor: makes what runs the steps, once for all rounds.
        record: where the records go; see `record_paths`.

    Returns:
        The records, in the order of the spec's methods. A trial that fails counts as the worst, and is recorded.

    Raises:
        UsageError: a method has no search space, the benchmark is not for tuning, a place cannot be written, or holds
            the record of a tuning on other images.
        BenchError: what no setting is to blame for, such as a full disk; the same call again goes on.
    """
    searches = _searches(spec, budget)
    paths = record_paths(spec, record)
    rounds = _Rounds(spec, display, executor, paths.values())
    kept: dict[str, TuningRecord] = {}

    def keep(search: _Search) -> None:
        kept[search.name] = search.record(spec, rounds.backbone, rounds.content)
        if rounds.worked or kept[search.name].complete:  # trials found in the store rewrite nothing
            write_atomically(paths[search.name], kept[search.name].json_text())

    killed = True
    try:
        while wanted := [(search, point) for search in searches for point in search.grid.ask()]:
            found = rounds.run(wanted, wanted[0][0].short_tasks)
            for search in searches:
                asked = search.grid.ask()
                search.trials |= {point: found[search.name, point] for point in asked}
                if asked:
                    search.grid.tell({point: search.trials[point].score(search.of) for point in asked})
                    keep(search)
        while wanted := [(search, point) for search in searches for point in search.wanted_finals()]:
            found = rounds.run(wanted, wanted[0][0].tasks)
            for search in searches:
                search.finals |= {p: trial for (name, p), trial in found.items() if name == search.name}
                keep(search)
        killed = False
    finally:
        rounds.close(kill=killed)
    return [kept[method.name] for method in spec.methods]


class _Rounds:
    """Runs settings, one plan a round; the executor, made when first needed, serves all rounds."""

    def __init__(
        self, spec: RunSpec, display: Callable[[], Display], executor: Callable[[api.Prepared], Executor],
        records: Iterable[Path],
    ) -> None:  # fmt: skip
        self.spec, self.display, self.executor, self.records = spec, display, executor, tuple(records)
        self.backbone, self.content, self.worked = "", "", False
        self._seen: dict[str, str] = {}
        self._shared: _Shared | None = None

    def run(self, wanted: Sequence[tuple[_Search, Point]], tasks: int) -> dict[tuple[str, Point], Trial]:
        """How each setting did on the first `tasks` tasks. `worked` then says whether anything had to be computed."""
        specs = tuple(MethodSpec(name=s.name, changes={**s.changes, **s.setting(p)}) for s, p in wanted)
        first = tuple(range(1, tasks + 1))
        prepared = api.prepare(self.spec.model_copy(update={"methods": specs, "tasks": first, "keep_going": True}))
        self._same(prepared.plan.cells)
        if not self.content:
            plan = prepared.plan  # where trials differ, a cell's content is of all classes in any case
            per_trial = plan.setting.presentation.per_trial
            self.content = plan.cells[0].content if per_trial else plan.whole_content(prepared.benchmark, ())
            for path in self.records:
                _check_images(path, self.content)
        self.backbone, self.worked = prepared.plan.context.backbone_name, bool(prepared.progress.pending)
        outcome = Outcome()
        if self.worked:
            self._shared = self._shared or _Shared(self.executor(prepared))
            prepared.store.sweep()
            shown = self.display()
            prepared.store.damaged = shown.note
            outcome = run(prepared.plan, prepared.store, self._shared, prepared.progress, shown, keep_going=True)
        if outcome.blocked:
            raise BenchError(outcome.blocked[0].upper() + outcome.blocked[1:].rstrip(".") + ".")
        if outcome.errors and _keys(api.prepare(prepared.spec)) != _keys(prepared):
            raise BenchError(CHANGED)
        cells = prepared.plan.cells
        return {  # one cell for each seed
            (search.name, point): _trial(search, point, cells[i :: len(wanted)], prepared.store, outcome)
            for i, (search, point) in enumerate(wanted)
        }

    def _same(self, cells: Sequence[Cell]) -> None:
        """Make sure that all rounds are of the same images, models and code, as their scores are compared."""
        for cell in cells:
            now = {f"{cell.method} source": cell.made_by.source, "metrics": cell.made_by.metrics}
            now |= {"backbone": cell.made_by.backbone, "extractor": cell.made_by.extractor}
            # a round of a few tasks knows only theirs
            now |= {f"task {j}": content for j, content in enumerate(cell.contents, 1)} or {"classes": cell.content}
            if any(self._seen.setdefault(name, value) != value for name, value in now.items()):
                raise BenchError(CHANGED)

    def close(self, *, kill: bool) -> None:
        """Release the workers."""
        if self._shared is not None:
            self._shared.finish(kill=kill)


def _keys(prepared: api.Prepared) -> list[str]:
    return [cell.score for cell in prepared.plan.cells]


def _trial(search: _Search, point: Point, cells: Sequence[Cell], store: Store, outcome: Outcome) -> Trial:
    setting, names = search.setting(point), search.of.trial_metrics
    none = dict.fromkeys(names)
    figures: dict[str, list[float]] = {name: [] for name in names}
    for cell in cells:
        entry = store.get(cell.score)
        if entry is None:
            return Trial(setting=setting, figures=none, error=outcome.errors.get(cell.score, "not finished"))
        for figure in entry.json("figures.json")["figures"]:
            if figure["metric"] in figures and figure["task"] is None and figure["layer"] is None:
                figures[figure["metric"]].append(figure["value"])
    means = {name: fmean(values) for name, values in figures.items()}
    if not all(map(math.isfinite, means.values())):
        return Trial(setting=setting, figures=none, error="its scores are not finite")
    return Trial(setting=setting, figures=means)
