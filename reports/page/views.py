"""The tables as the page prints them: rows of text, with what to sort by and where each figure comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness import registry
from harness.results import CellResult
from reports.cells.apart import told_apart
from reports.cells.lines import by_label, groups
from reports.tables.columns import Column, presentation
from reports.tables.published import Published
from reports.tables.summary import Line, Table, build_tables


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
    """A table to print: `groups` are (title, number of columns) above the headings, '' over the first one.

    `published`: how many columns at the end hold figures that were not measured here.
    """

    caption: str
    partial: bool
    groups: tuple[tuple[str, int], ...]
    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    published: int = 0


@dataclass(frozen=True)
class View:
    """One results table with the cells it was made of: label -> cells, the labels as in `table.lines`."""

    number: int
    table: Table
    cells: Mapping[str, Sequence[CellResult]]

    @property
    def pictures(self) -> bool:
        """Whether there are images to look at: a classifier draws none."""
        return registry.setting(self.table.setting).draws

    @property
    def sheet(self) -> Sheet:
        """Our figures, and published ones beside them where there are some for this benchmark."""
        published, columns = self.table.published, self.table.shown
        theirs = [c for c in columns if published and any(c.metric in row for row in published.rows.values())]
        ours = {column.metric: shown(self, column) for column in columns}
        rows: list[Row] = []
        for line in self.table.lines:
            measured = (ours[column.metric].get(line.label) for column in columns)
            rows.append(Row(line.label, "", (*measured, *_printed(published, line, theirs))))
        groups: tuple[tuple[str, int], ...] = ()
        if published:
            here = {line.label for line in self.table.lines}
            nothing: tuple[None, ...] = (None,) * len(columns)
            rows += [
                Row(method, f"{published.whose} only", (*nothing, *(_print(published, method, c) for c in theirs)))
                for method in published.rows
                if method not in here
            ]
            groups = (("", 1), ("measured", len(columns)), (f"published ({published.setting})", len(theirs)))
        headings = ("method", *(heading(column, self.table) for column in (*columns, *theirs)))
        return Sheet(self.table.caption, self.table.partial, groups, headings, tuple(rows), len(theirs))

    @property
    def notes(self) -> list[str]:
        """The sentences under the table, the warning about published figures first."""
        published = self.table.published
        return [
            *([published.caution(self.table.tier)] if published else []),
            *self.table.notes(columns=self.table.shown),
        ]


def build_views(cells: Sequence[CellResult]) -> list[View]:
    """One for each table of `reports.tables.summary.build_tables`, in the same order."""
    cells = told_apart(cells)
    tables = build_tables(cells)
    return [
        View(number, table, by_label(group))
        for number, (table, group) in enumerate(zip(tables, groups(cells), strict=True))
    ]


def headlines(views: Sequence[View]) -> list[Sheet]:
    """The main figures of all benchmarks side by side, one sheet a setting, tier and backbone; partial ones apart."""
    together: dict[tuple[str, str, str, bool], list[View]] = {}
    for view in views:
        table = view.table
        together.setdefault((table.setting, table.tier, table.backbone, table.partial), []).append(view)
    return [_headline(f"{tier} tier, {backbone}", members) for (_, tier, backbone, _), members in together.items()]


def title(column: Column) -> str:
    """A column's heading with the power as people write it."""
    return column.title.replace("x10^3", "\N{MULTIPLICATION SIGN}10³")


def heading(column: Column, table: Table) -> str:
    """The title, with the arrow that says which way is better where not all columns of the table have the same."""
    both = any(other.higher for other in table.shown)
    return title(column) + (f" {column.arrow}" if both else "")


def _headline(caption: str, views: Sequence[View]) -> Sheet:
    columns = [c for c in views[0].table.columns if c.metric in presentation(views[0].table.setting).headline]
    figures = [shown(view, column) for view in views for column in columns]
    labels = dict.fromkeys(line.label for view in views for line in view.table.lines)
    return Sheet(
        caption=caption,
        partial=views[0].table.partial,
        groups=(("", 1), *((f"{view.table.benchmark}; {view.table.scope}", len(columns)) for view in views)),
        headings=("method", *(heading(column, view.table) for view in views for column in columns)),
        rows=tuple(Row(label, "", tuple(figure.get(label) for figure in figures)) for label in labels),
    )


def shown(view: View, column: Column) -> dict[str, Shown]:
    """Label -> the figure of a column, of the lines that have it."""
    marks = dict.fromkeys(view.table.best(column), "best") | dict.fromkeys(view.table.second(column), "second")
    found: dict[str, Shown] = {}
    for position, line in enumerate(view.table.lines):
        if figure := line.figures.get(column.metric):
            mean, spread = figure.parts(column)
            source = f"{view.number}/{position}/{column.metric}"
            interval = figure.interval(column)
            found[line.label] = Shown(mean, spread, interval, figure.mean, marks.get(line.label, ""), source)
    return found


def _printed(block: Published | None, line: Line, columns: Sequence[Column]) -> tuple[Printed | None, ...]:
    # Only a method with its default options is what was measured there.
    found = block if line.label == line.method else None
    return tuple(_print(found, line.label, column) for column in columns)


def _print(block: Published | None, method: str, column: Column) -> Printed | None:
    text = block.text(method, column.metric, column.digits) if block else None
    return None if block is None or text is None else Printed(text, block.rows[method][column.metric])
