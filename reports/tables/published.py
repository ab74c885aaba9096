"""Published figures, each block with its source, to be printed beside ours and never mixed with them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Published:
    """One block of published figures.

    `rows`: method -> metric -> value, in the units of our tables; `spreads`: the same of sample standard deviations,
    where they are published. `tables`: their numbers in the source. `whose`: 'paper' of STAMINA's own, else
    'published'. `setting`: the backbone and data they were measured on. `differs`: what may make them differ from ours
    at the paper tier; `apart`: what does at the others.
    """

    source: str
    whose: str
    setting: str
    differs: str
    apart: str
    tables: tuple[str, ...]
    notes: tuple[str, ...]
    rows: Mapping[str, Mapping[str, float]]
    spreads: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def caution(self, tier: str) -> str:
        """What a reader must know before comparing a table of that tier with this block."""
        text = f"Published figures: {self.source}, table{'s' if len(self.tables) > 1 else ''} {', '.join(self.tables)};"
        if tier == "paper":
            text += f" {self.differs}"
        else:
            text += f" NOT comparable in absolute terms with the {tier} tier: {self.apart}."
        return " ".join([text, *(f"{note[0].upper()}{note[1:]}." for note in self.notes)])

    def text(self, method: str, metric: str, digits: int) -> str | None:
        """'65.89 ± 1.30' as published, '82.06' where no spread is; None where there is no such figure."""
        value = self.rows.get(method, {}).get(metric)
        if value is None:
            return None
        spread = self.spreads.get(method, {}).get(metric)
        return f"{value:.{digits}f}" + ("" if spread is None else f" ± {spread:.{digits}f}")


@cache
def _book() -> dict[str, Any]:
    book: dict[str, Any] = json.loads(files("reports.tables").joinpath("published.json").read_text(encoding="utf-8"))
    return book


def published_time() -> Mapping[str, float]:
    """Method -> its time of training relative to TI++, as far as the paper states it."""
    times: Mapping[str, float] = _book()["training_time_vs_ti++"]
    return times


def published_benchmarks() -> tuple[str, ...]:
    """The names of the benchmarks that have published figures."""
    return tuple(_book()["benchmarks"])


def published_for(benchmark: str, methods: Collection[str]) -> Published | None:
    """The published figures for a benchmark of that name, or None if there are none.

    The main comparison always comes in full. Of the further tables (ablations, upper bound) only the lines that one of
    `methods` asks for are added, so that a plain comparison stays short.
    """
    tables: list[dict[str, Any]] = _book()["benchmarks"].get(benchmark, [])
    rows: dict[str, Mapping[str, float]] = {}
    used: list[dict[str, Any]] = []
    for position, table in enumerate(tables):
        wanted = {name: row for name, row in table["rows"].items() if position == 0 or name in methods}
        if wanted:
            used.append(table)
            rows |= wanted
    return _block(used, rows) if rows else None


def published_table(number: str, methods: Collection[str]) -> Published:
    """One table of the STAMINA paper by its number, with the lines of `methods`, in their order, where it has them.

    A line that the paper repeats from the same benchmark's main table is taken from there.

    Raises:
        KeyError: the paper has no table of that number.
    """
    for tables in _book()["benchmarks"].values():
        for table in tables:
            if (table["source"], table["table"]) == ("stamina", number):
                known: dict[str, Mapping[str, float]] = tables[0]["rows"] | table["rows"]
                return _block([table], {name: known[name] for name in methods if name in known})
    raise KeyError(number)


def _block(tables: Sequence[Mapping[str, Any]], rows: Mapping[str, Mapping[str, float]]) -> Published:
    """Tables of one source as one block with those rows."""
    source = _book()["sources"][tables[0]["source"]]
    return Published(
        source=source["source"],
        whose=source["whose"],
        setting=source["setting"],
        differs=source["caution"],
        apart=source["apart"],
        tables=tuple(table["table"] for table in tables),
        notes=tuple(table["note"] for table in tables if "note" in table),
        rows=rows,
        spreads={name: spreads for table in tables for name, spreads in table.get("spreads", {}).items()},
    )
