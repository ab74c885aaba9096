"""Metrics that a run was asked for beside its setting's own figures: a table of their own."""

from __future__ import annotations

from collections.abc import Sequence

from harness.formats.figure_text import number
from harness.results import CellResult, Measure
from harness.settings.presentation import MISSING, Column
from reports.tables import sheets
from reports.tables.latex import document, to_latex
from reports.tables.markdown import to_markdown
from reports.tables.measure_columns import columns_of, unit_of
from reports.tables.sheets import Grid, Sheet, ranked
from reports.tables.summary import Line, Table, build_tables
from reports.tables.text import WIDTH, to_text

WHAT = ("after the last task", "just after each", "forgotten")
OF_THEM = (
    "After the last task: of X_{N,j}, the images that the last model draws of task j; just after each: of X_{j,j}; "
    "forgotten: by how much the first is worse than the second, over tasks j < N, so that lower is better. Means over "
    "tasks, then over run seeds; ±: sample standard deviation over seeds, none of one seed; in brackets the "
    "95 % interval of one seed's figure (jackknife over generated images, pairs of them in what was forgotten), with "
    "concepts, real images and trained models held fixed. Bold marks the best, underlined the next mean as printed."
)


BY_PART = (
    "Means over the tasks that have the part, then over run seeds. Files have each task's: results.csv, column layer."
)
LINES, AROUND = 42, 5  # of a page, and what a metric takes beside its lines


def measure_sheets(tables: Sequence[Table]) -> list[Sheet]:
    """Of each table of which at least one line has such metrics: so many on a sheet as fit a page, and parts apart."""
    found: list[Sheet] = []
    for table in tables:
        room = max(1, LINES // (len(table.lines) + AROUND))
        starts = range(0, len(table.measures), room)
        found += [_sheet(table, table.measures[first : first + room]) for first in starts]
        found += part_sheets(table)
    return found


def part_sheets(table: Table) -> list[Sheet]:
    """Of each metric that has parts, its parts by method: after the last task, and what was lost."""
    parted = {metric for line in table.lines for metric, _ in line.parts}
    return [_by_part(table, measure) for measure in table.measures if measure.name in parted]


def tables_as_text(cells: Sequence[CellResult], width: int = WIDTH) -> str:
    """All tables of some cells for terminals, those of other metrics last; ends with a newline unless it is empty."""
    tables = build_tables(cells)
    others = measure_sheets(tables)
    return "\n".join([*(to_text(table, width) for table in tables), *([sheets.to_text(others)] if others else [])])


def tables_as_markdown(cells: Sequence[CellResult]) -> str:
    """The same in Markdown, each table under a heading."""
    tables = build_tables(cells)
    return "\n\n".join([*map(to_markdown, tables), *map(sheets.section, measure_sheets(tables))])


def tables_as_latex(cells: Sequence[CellResult]) -> str:
    """The same as a LaTeX document of its own."""
    tables = build_tables(cells)
    return document([*map(to_latex, tables), *map(sheets.floated, measure_sheets(tables))])


def _sheet(table: Table, measures: Sequence[Measure]) -> Sheet:
    grids = []
    for measure in measures:
        columns = columns_of(measure)
        head = ("method", *(f"{what} {column.arrow}" for what, column in zip(WHAT, columns, strict=False)))
        rows = tuple((line.label, *(_cell(line, column) for column in columns)) for line in table.lines)
        grids.append(ranked(Grid(head, rows, title=f"{measure.title}{unit_of(measure)}"), *range(1, len(head))))
    meanings = [f"{measure.title}: {measure.summary}" for measure in measures if measure.summary]
    return Sheet(f"Other measures: {table.caption}", "", tuple(grids), (*meanings, OF_THEM))


def _by_part(table: Table, measure: Measure) -> Sheet:
    """A line for each part of a measure's figure, as each factor of an identity: at the end, and what was lost."""
    names = dict.fromkeys(part for line in table.lines for metric, part in line.parts if metric == measure.name)
    last, _, lost = columns_of(measure)
    head = ("part", *(line.label for line in table.lines))
    grids = (
        Grid(
            head,
            tuple((name, *(_part(line, column, name) for line in table.lines)) for name in names),
            title=f"{what} {column.arrow}",
        )
        for column, what in ((last, WHAT[0]), (lost, WHAT[2]))
    )
    return Sheet(f"{measure.title} by part: {table.caption}", "", tuple(grids), (BY_PART,))


def _part(line: Line, column: Column, name: str) -> str:
    figure = line.parts.get((column.metric, name))
    return MISSING if figure is None else number(figure.mean, column.digits)


def _cell(line: Line, column: Column) -> str:
    figure = line.figures.get(column.metric)
    return MISSING if figure is None else f"{figure.text(column)} {figure.interval(column)}".rstrip()
