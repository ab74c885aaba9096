"""Paired differences between methods in the classification setting: the same class orders in both, one interval."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from harness.results import CellResult, Metric
from harness.settings.presentation import NO_SPREAD
from reports.statistics.entries import Entry, from_cells
from reports.statistics.intervals import paired
from reports.statistics.wording import bounds, signed
from reports.tables.columns import presentation
from reports.tables.sheets import Grid, Sheet
from reports.tables.summary import join, ranges

METRICS: tuple[Metric, ...] = ("a_n", "a_n_mean", "forgetting_max", "forgetting_step")
REFERENCE = "stamina"
OVER_ORDERS = (
    "95 % over class orders: t interval of the run seeds' differences; a run seed draws the order of the classes with "
    "all else that is random. The images are held fixed: what another order, and training anew, would change; "
    f"{NO_SPREAD} where there is one only."
)
Group = tuple[str, str, str, tuple[int, ...], bool]
"""Benchmark, tier, backbone, tasks run, and whether they are not all."""


def class_order_sheets(cells: Sequence[CellResult], reference: str = REFERENCE) -> list[Sheet]:
    """One sheet a group with at least two methods: every method against `reference`, or the first where it lacks."""
    return [_sheet(group, entries, reference) for group, entries in _groups(cells).items() if len(entries) > 1]


def pairwise_rows(cells: Sequence[CellResult]) -> Iterable[tuple[object, ...]]:
    """Every pair of methods of every group, first less second, as lines of
    `reports.statistics.paired_images.pairwise_csv`; in %.
    """
    for (benchmark, tier, backbone, tasks, _), entries in _groups(cells).items():
        for metric in METRICS:
            for first, second in itertools.combinations(entries, 2):
                one, two = first.whole.get(metric, {}), second.whole.get(metric, {})
                found = paired(one, two)
                if found is not None:
                    seeds = join(sorted(one.keys() & two.keys()), " ")
                    intervals = (None, None, None, None, found.low, found.high)
                    names = (benchmark, tier, backbone, ranges(tasks), metric, first.label, second.label)
                    yield (*names, found.mean, *intervals, None, len(tasks), seeds, "%")


def _groups(cells: Sequence[CellResult]) -> dict[Group, list[Entry]]:
    groups: dict[Group, list[Entry]] = {}
    for entry in from_cells([cell for cell in cells if presentation(cell.setting).per_trial]):
        group = (entry.benchmark, entry.tier, entry.backbone, entry.tasks, entry.partial)
        groups.setdefault(group, []).append(entry)
    return groups


def _sheet(group: Group, entries: Sequence[Entry], reference: str) -> Sheet:
    base = next((entry for entry in entries if entry.label == reference), entries[0])
    grids: list[Grid] = []
    seeds: dict[tuple[int, ...], list[str]] = {}
    alone: list[str] = []
    for column in presentation(base.setting).columns:
        lines: list[tuple[float, tuple[str, ...]]] = []
        for entry in entries:
            ours, theirs = entry.whole.get(column.metric, {}), base.whole.get(column.metric, {})
            found = paired(ours, theirs) if column.metric in METRICS and entry is not base else None
            if found is None:
                if entry is not base and column.metric == "a_n":
                    alone.append(entry.label)
                continue
            if column.metric == "a_n":
                seeds.setdefault(tuple(sorted(ours.keys() & theirs.keys())), []).append(entry.label)
            inside = {None: NO_SPREAD, True: "yes", False: "no"}[found.holds_zero]
            line = (entry.label, signed(found.mean), bounds(found), str(found.n), inside)
            lines.append((-found.mean if column.higher else found.mean, line))
        if lines:
            head = ("method", "difference (%)", "95 % over class orders", "class orders", "zero inside")
            rows = tuple(line for _, line in sorted(lines))
            grids.append(Grid(head, rows, title=f"{column.title} less {base.label}'s, best first"))
    users = "; ".join(
        join(shared, ", ") + (f" ({', '.join(labels)})" if len(seeds) > 1 else "") for shared, labels in seeds.items()
    )
    notes = [
        "Difference: mean over class orders, in points of %, of the figures under the same run seed. Of A_N and the "
        f"mean of A_1..A_N above zero the method is more accurate than {base.label}, of forgetting it forgets more. "
        f"Run seeds that both have: {users or 'none'}.",
        OVER_ORDERS,
        "Zero inside: whether the interval holds zero. Nothing is corrected for the number of comparisons: of twenty "
        "differences that are truly zero, one interval is expected to leave zero out.",
    ]
    if alone:
        notes.append(f"Without a run seed in common with {base.label}: {', '.join(alone)}.")
    benchmark, tier, backbone, tasks, partial = group
    scope = f"; partial: tasks {ranges(tasks)}" if partial else ""
    return Sheet(
        title=f"Paired differences in accuracy against {base.label}: {benchmark}, {tier} tier, {backbone}{scope}",
        caption="Same classes, images and class orders in both methods of a pair.",
        grids=tuple(grids),
        notes=tuple(notes),
    )
