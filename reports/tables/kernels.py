"""The scores by other kernels beside the main one: a table of its own, never mixed into the results tables."""

from __future__ import annotations

from collections.abc import Sequence

from harness.formats.figure_text import number
from harness.settings.presentation import MISSING, Column
from reports.tables.columns import presentation
from reports.tables.sheets import Grid, Sheet, ranked
from reports.tables.summary import Line, Table

UNKNOWN_KERNEL = (
    "Published figures have one column each for A and F: which kernel, normalisation and scale they were measured with "
    "is not published, and not known here."
)


def kernel_sheets(tables: Sequence[Table]) -> list[Sheet]:
    """One for each table of which at least one line has a score by another kernel than the main one."""
    return [_sheet(table) for table in tables if any(_has_variants(table, line) for line in table.lines)]


def _has_variants(table: Table, line: Line) -> bool:
    return any(column.metric in line.figures for column in presentation(table.setting).variants)


def _sheet(table: Table) -> Sheet:
    own = presentation(table.setting)
    grids = []
    published = table.published
    for metric in own.headline:
        main = next(column for column in own.columns if column.metric == metric)
        columns = (main, *(column for column in own.variants if column.metric.split(".")[0] == metric))
        head = ("method", *(f"{column.title} {column.arrow}" for column in columns))
        rows = tuple((line.label, *(_cell(line, column) for column in columns)) for line in table.lines)
        grids.append(ranked(Grid(head, rows, title=main.title), *range(1, len(head))))
        if published is not None and any(metric in row for row in published.rows.values()):
            rows = tuple((name, number(row[metric], 2)) for name, row in published.rows.items() if metric in row)
            grids.append(Grid(("method", f"{main.title} {main.arrow}"), rows, title=f"{main.title} as published"))
    told = dict(table.protocol)
    notes = [f"Main kernel: {told.get('kernel', 'not recorded')}."]
    if "kernel variants" in told:
        notes.append(f"Others: {told['kernel variants']}.")
    notes.append(
        "All by the biased estimator (V), mean over tasks, then over run seeds; ±: sample standard deviation over "
        "seeds, none of one seed. Bold marks the lowest, underlined the next mean as printed of a column."
    )
    if published is not None:
        notes += [UNKNOWN_KERNEL, published.caution(table.tier)]
    return Sheet(f"Other kernels: {table.caption}", "", tuple(grids), tuple(notes))


def _cell(line: Line, column: Column) -> str:
    figure = line.figures.get(column.metric)
    return MISSING if figure is None else figure.text(column)
