"""All methods by all scores: places with what intervals leave open, the mean place, and the Pareto front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.formats.figure_text import number
from harness.results import Metric
from harness.settings.presentation import MISSING, Column
from reports.tables.columns import presentation
from reports.tables.sheets import Grid, Sheet
from reports.tables.summary import Line, Table

RANKS = (
    "#: place by the printed mean, 1 the best; in brackets the places that 95 % intervals leave open: behind those "
    "whose whole interval is better, before those whose whole interval is worse. Intervals are of each run's figures "
    "(their bounds' means over seeds), with trained models held fixed."
)
MEAN = (
    "Mean place: over all columns, for methods with a figure in each. Columns are not independent of each other, "
    "several say nearly the same, and all count alike: it orders the lines and is no score."
)


@dataclass(frozen=True)
class Place:
    """A method's place by one score, 1 the best, and the places from `first` to `last` that intervals leave open."""

    rank: int
    first: int
    last: int


@dataclass(frozen=True)
class Standing:
    """One line of a leaderboard.

    Attributes:
        places: Score -> place, of the scores that the line has.
        mean_place: Over all scores; None where one is missing.
        front: Whether no other method learns as well and forgets as little, and does one of both better; None where
            the line lacks one of both.
    """

    line: Line
    places: Mapping[Metric, Place]
    mean_place: float | None
    front: bool | None


def scores(table: Table) -> list[Column]:
    """The columns that say which of two methods is better, once each.

    Of two estimates that is the one with intervals, and of two scores with the same printed figures the first: KID in
    one subset of all images is the unbiased A_mmd.
    """
    shown = [column for column in table.shown if column.score]
    names = {column.metric for column in shown}
    plots = presentation(table.setting).plots
    if plots is not None and plots.learned[0] not in names:
        shown += [column for column in table.every if column.metric == plots.learned[0]]
    once: list[Column] = []
    for column in shown:
        printed = printed_means(table, column)
        again = any(printed == printed_means(table, other) for other in once if other.higher == column.higher)
        if f"{column.metric}_unbiased" not in names and not (printed and again):
            once.append(column)
    return once


def leaderboard(table: Table) -> list[Standing]:
    """The lines of a table, the best mean place first; empty where there is nothing to compare."""
    columns = scores(table)
    if len(table.lines) < 2 or len(columns) < 2:
        return []
    places = {column.metric: column_places(table, column) for column in columns}
    fronts = _fronts(table)
    standings: list[Standing] = []
    for line in table.lines:
        own = {metric: found[line.label] for metric, found in places.items() if line.label in found}
        mean = fmean(place.rank for place in own.values()) if len(own) == len(columns) else None
        standings.append(Standing(line, own, mean, fronts.get(line.label)))
    return sorted(standings, key=lambda one: math.inf if one.mean_place is None else one.mean_place)


def printed_means(table: Table, column: Column) -> dict[str, float]:
    """Label -> the mean as printed, its sign changed where higher is better, of the lines that have one."""
    figures = {line.label: f for line in table.lines if (f := line.figures.get(column.metric)) is not None}
    return {label: _sign(column) * float(number(f.mean, column.digits)) for label, f in figures.items()}


def _sign(column: Column) -> int:
    return -1 if column.higher else 1


def column_places(table: Table, column: Column) -> dict[str, Place]:
    """Label -> its place by one score, of the lines that have it."""
    printed = printed_means(table, column)
    figures = {line.label: line.figures[column.metric] for line in table.lines if line.label in printed}
    spans = {label: _span(f.low, f.high, _sign(column)) for label, f in figures.items()}
    found: dict[str, Place] = {}
    for label, mean in printed.items():
        others = [spans[other] for other in printed if other != label]
        low, high = spans[label]
        found[label] = Place(
            rank=1 + sum(other < mean for other in printed.values()),
            first=1 + sum(other_high < low for _, other_high in others),
            last=1 + sum(other_low <= high for other_low, _ in others),
        )
    return found


def _span(low: float | None, high: float | None, sign: int) -> tuple[float, float]:
    """The interval with lower being better; without one every place is open."""
    if low is None or high is None:
        return -math.inf, math.inf
    return min(sign * low, sign * high), max(sign * low, sign * high)


def _fronts(table: Table) -> dict[str, bool]:
    """Label -> whether it is on the Pareto front of what is learned against what is forgotten, by printed means."""
    plots = presentation(table.setting).plots
    by_metric = {column.metric: column for column in table.every}
    both = [by_metric.get(metric) for metric, _ in (plots.learned, plots.forgotten)] if plots is not None else [None]
    points: dict[str, tuple[float, ...]] = {}
    for line in table.lines:
        values = [
            _sign(column) * float(number(line.figures[column.metric].mean, column.digits))
            for column in both
            if column is not None and column.metric in line.figures
        ]
        if len(values) == 2 and all(map(math.isfinite, values)):
            points[line.label] = tuple(values)
    return {
        label: not any(
            other != own and all(a <= b for a, b in zip(other, own, strict=True)) for other in points.values()
        )
        for label, own in points.items()
    }


def place_text(place: Place) -> str:
    """'#2 [1-3]'; '#2' where intervals leave nothing open."""
    return f"#{place.rank}" + (f" [{place.first}-{place.last}]" if place.first != place.last else "")


def leaderboard_sheets(tables: Sequence[Table]) -> list[Sheet]:
    """One for each table in which methods can be compared."""
    return [_sheet(table, found) for table in tables if (found := leaderboard(table))]


def notes(table: Table) -> tuple[str, ...]:
    """The sentences under a leaderboard."""
    plots = presentation(table.setting).plots
    front = () if plots is None else (
        f"Pareto front: no other method is as good in both {plots.learned[1]} and {plots.forgotten[1]}, and better in "
        "one of them.",
    )  # fmt: skip
    return (RANKS, MEAN, *front)


def _sheet(table: Table, standings: Sequence[Standing]) -> Sheet:
    columns = scores(table)
    head = ("method", "mean place", "front", *(column.heading for column in columns))
    rows = tuple(
        (
            one.line.label, MISSING if one.mean_place is None else f"{one.mean_place:.1f}",
            {True: "yes", False: "", None: MISSING}[one.front],
            *(
                f"{number(one.line.figures[c.metric].mean, c.digits)} {place_text(one.places[c.metric])}"
                if c.metric in one.places else MISSING
                for c in columns
            ),
        )
        for one in standings
    )  # fmt: skip
    return Sheet(f"Leaderboard: {table.caption}", "", (Grid(head, rows),), notes(table))
