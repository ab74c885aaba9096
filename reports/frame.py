"""The tidy frame: one line per figure, and its strict JSON."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# (pandas comes without complete types)

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from harness.formats.csv_cells import harmless
from harness.results import SCHEMA_VERSION, CellResult, Measure, Row, TidyRow
from reports.cells.apart import told_apart

COLUMNS = tuple(TidyRow.model_fields)
TYPES = {
    "seed": "int64", "task": "Int64", "value": "float64", "low": "float64", "high": "float64", "n": "int64",
    "partial": "bool",
}  # fmt: skip


def tidy(cells: Sequence[CellResult], details: bool = False) -> pd.DataFrame:
    """All rows of all cells in one frame, in the order given.

    Args:
        cells: finished cells; none gives an empty frame with the same columns.
        details: whether to keep the figures of single layers and of X_{i,j}; if so, the columns `layer` and `after` are
            added at the end.

    Returns:
        A frame with the columns `COLUMNS`. `method` holds the label of the cell's line, so that two settings of one
        method stay apart; benchmarks and backbones of one name do, too (`reports.cells.apart`). `task` is a nullable
        integer, missing for a figure of the whole cell; `low` and `high` are NaN where there is no interval. Values
        keep their row's unit.
    """
    names = [*COLUMNS, "layer", "after"] if details else list(COLUMNS)
    named = told_apart(cells)
    records = [_record(cell, row) for cell in named for row in cell.rows if details or not row.detail]
    # One task missing would turn a plain integer column into floats, and task 3 into 3.0: hence the nullable type.
    types = {**TYPES, "after": "Int64"} if details else TYPES
    return pd.DataFrame({name: [record[name] for record in records] for name in names}, columns=names).astype(types)


def to_json(frame: pd.DataFrame) -> str:
    """A list of records, one a line, as strict JSON that ends with a newline.

    Missing and non-finite figures become null, integers stay integers.
    """
    names: list[str] = list(frame.columns)
    columns: list[list[Any]] = [list(frame[name].tolist()) for name in names]
    records = [dict(zip(names, map(_plain, values), strict=True)) for values in zip(*columns, strict=True)]
    if not records:
        return "[]\n"
    return "[\n" + ",\n".join(json.dumps(record, allow_nan=False) for record in records) + "\n]\n"


def to_results(frame: pd.DataFrame, measures: Sequence[Measure] = ()) -> str:
    """results.json: the same list with the version of its schema, `harness.results.Results`.

    Args:
        measures: Metrics of the rows beside the settings' own.
    """
    told = json.dumps([measure.model_dump() for measure in measures], ensure_ascii=False)
    others = f'"measures": {told}, ' if measures else ""
    return f'{{"schema_version": {SCHEMA_VERSION}, {others}"rows": {to_json(frame).rstrip()}}}\n'


def to_csv(frame: pd.DataFrame) -> str:
    """The frame as CSV with a header; what is missing or not finite is an empty field, values are not rounded."""
    finite = frame.replace([math.inf, -math.inf], math.nan)
    texts = {name: finite[name].map(harmless) for name in finite.columns if not is_numeric_dtype(finite[name])}
    text: str = finite.assign(**texts).to_csv(index=False, lineterminator="\n")
    return text


def _record(cell: CellResult, row: Row) -> dict[str, Any]:
    record = row.model_dump()
    # A cell that was cut short makes each of its figures partial, whatever the row says.
    return record | {"method": cell.label, "partial": row.partial or cell.partial}


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value
