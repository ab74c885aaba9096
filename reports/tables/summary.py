"""From cells to tables: group what may be compared, average over seeds, keep the protocol."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness import registry
from harness.engine.budgets import Trained, unequal_budgets
from harness.formats.figure_text import number
from harness.results import FIXED_ORDER, CellResult, Measure, Metric, Row, measures_of
from harness.settings.presentation import VARIANTS
from harness.settings.shared_columns import SPREAD
from harness.spec import SettingName
from reports.attribution import credits_of
from reports.cells.apart import own_name, told_apart
from reports.cells.lines import by_label, groups, is_partial
from reports.cells.without_effect import without_effect
from reports.tables.columns import DOWN, UP, Column, convert, presentation
from reports.tables.measure_columns import columns_of, sources_apart
from reports.tables.published import Published, published_for

FLOORS: Mapping[Metric, str] = {
    "noise_floor": "noise floor (real images against real images)",
    "codec_floor": "codec floor (real images against their reconstructions)",
}
LEAST = 3  # generated images that an interval takes
TOLD = 3  # notes of a method's trainings that a table repeats
NO_INTERVAL = f"No 95 % intervals: they take {LEAST} generated images of each task at least, and there are fewer."
OVER_SEEDS = f"Mean over run seeds. {SPREAD}"
ALL_DOWN = "Lower is better in every column"


@dataclass(frozen=True)
class Figure:
    """A mean over seeds, in its column's unit.

    `spread` is the sample standard deviation, None with one seed. `low` and `high` are the means of the seeds' 95 %
    bounds, None where no seed has them. `seeds` counts the seeds that have the figure, `n` lists the rows' n.
    """

    mean: float
    spread: float | None
    low: float | None
    high: float | None
    seeds: int
    n: tuple[int, ...]

    def parts(self, column: Column) -> tuple[str, str]:
        """('2.18', '0.05'): mean and spread as printed, '' for the spread of one seed."""
        spread = "" if self.spread is None else f"{self.spread:.{column.digits}f}"
        return number(self.mean, column.digits), spread

    def text(self, column: Column) -> str:
        """'2.18 ± 0.05', without the interval; of one seed '2.18'."""
        return " ± ".join(part for part in self.parts(column) if part)

    def interval(self, column: Column) -> str:
        """'[1.90, 2.46]' in a column that prints intervals, '' elsewhere or where there is none."""
        if not column.interval or self.low is None or self.high is None:
            return ""
        return f"[{number(self.low, column.digits)}, {number(self.high, column.digits)}]"


@dataclass(frozen=True)
class Line:
    """One method: its label, its name, its seeds in ascending order, and metric -> figure.

    `parts`: (metric, part) -> the figure of what another metric's figure is made of, as of one factor of identities.
    """

    label: str
    method: str
    seeds: tuple[int, ...]
    figures: Mapping[Metric, Figure]
    parts: Mapping[tuple[Metric, str], Figure] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """The methods of one (benchmark, setting, tier, backbone, tasks run), partial ones apart from full ones.

    `tasks` holds the 1-based indices that were run, `lines` the methods in the order of first appearance, `protocol`
    (name, text) pairs, `floors` metric -> its figure (x 10^3) over all cells. `registered`: the registered benchmark
    that it is of, with published figures; empty for another one of that name. `measures`: metrics beside the
    setting's own that some line has. `apart`: why its names have more than
    others'; `cautions`: what keeps its figures from being compared or bounded; `credits`: whose images it is of; all
    three as sentences. `keeps`: label -> what a method keeps of earlier tasks' data, against the rule.
    """

    benchmark: str
    setting: SettingName
    title: str
    tier: str
    backbone: str
    partial: bool
    tasks: tuple[int, ...]
    tasks_total: int
    lines: tuple[Line, ...]
    protocol: tuple[tuple[str, str], ...]
    floors: Mapping[Metric, Figure]
    registered: str
    measures: tuple[Measure, ...] = ()
    apart: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    credits: tuple[str, ...] = ()
    keeps: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Those of the setting."""
        return presentation(self.setting).columns

    @property
    def every(self) -> tuple[Column, ...]:
        """Those of the setting, what only files hold, and other metrics'."""
        return (*presentation(self.setting).every, *(c for measure in self.measures for c in columns_of(measure)))

    @property
    def shown(self) -> tuple[Column, ...]:
        """Those of the setting, and one of each other metric: where a table may be wide."""
        return (*self.columns, *(columns_of(measure)[0] for measure in self.measures))

    @property
    def scope(self) -> str:
        """'20 tasks', or 'partial: tasks 1-3 of 50'."""
        if self.partial:
            return f"partial: tasks {ranges(self.tasks)} of {self.tasks_total}"
        return f"{self.tasks_total} task{'s' if self.tasks_total != 1 else ''}"

    @property
    def caption(self) -> str:
        """One line that says what the table is of."""
        return f"{self.title} ({self.benchmark}), {self.tier} tier, {self.backbone}; {self.scope}"

    @property
    def published(self) -> Published | None:
        """The published figures for this benchmark; never beside a partial table."""
        if self.partial or not self.registered:
            return None
        return published_for(self.registered, {line.method for line in self.lines})

    def ranks(self, column: Column) -> dict[str, int]:
        """Label -> its place by the printed mean, 1 the best; equal means share a place, none stays empty."""
        printed = {
            line.label: float(number(line.figures[column.metric].mean, column.digits))
            for line in self.lines
            if column.metric in line.figures
        }
        places = {mean: place for place, mean in enumerate(sorted(set(printed.values()), reverse=column.higher), 1)}
        return {label: places[mean] for label, mean in printed.items()}

    def best(self, column: Column) -> set[str]:
        """The labels of the lines with the best printed mean; none where there is nothing to compare."""
        ranks = self.ranks(column)
        return set() if len(ranks) < 2 else {label for label, place in ranks.items() if place == 1}

    def second(self, column: Column) -> set[str]:
        """The labels of the lines with the printed mean next to the best; none where fewer than three compare."""
        ranks = self.ranks(column)
        return set() if len(ranks) < 3 else {label for label, place in ranks.items() if place == 2}

    def notes(self, compact: bool = False, columns: Sequence[Column] = ()) -> list[str]:
        """The sentences under the table: spread, order, floors, n and protocol.

        Args:
            compact: without intervals. columns: what it shows, if not only `columns`.
        """
        shown = [column for column in columns or self.columns if column.compact or not compact]
        both = any(column.higher for column in shown)
        way = f"Higher is better in columns with {UP}, lower in those with {DOWN}" if both else ALL_DOWN
        best, next_best = ("best", "second best") if both else ("lowest", "second lowest")
        marks = (
            f"'*' marks the {best}, '+' the {next_best}" if compact else f"Bold marks the {best}, underlined the next"
        )
        notes = [
            *self.apart,
            *self.cautions,
            f"{OVER_SEEDS if self._one_order else presentation(self.setting).spread} Run seeds: {self._seeds()}.",
            f"{way}. {marks} mean as printed, and claims no significance.",
        ]
        if not compact and presentation(self.setting).legend:
            notes.append(presentation(self.setting).legend)
        intervals = (f.interval(c) for c in shown for line in self.lines if (f := line.figures.get(c.metric)))
        if not compact and any(intervals) and presentation(self.setting).interval:
            notes.append(presentation(self.setting).interval)
        for metric, name in FLOORS.items():
            if floor := self.floors.get(metric):
                notes.append(f"{name[0].upper()}{name[1:]}: {floor_text(floor)} x10^3 (n = {join(floor.n)}).")
        notes.append(
            "n (images, tasks or matrices that a figure is the mean of): "
            + ", ".join(f"{c.title.split(' (')[0]} {join(n)}" for c in shown if (n := self._n(c)))
            + "."
        )
        if kept := self._kept():
            notes.append(f"Kept between tasks beside weights and tokens, after the last one: {kept}.")
        told = [f"{name}: {text}" for name, text in self.protocol if name != VARIANTS]  # they have a table of their own
        notes.append("Protocol: " + ("; ".join(told) or "not recorded") + ".")
        return [*notes, *self.credits]

    def _kept(self) -> str:
        """'o-lora 0.41 MB, growing by 8.2 kB a task', of each method with a memory."""
        found: list[str] = []
        for line in self.lines:
            size, growth = (line.figures.get(metric) for metric in ("memory", "memory_growth"))
            if size is not None and size.mean > 0:
                grows = f", growing by {1000 * growth.mean:.3g} kB a task" if growth and growth.mean > 0 else ""
                found.append(f"{line.label} {size.mean:.3g} MB{grows}")
        return "; ".join(found)

    @property
    def _one_order(self) -> bool:
        """Whether all seeds have one class order, so that their spread is none over orders."""
        return dict(self.protocol).get("class order", "").endswith(FIXED_ORDER)

    def _seeds(self) -> str:
        users: dict[tuple[int, ...], list[str]] = {}
        for line in self.lines:
            users.setdefault(line.seeds, []).append(line.label)
        if len(users) == 1:
            return join(self.lines[0].seeds, ", ")
        return "; ".join(f"{join(seeds, ', ')} ({', '.join(labels)})" for seeds, labels in users.items())

    def _n(self, column: Column) -> list[int]:
        return sorted(
            {n for line in self.lines if column.metric in line.figures for n in line.figures[column.metric].n}
        )


