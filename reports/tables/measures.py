"""Metrics that a run was asked for beside its setting's own figures: a table of their own."""

from __future__ import annotations

from collections.abc import Sequence

from harness.formats.figure_text import number
from harness.settings.presentation import MISSING, NO_SPREAD, Column
from reports.tables.measure_columns import columns_of, unit_of
from reports.tables.sheets import Grid, Sheet, ranked
from reports.tables.summary import Figure, Line, Table

WHAT = ("after the last task", "just after each", "forgotten")
OF_THEM = (
    "After the last task: of X_{N,j}, the images that the last model draws of task j; just after each: of X_{j,j}; "
    "forgotten: by how much the first is worse than the second, over tasks j < N, so that lower is better. Means over "
    f"tasks, then over run seeds; ±: sample standard deviation over seeds, {NO_SPREAD} of one seed; in brackets the "
    "95 % interval of one seed's figure (jackknife over generated images, pairs of them in what was forgotten), with "
    "concepts, real images and trained models held fixed. Bold marks the best, underlined the next mean as printed."
)


def measure_sheets(tables: Sequence[Table]) -> list[Sheet]:
    """One for each table of which at least one line has such a metric."""
    return [_sheet(table) for table in tables if table.measures]


def _sheet(table: Table) -> Sheet:
    grids = []
    for measure in table.measures:
        columns = columns_of(measure)
        head = ("method", *(f"{what} {column.arrow}" for what, column in zip(WHAT, columns, strict=True)))
        rows = tuple((line.label, *(_cell(line, column) for column in columns)) for line in table.lines)
        grids.append(ranked(Grid(head, rows, title=f"{measure.title}{unit_of(measure)}"), *range(1, len(head))))
    meanings = [f"{measure.title}: {measure.summary}" for measure in table.measures if measure.summary]
    return Sheet(f"Other measures: {table.caption}", "", tuple(grids), (*meanings, OF_THEM))


def _cell(line: Line, column: Column) -> str:
    figure: Figure | None = line.figures.get(column.metric)
    if figure is None:
        return MISSING
    spread = NO_SPREAD if figure.spread is None else number(figure.spread, column.digits)
    return f"{number(figure.mean, column.digits)} ± {spread} {figure.interval(column)}".rstrip()
