"""Which scores put the methods in the same order: Kendall's tau-b of each pair of them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.formats.figure_text import number
from harness.settings.presentation import MISSING
from reports.statistics.intervals import agreement
from reports.tables.leaderboard import printed_means, scores
from reports.tables.sheets import Grid, Sheet
from reports.tables.summary import Table

FEWEST = 3  # methods, of which an order says anything
NOTES = (
    "Kendall's tau-b between the methods' orders by two scores, printed means with the better one first: 1 is the same "
    f"order, -1 the opposite one, 0 as many pairs of methods in the same order as not. {MISSING}: fewer than {FEWEST} "
    "methods have both, or one of both ties them all. Column k is the score of line k.",
    "It is of these methods, however many there are, and no interval is given: scores of the same images share their "
    "noise, so that they agree more closely than scores of other images of the same methods would.",
)


def agreement_sheets(tables: Sequence[Table]) -> list[Sheet]:
    """One for each table of enough methods and of two scores or more."""
    return [sheet for table in tables if (sheet := _sheet(table)) is not None]


def _sheet(table: Table) -> Sheet | None:
    orders = {column.heading: order for column in scores(table) if len(order := printed_means(table, column)) >= FEWEST}
    if len(orders) < 2:
        return None
    head = ("score", "methods", *(str(k) for k in range(1, len(orders) + 1)))
    rows = tuple(
        (f"{k}: {name}", str(len(own)), *(_tau(own, other) for other in orders.values()))
        for k, (name, own) in enumerate(orders.items(), start=1)
    )
    return Sheet(f"Which scores agree: {table.caption}", "", (Grid(head, rows),), NOTES)


def _tau(one: dict[str, float], other: dict[str, float]) -> str:
    found = agreement(one, other)
    if found is None or len(found.methods) < FEWEST or found.tau is None:
        return MISSING
    return number(found.tau, 2)
