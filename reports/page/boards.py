"""Tables that the page prints beside the results: the leaderboard, the parts of measures, methods' own figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from harness.results import CellResult
from harness.settings.presentation import MISSING
from reports.page.views import Printed, Row, Sheet, View, heading, shown
from reports.tables import sheets as tables
from reports.tables.leaderboard import Standing, leaderboard, notes, place_text, scores
from reports.tables.measures import part_sheets

OF_OWN = (
    "What a method measures of itself, under names that it gives; which way is better it does not say, and no two "
    "methods' are compared. Means over tasks, then over run seeds; ±: sample standard deviation over seeds. Files have "
    "each task's: results.csv, metric METHOD.NAME."
)


@dataclass(frozen=True)
class Board:
    """One table, and the sentences under it."""

    sheet: Sheet
    notes: tuple[str, ...]


def boards(views: Sequence[View]) -> list[Board]:
    """One for each table in which methods can be compared."""
    return [Board(_sheet(view, found), notes(view.table)) for view in views if (found := leaderboard(view.table))]


def parts(views: Sequence[View]) -> list[Board]:
    """Of each measure that has parts, as the factors of an identity: a line for each, methods side by side."""
    return [_parts(view, sheet) for view in views for sheet in part_sheets(view.table)]


def own_figures(views: Sequence[View]) -> list[Board]:
    """Of each table in which a method measures something of itself (`Method.measures`): a line for each such figure."""
    return [board for view in views if (board := _own(view)).sheet.rows]


def _own(view: View) -> Board:
    first, last = view.table.tasks[0], view.table.tasks[-1]
    rows: list[Row] = []
    for label, cells in view.cells.items():
        prefix = f"{cells[0].method}."
        names = dict.fromkeys(row.metric for cell in cells for row in cell.rows if row.metric.startswith(prefix))
        rows += [
            Row(
                f"{label}: {name.removeprefix(prefix)}", "",
                tuple(_over_seeds(cells, name, task) for task in (None, *dict.fromkeys((first, last)))),
            )
            for name in names
        ]  # fmt: skip
    headings = ("figure", "mean over tasks", *(f"task {task}" for task in dict.fromkeys((first, last))))
    return Board(Sheet(view.table.caption, view.table.partial, (), headings, tuple(rows)), (OF_OWN,))


def _over_seeds(cells: Sequence[CellResult], metric: str, task: int | None) -> Printed | None:
    found = [
        row.value for cell in cells for row in cell.rows if row.metric == metric and row.task == task and not row.detail
    ]
    if not found:
        return None
    mean = fmean(found)
    return Printed(f"{mean:.4g}" + (f" ± {stdev(found):.2g}" if len(found) > 1 else ""), mean)


def _parts(view: View, sheet: tables.Sheet) -> Board:
    names = [row[0] for row in sheet.grids[0].rows]
    methods = sheet.grids[0].head[1:]
    rows = (
        Row(name, "", tuple(_number(text) for grid in sheet.grids for text in grid.rows[place][1:]))
        for place, name in enumerate(names)
    )
    groups = (("", 1), *((grid.title, len(methods)) for grid in sheet.grids))
    headings = ("part", *(method for _ in sheet.grids for method in methods))
    return Board(Sheet(sheet.title, view.table.partial, groups, headings, tuple(rows)), sheet.notes)


def _number(text: str) -> Printed | None:
    return None if text == MISSING else Printed(text, float(text))


def _sheet(view: View, standings: Sequence[Standing]) -> Sheet:
    columns = scores(view.table)
    figures = {column.metric: shown(view, column) for column in columns}
    rows: list[Row] = []
    for one in standings:
        label = one.line.label
        mean = None if one.mean_place is None else Printed(f"{one.mean_place:.1f}", one.mean_place)
        front = None if one.front is None else Printed("on it" if one.front else "", float(not one.front))
        own = (
            replace(figures[metric][label], interval=place_text(one.places[metric])) if metric in one.places else None
            for metric in figures
        )
        rows.append(Row(label, "", (mean, front, *own)))
    headings = ("method", "mean place", "Pareto front", *(heading(column, view.table) for column in columns))
    return Sheet(view.table.caption, view.table.partial, (), headings, tuple(rows))
