"""One method's search: its space and the values by which that may be widened, what stays fixed, its trials so far."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import api, registry
from harness.errors import UsageError
from harness.method import Method
from harness.settings.base import Setting
from harness.spec import MethodSpec, RunSpec, SettingName
from harness.tuning.pattern_search import PatternSearch, Point
from harness.tuning.ranges import FURTHEST, allowed, is_numbers, widened
from harness.tuning.records import Trial, TuningRecord, benchmark_name

SHORT = 6  # tasks on which a search tries its budget,
FINALISTS = 3  # run so many of these on all tasks,
FINALS = 4  # and try so many on all tasks in the end, the same number of every method


@dataclass
class Search:
    """One method's search.

    Attributes:
        beyond: Option -> the values before the range's first, nearest first, and those after its last.
        grid: The search on the first tasks. trials: what it tried. finals: what ran all tasks.
    """

    name: str
    changes: Mapping[str, Any]
    space: Mapping[str, Sequence[Any]]
    beyond: Mapping[str, tuple[Sequence[Any], Sequence[Any]]]
    fixed: Mapping[str, Any]
    budget: int
    tasks: int
    of: Setting
    trials: dict[Point, Trial] = field(default_factory=dict)
    finals: dict[Point, Trial] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.room = [(len(before), len(after)) for before, after in self.beyond.values()]
        self.sizes = [len(values) for values in self.space.values()]
        # where no finals come after it, it is the one that must see beyond the edges
        self.grid = PatternSearch(self.sizes, self.budget, room=self.room, edges_first=self.short_tasks == self.tasks)

    @property
    def short_tasks(self) -> int:
        """How many tasks a trial runs."""
        return min(SHORT, self.tasks)

    @property
    def long_grid(self) -> PatternSearch:
        """The search on all tasks, as far as it is."""
        known = {point: trial.score(self.of) for point, trial in self.finals.items()}
        return PatternSearch(self.sizes, FINALS, known, room=self.room, edges_first=True)

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
        """The options' values at a point."""
        return {option: self._value(option, at) for option, at in zip(self.space, point, strict=True)}

    def _value(self, option: str, at: int) -> Any:
        values, (before, after) = self.space[option], self.beyond[option]
        if at < 0:
            return before[-at - 1]
        return values[at] if at < len(values) else after[at - len(values)]

    def record(self, spec: RunSpec, backbone: str, content: str = "") -> TuningRecord:
        """The record of the search as far as it is."""
        best, size, benchmark = self.best, math.prod(self.sizes), benchmark_name(spec)
        return TuningRecord(
            criterion=self.of.criterion,
            note=f"Options of {self.name} at the tier {spec.tier}, chosen on {benchmark}: the best of at most "
            f"{self.budget} settings from {size}, and those by which ranges were widened. "
            f"Made by: {_command(spec, self)}",
            tasks=self.tasks, short_tasks=self.short_tasks,
            method=self.name, tier=spec.tier, benchmark=benchmark, content=content, backbone=backbone,
            seeds=spec.seeds,
            space={option: list(values) for option, values in self.space.items()}, space_size=size,
            widened=self._widened(), budget=self.budget,
            finals_budget=FINALS if self.tasks > self.short_tasks else 0, fixed=self.fixed,
            sampling=spec.protocols().get(self.of.protocol_name, {}), trials=tuple(self.trials.values()),
            finals=tuple(self.finals.values()),
            chosen=None if best is None else self.setting(best), at_edge=() if best is None else self._at_edge(best),
            complete=not self.grid.ask() and not self.wanted_finals(),
        )  # fmt: skip

    def _widened(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for axis, (option, size) in enumerate(zip(self.space, self.sizes, strict=True)):
            tried = sorted({point[axis] for point in (*self.trials, *self.finals)})
            if outside := [self._value(option, at) for at in tried if not 0 <= at < size]:
                found[option] = outside
        return found

    def _at_edge(self, best: Point) -> tuple[str, ...]:
        decided = self.long_grid if self.finals else self.grid
        options = list(self.space)
        open_ = dict.fromkeys(options[axis] for axis, _ in decided.open_sides(best))
        return tuple(option for option in open_ if len(self.space[option]) > 1 and is_numbers(self.space[option]))


def as_text(value: Any) -> str:
    """A value as `--set` takes it: 30 for 30.0, true for True."""
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return value if isinstance(value, str) else json.dumps(value)


def _command(spec: RunSpec, search: Search) -> str:
    words = ["stamina-bench", "tune", search.name, "--tier", spec.tier]
    for option, given in (("--benchmark", spec.benchmark), ("--backbone", spec.backbone)):
        if given is not None:
            words += [option, f"path/to/{Path(given).name}" if Path(given).is_absolute() else given]
    words += ["--holdout", str(spec.holdout)] if spec.holdout is not None else []
    words += ["--seeds", ",".join(map(str, spec.seeds)), "--budget", str(search.budget)]
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


def _search(spec: RunSpec, method: MethodSpec, budget: int, tasks: int, setting: SettingName) -> Search:
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
    options = plugin.options_for(setting)
    for option, values in space.items():
        if not values or any(value in values[:i] for i, value in enumerate(values)):
            raise UsageError(f"Method '{method.name}': search_space['{option}'] must be a list of distinct values.")
        for value in values:
            try:
                options.for_tier(spec.tier, {**method.changes, option: value})
            except UsageError as error:
                raise UsageError(f"Method '{method.name}', with {option}={value!r}: {error}") from None

    def beyond(option: str, side: int) -> list[Any]:
        def valid(value: Any) -> bool:
            try:
                options.for_tier(spec.tier, {**method.changes, option: value})
            except UsageError:
                return False
            return True

        return allowed(widened(space[option], FURTHEST, side), valid)

    fixed = fixed_options(plugin, spec.tier, method.changes, space, setting)
    ends = {option: (beyond(option, -1), beyond(option, 1)) for option in space}
    return Search(method.name, method.changes, space, ends, fixed, budget, tasks, registry.setting(setting))


def searches_of(spec: RunSpec, budget: int | None) -> list[Search]:
    """The searches of a spec's methods before their first trial.

    Raises:
        UsageError: a method has no space or one that cannot be searched, or the benchmark is not for tuning.
    """
    if budget is not None and budget < 1:
        raise UsageError(f"A budget of {budget} trials cannot choose anything; give at least 1.")
    tier = registry.tiers().get(spec.tier).name
    benchmark = api.find_benchmark(spec.benchmark, tier, holdout=spec.holdout)
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
