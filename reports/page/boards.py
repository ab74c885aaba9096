"""The leaderboard as the page prints it: a line for each method, with places that a heading sorts by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reports.page.views import Printed, Row, Sheet, View, heading, shown
from reports.tables.leaderboard import Standing, leaderboard, notes, place_text, scores


@dataclass(frozen=True)
class Board:
    """One leaderboard, and the sentences under it."""

    sheet: Sheet
    notes: tuple[str, ...]


def boards(views: Sequence[View]) -> list[Board]:
    """One for each table in which methods can be compared."""
    return [Board(_sheet(view, found), notes(view.table)) for view in views if (found := leaderboard(view.table))]


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
