"""The tables as the page prints them: rows of text, with what to sort by and where each figure comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.results import CellResult, Metric
from reports.columns import COLUMNS, Column
from reports.summary import Line, Table, build_tables, by_label, groups, number

HEADLINE: tuple[Metric, ...] = ("a_mmd", "f_mmd")


@dataclass(frozen=True)
class Shown:
    """One figure: its text in parts, the number to sort by, and (table, line, metric) to find where it comes from."""

    mean: str
    spread: str
    interval: str
    value: float
    mark: str  # 'best' and 'second' by the printed mean, else ''
    source: str


@dataclass(frozen=True)
class Printed:
    """A published figure: text and the number to sort by."""

    text: str
    value: float


@dataclass(frozen=True)
class Row:
    """One line: its label, a remark on it, and what stands in the columns; None where there is nothing."""

    label: str
    remark: str
    cells: tuple[Shown | Printed | None, ...]


@dataclass(frozen=True)
class Sheet:
    """A table to print: `groups` are (title, number of columns) above the headings, '' over the first one."""

    caption: str
    partial: bool
    groups: tuple[tuple[str, int], ...]
    headings: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class View:
    """One results table with the cells it was made of: label -> cells, the labels as in `table.lines`."""

    number: int
    table: Table
    cells: Mapping[str, Sequence[CellResult]]

    @property
    def sheet(self) -> Sheet:
        """Our figures, and the paper's beside them where there are some for this benchmark."""
        published = self.table.published
        block = published.rows if published else {}
        theirs = [c for c in COLUMNS if any(c.metric in row for row in block.values())]
        ours = {column.metric: _shown(self, column) for column in COLUMNS}
        rows = [
            Row(line.label, "", (*(ours[c.metric].get(line.label) for c in COLUMNS), *_printed(block, line, theirs)))
            for line in self.table.lines
        ]
        here = {line.label for line in self.table.lines}
        nothing: tuple[None, ...] = (None,) * len(COLUMNS)
        rows += [
            Row(method, "paper only", (*nothing, *(_print(figures, column) for column in theirs)))
            for method, figures in block.items()
            if method not in here
        ]
        groups: tuple[tuple[str, int], ...] = ()
        if published:
            groups = (("", 1), ("measured", len(COLUMNS)), (f"published ({published.setting})", len(theirs)))
        headings = ("method", *map(title, COLUMNS), *map(title, theirs))
        return Sheet(self.table.caption, self.table.partial, groups, headings, tuple(rows))

    @property
    def notes(self) -> list[str]:
        """The sentences under the table, the warning about published figures first."""
        published = self.table.published
        return [*([published.caution(self.table.tier)] if published else []), *self.table.notes()]


def build_views(cells: Sequence[CellResult]) -> list[View]:
    """One for each table of `reports.summary.build_tables`, in the same order."""
    tables = build_tables(cells)
    return [
        View(number, table, by_label(group))
        for number, (table, group) in enumerate(zip(tables, groups(cells), strict=True))
    ]


def headlines(views: Sequence[View]) -> list[Sheet]:
    """The main figures of all benchmarks side by side, a sheet for each tier and backbone; partial ones apart."""
    together: dict[tuple[str, str, bool], list[View]] = {}
    for view in views:
        together.setdefault((view.table.tier, view.table.backbone, view.table.partial), []).append(view)
    return [_headline(f"{tier} tier, {backbone}", members) for (tier, backbone, _), members in together.items()]


def title(column: Column) -> str:
    """A column's heading with the power as people write it."""
    return column.title.replace("x10^3", "\N{MULTIPLICATION SIGN}10³")


def _headline(caption: str, views: Sequence[View]) -> Sheet:
    columns = [column for column in COLUMNS if column.metric in HEADLINE]
    figures = [_shown(view, column) for view in views for column in columns]
    labels = dict.fromkeys(line.label for view in views for line in view.table.lines)
    return Sheet(
        caption=caption,
        partial=views[0].table.partial,
        groups=(("", 1), *((f"{view.table.benchmark}; {view.table.scope}", len(columns)) for view in views)),
        headings=("method", *(title(column) for _ in views for column in columns)),
        rows=tuple(Row(label, "", tuple(figure.get(label) for figure in figures)) for label in labels),
    )


def _shown(view: View, column: Column) -> dict[str, Shown]:
    marks = dict.fromkeys(view.table.best(column), "best") | dict.fromkeys(view.table.second(column), "second")
    shown: dict[str, Shown] = {}
    for position, line in enumerate(view.table.lines):
        if figure := line.figures.get(column.metric):
            mean, spread = figure.parts(column)
            source = f"{view.number}/{position}/{column.metric}"
            interval = figure.interval(column)
            shown[line.label] = Shown(mean, spread, interval, figure.mean, marks.get(line.label, ""), source)
    return shown


def _printed(
    block: Mapping[str, Mapping[str, float]], line: Line, columns: Sequence[Column]
) -> tuple[Printed | None, ...]:
    # Only a method with its default options is what the paper measured.
    figures = block.get(line.label, {}) if line.label == line.method else {}
    return tuple(_print(figures, column) for column in columns)


def _print(figures: Mapping[str, float], column: Column) -> Printed | None:
    value = figures.get(column.metric)
    return None if value is None else Printed(number(value, column.digits), value)
