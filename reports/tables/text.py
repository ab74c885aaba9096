"""Tables as CSV for machines and as aligned text for terminals."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from harness.errors import presentable
from harness.formats.csv_cells import harmless
from harness.formats.short_labels import apart
from harness.settings.presentation import MISSING
from reports.tables.columns import Column, every, file_columns, presentation, table_columns
from reports.tables.summary import FLOORS, Figure, Line, Table, join, ranges

WIDTH = 100
MIN_LABEL = 12
GAP = "  "
PARTS = ("mean", "sd", "low", "high", "n")
GROUP = ("benchmark", "setting", "tier", "backbone", "partial", "tasks", "tasks_total", "method", "seeds")


def fields(tables: Sequence[Table] = ()) -> tuple[str, ...]:
    """The header of the CSV file, the same for the tables of all settings; `tables` may have metrics beside theirs."""
    own, known = [column for table in tables for column in table.every], {c.metric for c in every()}
    others = {column.metric: column for column in own if column.metric not in known}
    ranked = {c.metric for table in tables for c in table.shown}
    return (
        *GROUP,
        *(f"{c.metric}_{part}" for c in table_columns() for part in (*PARTS, "rank")),
        *(f"{c.metric}_{part}" for c in file_columns() for part in PARTS),
        *(f"{name}_{part}" for name in others for part in (*PARTS, *(["rank"] if name in ranked else []))),
        *FLOORS,
        "units",
        "protocol",
    )


def to_csv(table: Table) -> str:
    """One line a method under a header. See `stack_csv`."""
    return stack_csv([table])


def stack_csv(tables: Iterable[Table]) -> str:
    """All tables under one header, told apart by their first columns, from benchmark to tasks.

    Figures are not rounded, and stand in the units of the printed tables (`units`). A missing figure is an empty field,
    as is the standard deviation of a single seed. `_sd`, `_low`, `_high`: see `Figure`. `_rank`: the place by
    the printed mean, 1 the best. Tables of both settings share the header, each leaving the other's fields empty.
    """
    stream = io.StringIO()
    tables = list(tables)
    writer = csv.DictWriter(stream, fields(tables), lineterminator="\n")
    writer.writeheader()
    for table in tables:
        writer.writerows({name: harmless(value) for name, value in record.items()} for record in _records(table))
    return stream.getvalue()


def to_text(table: Table, width: int = WIDTH) -> str:
    """A compact table for a terminal of `width` columns; ends with a newline.

    Labels give way where there is no room, cut where they are like the others (`harness.formats.short_labels`); figures
    never do.
    """
    whole = text_rows(table)
    rows = [row[1:] for row in whole]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    room = max(MIN_LABEL, width - sum(widths) - len(GAP) * len(widths))
    labels = apart([" ".join(presentable(row[0]).split()) for row in whole], room)
    widest = max(map(len, labels))
    lines = [
        GAP.join([label.ljust(widest), *(text.rjust(width) for text, width in zip(row, widths, strict=True))])
        for label, row in zip(labels, rows, strict=True)
    ]
    lines.insert(1, GAP.join("-" * width for width in (widest, *widths)))
    notes = [presentation(table.setting).units, *table.notes(compact=True)]
    words = [_wrap(note, "  ", width) for note in notes]
    return "\n".join([_wrap(table.caption, "", width), "", *lines, "", *words]) + "\n"


def text_rows(table: Table) -> list[list[str]]:
    """The compact columns' cells, the head first: method, seeds and figures, the best marked with '*' and '+'."""
    columns = [column for column in table.columns if column.compact]
    rows = [["method", "seeds", *(f"{column.short} {column.arrow}" for column in columns)]]
    marks = [_marks(table, column) for column in columns]
    for line in table.lines:
        cells = [_cell(line, column, mark) for column, mark in zip(columns, marks, strict=True)]
        rows.append([line.label, str(len(line.seeds)), *cells])
    return rows


def _marks(table: Table, column: Column) -> dict[str, str]:
    """Label -> '*' or '+'; none at all in a column that compares nothing, which then needs no room for them."""
    return dict.fromkeys(table.best(column), "*") | dict.fromkeys(table.second(column), "+")


def _cell(line: Line, column: Column, marks: Mapping[str, str]) -> str:
    figure = line.figures.get(column.metric)
    text = MISSING if figure is None else figure.text(column)
    return text + marks.get(line.label, " " if marks else "")


def _records(table: Table) -> Iterable[dict[str, object]]:
    common: dict[str, object] = {
        "benchmark": table.benchmark,
        "setting": table.setting,
        "tier": table.tier,
        "backbone": table.backbone,
        "partial": str(table.partial).lower(),
        "tasks": ranges(table.tasks),
        "tasks_total": table.tasks_total,
        "units": "; ".join(f"{column.metric} {column.unit}" for column in table.every),
        "protocol": "; ".join(f"{name}: {text}" for name, text in table.protocol),
    }
    ranks = {column.metric: table.ranks(column) for column in table.shown}
    common |= {metric: table.floors[metric].mean for metric in FLOORS if metric in table.floors}
    for line in table.lines:
        record = common | {"method": line.label, "seeds": join(line.seeds, " ")}
        record |= {f"{metric}_rank": places[line.label] for metric, places in ranks.items() if line.label in places}
        for metric, figure in line.figures.items():
            record |= {f"{metric}_{part}": value for part, value in _parts(figure).items()}
        yield record


def _parts(figure: Figure) -> dict[str, object]:
    return {
        "mean": figure.mean,
        "sd": figure.spread,
        "low": figure.low,
        "high": figure.high,
        "n": join(figure.n),
    }


def _wrap(text: str, indent: str, width: int) -> str:
    lines = textwrap.wrap(presentable(text), width, initial_indent=indent, subsequent_indent=indent + "  ")
    return "\n".join(lines)