def build_tables(cells: Sequence[CellResult]) -> list[Table]:
    """One table for each group of comparable cells, in the order of first appearance.

    A cell counts as partial if it says so, if one of its rows does, or if it ran fewer tasks than its benchmark has;
    it then never shares a table with a full one, nor with one of other tasks. What shares a name and is not the same is
    told apart first: see `reports.cells.apart`, and `reports.cells.lines.by_label` on what comes twice.
    """
    return [_table(group) for group in groups(told_apart(cells))]


def registered_name(cell: CellResult) -> str:
    """The registered benchmark that a cell is of, in its own order; empty where it only has that name."""
    return own_name(cell) if cell.registered and not cell.base else ""


def join(items: Iterable[object], separator: str = "/") -> str:
    """The items as text, joined."""
    return separator.join(map(str, items))


def ranges(tasks: Sequence[int]) -> str:
    """Ascending task numbers, runs shortened: (1, 2, 3, 7) -> '1-3, 7'; 'none' if there are none."""
    runs: list[list[int]] = []
    for task in tasks:
        if runs and task == runs[-1][1] + 1:
            runs[-1][1] = task
        else:
            runs.append([task, task])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs) or "none"


def floor_text(floor: Figure) -> str:
    """A floor's mean, with its interval where it has one."""
    interval = "" if floor.low is None or floor.high is None else f" [{number(floor.low, 2)}, {number(floor.high, 2)}]"
    return f"{number(floor.mean, 2)}{interval}"


