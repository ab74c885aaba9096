"""What came out, for the first screen: the best method, and who forgets least and most; read from the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from harness.formats.figure_text import number
from harness.results import CellResult
from harness.settings.presentation import Presentation
from reports.page.names import listed, plain_names
from reports.page.views import View
from reports.tables.columns import Column, presentation
from reports.tables.leaderboard import Place, column_places
from reports.tables.summary import Figure, Table

MOVED = "plasticity_distance"  # above 0 where a method trains weights


@dataclass(frozen=True)
class Card:
    """One thing that came out: what it is about, whose it is, the figure, a sentence, and where the figure is from."""

    about: str
    name: str
    figure: str
    interval: str
    words: str
    source: str


@dataclass(frozen=True)
class Outcome:
    """What came out of one table: the cards, and the sentences below them."""

    title: str
    scope: str
    partial: bool
    cards: tuple[Card, ...]
    notes: tuple[str, ...]


def outcome(view: View) -> Outcome:
    """What the results of one table say."""
    table, shown = view.table, presentation(view.table.setting)
    names, changes = plain_names([line.label for line in table.lines])
    bounds = [line.label for line in table.lines if _is_bound(view.cells[line.label], table, shown)]
    if len(bounds) == len(table.lines):
        bounds = []
    rivals = replace(table, lines=tuple(line for line in table.lines if line.label not in bounds))
    teller = _Teller(view, rivals, names, shown)
    cards = [*teller.best(), *teller.forgetting()]
    cards += [card for label in bounds if (card := teller.bound(label)) is not None]
    notes = [f"All with {changes}."] if changes else []
    return Outcome(
        table.title, table.scope.removeprefix("partial: "), table.partial, tuple(cards), (*notes, *teller.notes())
    )


class _Teller:
    """Tells of one table's methods that compete: all but upper bounds."""

    def __init__(self, view: View, rivals: Table, names: Mapping[str, str], shown: Presentation) -> None:
        self._view, self._table, self._names, self._shown = view, rivals, names, shown
        by_metric = {column.metric: column for column in rivals.every}
        self._main, self._forgotten = (by_metric.get(metric) for metric in (*shown.headline, "", "")[:2])
        self._learned = by_metric.get(shown.plots.learned[0]) if shown.plots is not None else None

    def best(self) -> list[Card]:
        """Who is best, and whether others may be."""
        column = self._main
        places = column_places(self._table, column) if column is not None else {}
        if column is None or not places:
            return []
        first = [label for label, place in places.items() if place.rank == 1]
        if len(places) == 1:
            return [self._card("Result", first, column, f"{_way(column)} Only one method has this figure.")]
        return [self._card("Best", first, column, f"{_way(column)} {self._sure(first, places, column, 'is best')}")]

    def forgetting(self) -> list[Card]:
        """Who forgets least, and who most."""
        column = self._forgotten
        places = column_places(self._table, column) if column is not None else {}
        if column is None or not places:
            return []
        ranks = [place.rank for place in places.values()]
        least = [label for label, place in places.items() if place.rank == 1]
        most = [label for label, place in places.items() if place.rank == max(ranks)]
        if len(places) == 1:
            return [self._card("Forgets", least, column, "")]
        if least == most:
            return [self._card("Forgetting", least, column, "All methods are alike in this.")]
        sure = self._sure(least, places, column, "forgets least")
        words = " ".join(filter(None, (sure, self._learned_little(least))))
        return [
            self._card("Forgets least", least, column, words),
            self._card("Forgets most", most, column, self._sure(most, places, column, "forgets most")),
        ]

    def bound(self, label: str) -> Card | None:
        """What a method reaches that does not have to keep earlier tasks."""
        if self._main is None or label not in {line.label for line in self._view.table.lines}:
            return None
        words = "It never has to keep what it learned before: what the others could reach, and no rival of theirs."
        return self._card("Upper bound", [label], self._main, words)

    def notes(self) -> list[str]:
        """How to read the cards."""
        if self._main is None:
            return []
        seeds = sorted({len(line.seeds) for line in self._table.lines})
        each = self._shown.trials
        told = (
            f"One of the {each} alone was run: what another training would change is not known."
            if seeds == [1] and self._shown.per_trial
            else "One run seed: what another training would change is not known."
            if seeds == [1]
            else f"Means over {each}; ± is their standard deviation."
        )
        found = [told]
        if any(self._interval(line.label, self._main) for line in self._table.lines):
            found.insert(0, "Brackets: 95 % intervals with the trained models held fixed.")
        if len(self._table.tasks) < 2:
            found.append("Forgetting takes two tasks at least.")
        return found

    def _card(self, about: str, labels: Sequence[str], column: Column, words: str) -> Card:
        figure, keeps = self._figure(labels[0], column), self._view.table.keeps
        value = "" if figure is None else f"{_short(column)} {figure.text(column)}{' %' * (column.unit == '%')}"
        interval = self._interval(labels[0], column) if len(labels) == 1 else ""  # each of several has its own
        position = next(p for p, line in enumerate(self._view.table.lines) if line.label == labels[0])
        kept = [f"{self._names.get(label, label)} keeps {keeps[label]}." for label in labels if label in keeps]
        words = " ".join(filter(None, [words, *kept]))
        source = f"{self._view.number}/{position}/{column.metric}" if column in self._view.table.shown else ""
        return Card(about, listed(labels, self._names), value, interval, words, source)

    def _sure(self, labels: Sequence[str], places: Mapping[str, Place], column: Column, what: str) -> str:
        """Whether intervals leave open which method it is."""
        if not all(self._interval(label, column) for label in labels):
            return "There are no intervals: how sure this is cannot be told."
        others = [label for label in places if label not in labels and self._overlap(labels[0], label, column)]
        if not others:
            return "The interval lies clear of all others."
        return f"The interval overlaps that of {listed(others, self._names)}: which one {what} stays open."

    def _overlap(self, one: str, other: str, column: Column) -> bool:
        a, b = self._figure(one, column), self._figure(other, column)
        if a is None or b is None or a.low is None or a.high is None or b.low is None or b.high is None:
            return True
        return a.low <= b.high and b.low <= a.high

    def _learned_little(self, labels: Sequence[str]) -> str:
        """A word on methods that have little to forget."""
        column = self._learned
        places = column_places(self._table, column) if column is not None else {}
        ranks = [places[label].rank for label in labels if label in places]
        if column is None or len(ranks) < len(labels) or len(places) < 3:
            return ""
        if min(ranks) <= median(place.rank for place in places.values()):
            return ""
        whose = "It" if len(labels) == 1 else "They"
        return f"{whose} learned less than most to begin with, and so had less to forget."

    def _figure(self, label: str, column: Column) -> Figure | None:
        return next(line.figures.get(column.metric) for line in self._view.table.lines if line.label == label)

    def _interval(self, label: str, column: Column) -> str:
        figure = self._figure(label, column)
        if figure is None or figure.low is None or figure.high is None:
            return ""
        return f"[{number(figure.low, column.digits)}, {number(figure.high, column.digits)}]"


def _is_bound(cells: Sequence[CellResult], table: Table, shown: Presentation) -> bool:
    """Whether a method keeps nothing from task to task: a model for each, or all tasks at once."""
    kept = [task for cell in cells for task in cell.tasks if len(task.after) > 1]
    if kept:
        # What is drawn after the last task are the very images that were drawn just after the task was learned, though
        # weights were trained: with tokens alone, one model would draw all of them.
        moved = any(row.metric == MOVED and row.value > 0 for cell in cells for row in cell.rows)
        return moved and all(len(set(task.after.values())) == 1 for task in kept)
    forgotten = shown.headline[1] if len(shown.headline) > 1 else ""
    have = [forgotten in line.figures for line in table.lines]
    own = {row.metric for cell in cells for row in cell.rows}
    return len(table.tasks) > 1 and any(have) and forgotten not in own


def _short(column: Column) -> str:
    return column.title.split(" (")[0]


def _way(column: Column) -> str:
    return f"{'Higher' if column.higher else 'Lower'} is better."
