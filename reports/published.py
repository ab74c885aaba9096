"""The paper's published figures, to be printed beside ours and never mixed with them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Published:
    """One block of published figures.

    `rows`: method -> metric ('n_param' in %, 'a_mmd' and 'f_mmd' x 10^3) -> value. `tables`: their numbers in the
    paper. `setting`: the backbone and data they were measured on.
    """

    source: str
    setting: str
    tables: tuple[str, ...]
    notes: tuple[str, ...]
    rows: Mapping[str, Mapping[str, float]]

    def caution(self, tier: str) -> str:
        """What a reader must know before comparing a table of that tier with this block."""
        text = f"Published figures: {self.source}, table{'s' if len(self.tables) > 1 else ''} {', '.join(self.tables)};"
        if tier == "paper":
            text += " kernel constants and sampler are not stated there, so absolute values may differ."
        else:
            text += f" NOT comparable in absolute terms with the {tier} tier: other backbone, data and extractor."
        return " ".join([text, *(f"{note[0].upper()}{note[1:]}." for note in self.notes)])


@cache
def _book() -> dict[str, Any]:
    book: dict[str, Any] = json.loads(files("reports").joinpath("published.json").read_text(encoding="utf-8"))
    return book


def published_time() -> Mapping[str, float]:
    """Method -> its time of training relative to TI++, as far as the paper states it."""
    times: Mapping[str, float] = _book()["training_time_vs_ti++"]
    return times


def published_for(benchmark: str, methods: Collection[str]) -> Published | None:
    """The paper's figures for a benchmark of that name, or None if there are none.

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
    if not rows:
        return None
    return Published(
        source=_book()["source"],
        setting=_book()["setting"],
        tables=tuple(table["table"] for table in used),
        notes=tuple(table["note"] for table in used if "note" in table),
        rows=rows,
    )


def published_table(number: str, methods: Collection[str]) -> Published:
    """One table of the paper by its number, with the lines of `methods`, in their order, where the paper has them.

    A line that the paper repeats from the same benchmark's main table is taken from there.

    Raises:
        KeyError: the paper has no table of that number.
    """
    book = _book()
    for tables in book["benchmarks"].values():
        for table in tables:
            if table["table"] == number:
                known: dict[str, Mapping[str, float]] = tables[0]["rows"] | table["rows"]
                return Published(
                    source=book["source"],
                    setting=book["setting"],
                    tables=(number,),
                    notes=(table["note"],) if "note" in table else (),
                    rows={name: known[name] for name in methods if name in known},
                )
    raise KeyError(number)