def _table(cells: Sequence[CellResult]) -> Table:
    lines = by_label(cells)
    first = cells[0]
    current = [cell for group in lines.values() for cell in group]
    floors: dict[Metric, Figure] = {}
    for metric in FLOORS:
        floor = _figure([_whole(cell, metric) for cell in current], "1e-3")
        if floor is not None:
            floors[metric] = floor
    keeps = {label: group[0].keeps_data for label, group in lines.items() if group[0].keeps_data}
    return Table(
        benchmark=first.benchmark,
        setting=first.setting,
        title=first.title,
        tier=first.tier,
        backbone=first.backbone,
        partial=is_partial(first),
        tasks=tuple(sorted(task.index for task in first.tasks)),
        tasks_total=first.tasks_total,
        lines=tuple(_line(label, group) for label, group in lines.items()),
        protocol=merge_protocols({label: [cell.protocol for cell in group] for label, group in lines.items()}),
        floors=floors,
        registered=registered_name(first),
        measures=measures_of(current),
        credits=credits_of(current),
        apart=tuple(dict.fromkeys(why for cell in current for why in cell.apart)),
        keeps=keeps,
        cautions=tuple(
            filter(
                None,
                (
                    _budgets(lines),
                    without_effect(lines),
                    _few_images(current),
                    _edited(current),
                    *_kept(keeps),
                    *_told(lines),
                ),
            )
        ),
    )


def _budgets(lines: Mapping[str, Sequence[CellResult]]) -> str:
    firsts = {label: cells[0] for label, cells in lines.items()}
    first = next(iter(firsts.values()))
    trained = {label: Trained(cell.method, cell.options, cell.inherited) for label, cell in firsts.items()}
    return unequal_budgets(trained, first.tier, registry.setting(first.setting).budget)


def _kept(keeps: Mapping[str, str]) -> Iterator[str]:
    """Who breaks the rule that no data of earlier tasks are kept."""
    for label, what in keeps.items():
        yield f"{label} keeps {what}, against the rule that no data are kept."


