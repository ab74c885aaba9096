"""Chooses methods' options on the tuning sequence, with the same size of space and the same budget for each method.

A search tries its budget on the sequence's first tasks. The best few then run all of it (successive halving), and the
search goes on from the best of those, as a short sequence cannot show how forgetting adds up. It goes by one figure,
the mean over seeds of how well all tasks are known in the end, which contains what was forgotten.

A range whose best value lies at its edge is widened by its own steps, at most three values at each end: that is looked
at before anything else, and paid for by the same budget. So every method gets the same number of trials on the first
tasks and the same number on all, wherever its range was chosen to begin.

Every round makes one plan of the trials that all methods' searches want next, so that no worker waits for one method's
search. A trial is an ordinary cell in the ordinary store: a tuning that was killed finds its trials there and goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness import api, registry
from harness.engine.display import Display
from harness.engine.runner import Executor
from harness.spec import RunSpec
from harness.store.store import write_atomically
from harness.tuning.records import SCHEMA_VERSION, Trial, TuningRecord, record_paths
from harness.tuning.rounds import Rounds
from harness.tuning.searches import FINALISTS, FINALS, SHORT, Search, as_text, fixed_options, searchable, searches_of

__all__ = [
    "FINALISTS", "FINALS", "SCHEMA_VERSION", "SHORT", "Trial", "TuningRecord", "as_text", "fixed_options",
    "local_executor", "outline", "record_paths", "searchable", "tune",
]  # fmt: skip


def outline(spec: RunSpec, budget: int | None = None) -> list[TuningRecord]:
    """The records of a tuning before its first trial: spaces, budget and what stays fixed. Nothing is run or written.

    Raises:
        UsageError: as of `tune`.
    """
    searches, tier = searches_of(spec, budget), registry.tiers().get(spec.tier)
    backbone = Path(spec.backbone or searches[0].of.default_backbone(tier)).name
    return [search.record(spec, backbone) for search in searches]


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
    searches = searches_of(spec, budget)
    paths = record_paths(spec, record)
    rounds = Rounds(spec, display, executor, paths.values())
    kept: dict[str, TuningRecord] = {}

    def keep(search: Search) -> None:
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
