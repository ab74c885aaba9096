"""HTML for notebooks: tables, comparisons and figures as a cell shows them. Text from outside is always escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from harness.errors import presentable
from reports.tables.columns import presentation
from reports.tables.sheets import Sheet
from reports.tables.summary import Table
from reports.tables.text import text_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Grid = tuple[str, Sequence[str], Sequence[Sequence[str]]]


@dataclass(frozen=True)
class _Part:
    title: str = ""
    caption: str = ""
    grids: tuple[Grid, ...] = ()
    notes: tuple[str, ...] = ()
    image: str = ""
    open: bool = False  # whether the notes are seen at once


def tables_html(tables: Iterable[Table], warnings: Sequence[str] = ()) -> str:
    """The tables that the command line prints, their notes folded.

    Args:
        tables: from `reports.tables.build_tables`.
        warnings: sentences to stand above them.
    """
    parts = [_Part(caption=warning) for warning in warnings]
    for table in tables:
        head, *rows = text_rows(table)
        notes = (presentation(table.setting).units, *table.notes(compact=True))
        parts.append(_Part(table.caption, grids=(("", head, rows),), notes=notes))
    return _rendered(parts)


def sheets_html(sheets: Iterable[Sheet]) -> str:
    """A comparison's sheets; the notes of those without a grid are what there is to read, and stand open."""
    return _rendered(
        _Part(s.title, s.caption, tuple((g.title, g.head, (*g.rows, *g.below)) for g in s.grids), s.notes, "",
              not s.grids)
        for s in sheets
    )  # fmt: skip


class Figures(dict[str, "Figure"]):
    """Name -> matplotlib figure; a notebook shows them all.

    Example:
        >>> Figures()
        Figures(none)
    """

    def __repr__(self) -> str:
        return f"Figures({', '.join(self) or 'none'})"

    def _repr_html_(self) -> str:
        return _rendered(_Part(name, image=_png(figure)) for name, figure in self.items())


def _png(figure: Figure) -> str:
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return base64.b64encode(stream.getvalue()).decode()


def _rendered(parts: Iterable[_Part]) -> str:
    shown: list[Mapping[str, object]] = [
        {
            "title": presentable(part.title), "caption": presentable(part.caption), "image": part.image,
            "open": part.open, "notes": [presentable(note) for note in part.notes],
            "grids": [
                (presentable(title), list(map(presentable, head)), [list(map(presentable, row)) for row in rows])
                for title, head, rows in part.grids
            ],
        }
        for part in parts
    ]  # fmt: skip
    return _template().render(parts=shown)


@cache
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent)
    return Environment(autoescape=True, undefined=StrictUndefined, loader=loader).get_template("notebook.html.jinja")