def _told(lines: Mapping[str, Sequence[CellResult]]) -> Iterator[str]:
    """What was told of plugins while they trained or measured: what has nothing left to do would not tell it again."""
    for label, cells in lines.items():
        if notes := list(dict.fromkeys(note for cell in cells for note in cell.notes)):
            yield f"Told while {label} was trained: {_few(notes)}."
    every = [cell for cells in lines.values() for cell in cells]
    if notes := list(dict.fromkeys(note for cell in every for note in cell.measure_notes)):
        yield f"Told while metrics were made: {_few(notes)}."


def _few(notes: Sequence[str]) -> str:
    more = f"; and {len(notes) - TOLD} more, as `stamina-bench check` says" if len(notes) > TOLD else ""
    return "; ".join(note.rstrip(".") for note in notes[:TOLD]) + more


def _edited(cells: Sequence[CellResult]) -> str:
    if names := sources_apart(measure for cell in cells for measure in cell.measures):
        return (
            f"Not all figures of {join(names, ' and ')} are by the same code, as that was edited in between; "
            "`stamina-bench score` with --metrics makes them anew."
        )
    return ""


def _few_images(cells: Sequence[CellResult]) -> str:
    rows = (row for cell in cells for row in cell.rows if row.metric == "a_mmd_unbiased" and row.task is not None)
    return NO_INTERVAL if any(row.n < LEAST for row in rows) else ""


def _line(label: str, cells: Sequence[CellResult]) -> Line:
    figures: dict[Metric, Figure] = {}
    others = [column for measure in measures_of(cells) for column in columns_of(measure)]
    for column in (*presentation(cells[0].setting).every, *others):
        figure = _figure([_whole(cell, column.metric) for cell in cells], column.unit)
        if figure is not None:
            figures[column.metric] = figure
    return Line(label, cells[0].method, tuple(sorted(cell.seed for cell in cells)), figures, _parts(cells, others))


def _parts(cells: Sequence[CellResult], columns: Sequence[Column]) -> dict[tuple[Metric, str], Figure]:
    """Of other metrics: the means over tasks of what figures are made of."""
    units = {column.metric: column.unit for column in columns}
    rows: dict[tuple[Metric, str], list[Row | None]] = {}
    for cell in cells:
        for row in cell.rows:
            if row.metric in units and row.layer is not None and row.task is None:
                rows.setdefault((row.metric, row.layer), []).append(row)
    found = {key: _figure(own, units[key[0]]) for key, own in rows.items()}
    return {key: figure for key, figure in found.items() if figure is not None}


def _whole(cell: CellResult, metric: Metric) -> Row | None:
    """The cell's own row of that metric: not of a task, not of a layer. The last one, should there be several."""
    rows = [row for row in cell.rows if row.metric == metric and row.task is None and not row.detail]
    return rows[-1] if rows else None


def _figure(rows: Sequence[Row | None], unit: str) -> Figure | None:
    # a mean over nothing, as the forgetting of a single task, is no figure
    found = [row for row in rows if row is not None and row.n and math.isfinite(row.value)]
    if not found:
        return None
    values = [convert(row.value, row.unit, unit) for row in found]
    bounds = [
        (convert(row.low, row.unit, unit), convert(row.high, row.unit, unit))
        for row in found
        if row.low is not None and row.high is not None
    ]
    return Figure(
        mean=statistics.mean(values),
        spread=statistics.stdev(values) if len(values) > 1 else None,
        low=statistics.mean(low for low, _ in bounds) if bounds else None,
        high=statistics.mean(high for _, high in bounds) if bounds else None,
        seeds=len(values),
        n=tuple(sorted({row.n for row in found})),
    )


def merge_protocols(methods: Mapping[str, Iterable[Mapping[str, str]]]) -> tuple[tuple[str, str], ...]:
    """(name, text) pairs of the protocols that each label's cells ran under.

    What all methods share stands once; what differs names its methods, so that no difference stays hidden.
    """
    users: dict[str, dict[str, list[str]]] = {}
    for label, protocols in methods.items():
        for name, text in (pair for protocol in protocols for pair in protocol.items()):
            labels = users.setdefault(name, {}).setdefault(text, [])
            if label not in labels:
                labels.append(label)
    protocol: list[tuple[str, str]] = []
    for name, texts in users.items():
        shared = len(texts) == 1 and len(next(iter(texts.values()))) == len(methods)
        text = join(texts) if shared else "; ".join(f"{text} ({', '.join(labels)})" for text, labels in texts.items())
        protocol.append((name, text))
    return tuple(protocol)
