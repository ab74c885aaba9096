"""Rounds of a tuning: one plan of the trials that all methods' searches want next, run by workers that stay."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from statistics import fmean, stdev

from harness import api
from harness.engine.devices import Slot
from harness.engine.display import Display
from harness.engine.plan import Cell, Step
from harness.engine.runner import Executor, Outcome, run
from harness.errors import BenchError
from harness.spec import MethodSpec, RunSpec
from harness.store.store import Store
from harness.tuning.pattern_search import Point
from harness.tuning.records import Trial, check_images
from harness.tuning.searches import Search

CHANGED = "A method's source, a model or an image changed while tuning; run the same command again."


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


class Rounds:
    """Runs settings, one plan a round; the executor, made when first needed, serves all rounds."""

    def __init__(
        self, spec: RunSpec, display: Callable[[], Display], executor: Callable[[api.Prepared], Executor],
        records: Iterable[Path],
    ) -> None:  # fmt: skip
        self.spec, self.display, self.executor, self.records = spec, display, executor, tuple(records)
        self.backbone, self.content, self.worked = "", "", False
        self._seen: dict[str, str] = {}
        self._shared: _Shared | None = None

    def run(self, wanted: Sequence[tuple[Search, Point]], tasks: int) -> dict[tuple[str, Point], Trial]:
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
                check_images(path, self.content)
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


def _trial(search: Search, point: Point, cells: Sequence[Cell], store: Store, outcome: Outcome) -> Trial:
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
    spread = {name: stdev(values) for name, values in figures.items() if len(values) > 1}
    return Trial(setting=setting, figures=means, spread=spread)
