"""Tables in GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.errors import presentable
from harness.settings.presentation import MISSING
from reports.tables.columns import Column
from reports.tables.published import Published
from reports.tables.summary import Line, Table

# Escaped wherever they may start markup; '|' would split a cell, '$' starts mathematics on GitHub.
_SPECIAL = re.compile(r"([\\`*_\[\]<>|$~#&])")

BOLD, SECOND = "**{}**", "<u>{}</u>"


def escape(text: str) -> str:
    """User text as literal Markdown on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(presentable(text).split()))


def to_markdown(table: Table) -> str:
    """A heading, the table, the published block where there is one, and the notes; ends with a newline."""
    columns = table.columns
    marks = {
        column.metric: dict.fromkeys(table.best(column), BOLD) | dict.fromkeys(table.second(column), SECOND)
        for column in columns
    }
    rows = [
        [escape(line.label), *(_cell(line, column, marks[column.metric].get(line.label, "{}")) for column in columns)]
        for line in table.lines
    ]
    parts = [f"### {escape(table.caption)}", grid(["method", *(column.heading for column in columns)], rows)]
    if table.published is not None:
        parts += _published(table.published, table)
    parts.append("\n".join(f"- {escape(note)}" for note in table.notes()))
    return "\n\n".join(parts) + "\n"


def _cell(line: Line, column: Column, mark: str) -> str:
    figure = line.figures.get(column.metric)
    if figure is None:
        return MISSING
    return f"{mark.format(figure.text(column))} {figure.interval(column)}".strip()


def _published(block: Published, table: Table) -> list[str]:
    columns = [column for column in table.columns if any(column.metric in row for row in block.rows.values())]
    rows = [[escape(name), *(block.text(name, c.metric, c.digits) or MISSING for c in columns)] for name in block.rows]
    return [
        f"**{block.whose} ({block.setting})**",
        grid(["method", *(column.heading for column in columns)], rows),
        escape(block.caution(table.tier)),
    ]


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown already; the first column is set left, the others right."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
