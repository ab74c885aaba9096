"""Two runs beside each other: what changed in every figure, how sure that is, and what differs in their protocols.

Cells are matched by benchmark, tier, label and tasks run, and within a label by run seed. Finished cells
(`from_cells`) and committed reference results (`from_reference`) can stand on either side.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.formats.csv_cells import harmless
from harness.metrics.paired import Form
from harness.results import METRICS, CellResult, Metric
from harness.settings.presentation import MISSING
from reports.cells.apart import told_apart_in_both
from reports.compare.protocol_differences import differing, doubts, equal, same_backbone
from reports.statistics.entries import Entry, from_cells, from_reference
from reports.statistics.intervals import Interval, over_seeds, paired, paired_over_tasks
from reports.statistics.paired_images import IMAGES, MEANING, SEEDS, TASKS, Real, Scored, compared, score
from reports.statistics.paired_orders import OVER_ORDERS
from reports.statistics.wording import bounds, mean_and_spread, signed
from reports.tables.columns import Column, every
from reports.tables.measure_columns import columns_of, sources_apart
from reports.tables.sheets import Grid, Sheet
from reports.tables.sheets import to_markdown as sheets_to_markdown
from reports.tables.sheets import to_text as sheets_to_text
from reports.tables.summary import FLOORS, join, ranges

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Change", "Comparison", "Entry", "compare", "compare_entries", "from_cells", "from_reference"]

FROM_IMAGES: Mapping[Metric, Form] = {"a_mmd": "v", "a_mmd_unbiased": "u"}


@dataclass(frozen=True)
class Change:
    """One figure of one label in both runs. `difference` is second - first, in the unit of the printed column.

    `intervals`: what it is over -> the 95 % interval of the difference; only those that can be given. `seeds`: the run
    seeds that both have. `equal`: to five digits, seed by seed. `comparable`: both were measured in the same way.
    """

    benchmark: str
    tier: str
    backbone: str  # of the first
    label: str
    metric: Metric
    first: Interval
    second: Interval
    difference: float
    intervals: Mapping[str, Interval]
    seeds: tuple[int, ...]
    equal: bool
    comparable: bool
    of: Column | None = None  # how it is printed

    @property
    def verdict(self) -> str:
        """'better', 'worse', 'no clear change', 'equal' or 'open'; in brackets the intervals without zero, if not all.

        Of figures that are no scores 'higher' and 'lower' are said; 'not comparable' where the measurement differs.
        """
        if not self.comparable:
            return "not comparable"
        if self.equal:
            return "equal"
        if not self.intervals:
            return "open"
        clear = [name for name, interval in self.intervals.items() if interval.holds_zero is False]
        if not clear:
            return "no clear change"
        of = self.of
        better, worse = ("better", "worse") if of is not None and of.score else ("lower", "higher")
        word = better if (self.difference < 0) != (of is not None and of.higher) else worse
        return word if len(clear) == len(self.intervals) else f"{word} ({join(clear, '; ')})"


@dataclass(frozen=True)
class Comparison:
    """The comparison of two runs: changes by benchmark, what differs in the protocols, and what has no counterpart."""

    names: tuple[str, str]
    warnings: tuple[str, ...]
    differences: tuple[str, ...]
    unmatched: tuple[str, ...]
    changes: tuple[tuple[str, tuple[Change, ...]], ...]  # (title, changes of one benchmark, tier and tasks run)

    def sheets(self) -> list[Sheet]:
        """What differs first, with the warnings on top, then one sheet for each benchmark."""
        notes = [*self.differences, *self.unmatched]
        overview = Sheet(
            title=f"What differs between {join(self.names, ' and ')}",
            caption=" ".join(f"WARNING: {text}" for text in self.warnings),
            grids=(),
            notes=tuple(notes or ["Nothing: protocols, options, code, checkpoints and run seeds are the same."]),
        )
        return [overview, *(_sheet(title, changes, self.names) for title, changes in self.changes)]

    def to_markdown(self) -> str:
        """A page; ends with a newline."""
        return sheets_to_markdown(self.sheets(), f"Comparison of {join(self.names, ' and ')}")

    def to_text(self) -> str:
        """For terminals; ends with a newline."""
        return sheets_to_text(self.sheets())

    def to_csv(self) -> str:
        """The records as CSV; ends with a newline."""
        stream = io.StringIO()
        writer = csv.DictWriter(stream, _FIELDS, lineterminator="\n")
        writer.writeheader()
        for record, change in self._records():
            told = {**record, "seeds": join(change.seeds, " ")}
            writer.writerow({name: harmless(value) for name, value in told.items()})
        return stream.getvalue()

    def to_json(self) -> str:
        """Strict JSON: names, warnings, differences, unmatched, and a list of flat records; ends with a newline."""
        whole = {
            "names": list(self.names), "warnings": list(self.warnings), "differences": list(self.differences),
            "unmatched": list(self.unmatched), "changes": [record for record, _ in self._records()],
        }  # fmt: skip
        return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @property
    def frame(self) -> pd.DataFrame:
        """The differences, one figure of one method a row, with the columns of `compare --format csv`."""
        import pandas as pd

        return pd.DataFrame([record for record, _ in self._records()], columns=list(_FIELDS))

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        count = sum(len(changes) for _, changes in self.changes)
        return f"<Comparison of {join(self.names, ' and ')}: {count} differences; print it, or see .frame>"

    def _repr_html_(self) -> str:
        from reports.notebook import sheets_html

        return sheets_html(self.sheets())

    def _records(self) -> Iterable[tuple[dict[str, object], Change]]:
        for _, changes in self.changes:
            for change in changes:
                yield _record(change), change


def compare(
    first: Sequence[CellResult], second: Sequence[CellResult], names: tuple[str, str] = ("A", "B"),
    rename: Mapping[str, str] | None = None,
) -> Comparison:  # fmt: skip
    """Compare the finished cells of two runs; see `compare_entries`."""
    one, two = told_apart_in_both(first, second)
    return compare_entries(from_cells(one), from_cells(two), names, rename)


def compare_entries(
    first: Sequence[Entry], second: Sequence[Entry], names: tuple[str, str] = ("A", "B"),
    rename: Mapping[str, str] | None = None,
) -> Comparison:  # fmt: skip
    """Compare two runs, figure by figure.

    Args:
        first, second: from `from_cells` or `from_reference`. names: how the two are called in what is printed.
        rename: label in the first -> label in the second, for methods that changed theirs.

    Raises:
        StoreError: a features file is damaged.
    """
    first = [replace(entry, label=(rename or {}).get(entry.label, entry.label)) for entry in first]
    matched, alone = _matched(first, second)
    differences: dict[str, list[str]] = {}
    warnings: dict[str, list[str]] = {}
    groups: dict[str, list[Change]] = {}
    real = Real()
    for one, two in matched:
        for sentence in differing(one, two, names):
            differences.setdefault(sentence, []).append(one.name)
        scores = _scores(one, real), _scores(two, real)
        if not same_backbone(one, two):
            text = "Not the same backbone: the figures tell models apart as well as methods"
            warnings.setdefault(text, []).append(one.name)
        reasons = doubts(one, two, *scores)
        for reason in reasons:
            warnings.setdefault(f"The scores are not comparable: {reason}", []).append(one.name)
        scope = f"; partial: tasks {ranges(one.tasks)} of {one.tasks_total}" if one.partial else ""
        changes = groups.setdefault(f"{one.benchmark}, {one.tier} tier{scope}", [])
        changes += _changes(one, two, *scores, not reasons)
    everyone = [one.name for one, _ in matched]
    only = [
        f"Only in {name}: {join((e.name for e in side), ', ')}."
        for name, side in zip(names, alone, strict=True)
        if side
    ]
    return Comparison(
        names,
        tuple(f"{text} ({_who(users, everyone)})." for text, users in warnings.items()),
        tuple(f"{text} ({_who(users, everyone)})." for text, users in differences.items()),
        tuple(only if matched else ["No method is in both.", *only]),
        tuple((title, tuple(changes)) for title, changes in groups.items()),
    )


def _scores(entry: Entry, real: Real) -> dict[int, Scored]:
    """Run seed -> leave-one-out values of the cells that have features."""
    scores = {seed: score(cell, real) for seed, cell in entry.cells.items()}
    return {seed: found for seed, found in scores.items() if isinstance(found, Scored)}


def _who(users: Sequence[str], everyone: Sequence[str]) -> str:
    return "all methods" if len(users) == len(everyone) else join(users, ", ")


def _matched(
    first: Sequence[Entry], second: Sequence[Entry]
) -> tuple[list[tuple[Entry, Entry]], tuple[list[Entry], list[Entry]]]:
    """Pairs that nothing known tells apart first; then those that images, extractor or backbone do, where it is clear.

    What tells them apart is said of those: see `reports.compare.protocol_differences`.
    """

    def key(entry: Entry) -> tuple[object, ...]:
        name = entry.own_name or entry.benchmark
        return (name, entry.setting, entry.tier, entry.label, entry.tasks, entry.tasks_total)

    pairs: list[tuple[int, int]] = []
    for alike in (_alike, same_backbone, lambda one, two: True):
        rest = [i for i in range(len(first)) if i not in {a for a, _ in pairs}]
        others = [j for j in range(len(second)) if j not in {b for _, b in pairs}]

        def fits(i: int, j: int, alike: Callable[[Entry, Entry], bool] = alike) -> bool:
            return key(first[i]) == key(second[j]) and alike(first[i], second[j])

        for i in rest:
            found = [j for j in others if fits(i, j)]
            if len(found) == 1 and [k for k in rest if fits(k, found[0])] == [i]:
                pairs.append((i, found[0]))
    alone = (
        [entry for i, entry in enumerate(first) if i not in {a for a, _ in pairs}],
        [entry for j, entry in enumerate(second) if j not in {b for _, b in pairs}],
    )
    return [(first[a], second[b]) for a, b in sorted(pairs)], alone


def _alike(one: Entry, two: Entry) -> bool:
    known = ((one.content, two.content), (one.extractor, two.extractor))
    return same_backbone(one, two) and all(a == b for a, b in known if a and b)


def _changes(
    one: Entry, two: Entry, first: Mapping[int, Scored], second: Mapping[int, Scored], alike: bool
) -> Iterable[Change]:
    known = {c.metric: c for c in every()} | {
        c.metric: c for e in (one, two) for m in e.measures for c in columns_of(m)
    }
    edited = sources_apart((*one.measures, *two.measures))
    order = dict.fromkeys((*known, *METRICS, *one.whole))
    for metric in order:
        if metric not in one.whole or metric not in two.whole:
            continue
        of = known.get(metric)
        figures = one.whole[metric], two.whole[metric]
        seeds = sorted(figures[0].keys() & figures[1].keys())
        sides = [over_seeds(found[seed] for seed in (seeds or found)) for found in figures]
        assert sides[0] is not None
        assert sides[1] is not None
        intervals: dict[str, Interval] = {}
        images = compared(second, first, FROM_IMAGES[metric]) if metric in FROM_IMAGES else None
        if images is not None and list(images.shared) == seeds:
            intervals[IMAGES] = images.images
        by_task = of is not None and of.by_task
        if by_task and (tasks := paired_over_tasks(two.curves.get(metric, {}), one.curves.get(metric, {}))):
            intervals[TASKS] = tasks
        if over := paired(figures[1], figures[0]):
            intervals[SEEDS] = over
        scored = (of is not None and of.score) or metric in FLOORS
        yield Change(
            one.benchmark, one.tier, one.backbone, one.label, metric, sides[0], sides[1], sides[1].mean - sides[0].mean,
            {name: interval for name, interval in intervals.items() if interval.low is not None}, tuple(seeds),
            all(equal(figures[0][seed], figures[1][seed]) for seed in seeds) and bool(seeds),
            (alike or not scored) and metric.partition(".")[0] not in edited, of,
        )  # fmt: skip


def _sheet(title: str, changes: Sequence[Change], names: tuple[str, str]) -> Sheet:
    grids: list[Grid] = []
    for metric in dict.fromkeys(change.metric for change in changes):
        found = [change for change in changes if change.metric == metric]
        of = found[0].of
        over = [name for name in (IMAGES, TASKS, SEEDS) if any(name in change.intervals for change in found)]
        head = ("method", *names, f"{names[1]} less {names[0]}", *(f"95 % over {name}" for name in over), "verdict")
        grids.append(Grid(head, tuple(_line(change, over) for change in found), title=of.title if of else metric))
    notes = (
        f"{join(names, ' and ')}: mean ± sample standard deviation over the run seeds that both have (without ± "
        "where there is one only; over their own seeds where they share none, and then without intervals). The "
        "difference is paired: run seed by run seed, and within it task by task.",
        *(MEANING if any(_of_images(change) for change in changes) else (OVER_ORDERS,)),
        "Verdict: of scores, for which lower is better unless it is said, 'better' or 'worse' if every interval given "
        "leaves zero out, and with some in brackets if only those do; 'no clear change' if all hold zero; 'open' "
        "without any interval; 'equal' to five digits. Of other figures 'lower' or 'higher'. Nothing is corrected for "
        "the number of comparisons, and times compare only within one machine.",
    )
    return Sheet(title=title, caption="", grids=tuple(grids), notes=notes)


def _of_images(change: Change) -> bool:
    """Whether it is a score of single tasks, which are the same under every seed."""
    of = change.of
    return of is not None and of.score and of.by_task


def _line(change: Change, over: Sequence[str]) -> tuple[str, ...]:
    digits = change.of.digits if change.of else 2
    intervals = (bounds(change.intervals[name], digits) if name in change.intervals else MISSING for name in over)
    sides = (mean_and_spread(side, digits=digits) for side in (change.first, change.second))
    return (change.label, *sides, signed(change.difference, digits), *intervals, change.verdict)


_KINDS = {"images": IMAGES, "tasks": TASKS, "seeds": SEEDS}
_FIELDS = (
    "benchmark", "tier", "backbone", "method", "metric", "unit", "first", "second", "difference",
    *(f"{kind}_{bound}" for kind in _KINDS for bound in ("low", "high")), "seeds", "verdict",
)  # fmt: skip


def _record(change: Change) -> dict[str, object]:
    found = {kind: change.intervals.get(over) for kind, over in _KINDS.items()}
    return {
        "benchmark": change.benchmark, "tier": change.tier, "backbone": change.backbone, "method": change.label,
        "metric": change.metric, "unit": change.of.unit if change.of else "", "first": change.first.mean,
        "second": change.second.mean, "difference": change.difference,
        **{f"{kind}_{b}": _finite(i, b) for kind, i in found.items() for b in ("low", "high")},
        "seeds": list(change.seeds), "verdict": change.verdict,
    }  # fmt: skip


def _finite(interval: Interval | None, bound: str) -> float | None:
    value: float | None = getattr(interval, bound, None)
    return value if value is not None and math.isfinite(value) else None
