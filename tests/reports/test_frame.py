"""The tidy frame and its JSON."""

from __future__ import annotations

import json
from collections.abc import Callable

from harness.results import CellResult
from reports.frame import tidy, to_csv, to_json

Make = Callable[..., CellResult]
COLUMNS = [
    "benchmark", "tier", "backbone", "method", "seed", "task", "metric", "value", "low", "high", "n", "unit", "partial",
]  # fmt: skip


def _reject(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def test_columns_are_exact_and_json_is_strict(make: Make) -> None:
    cell = make("stamina [rank=4]", whole={"a_mmd": 2.5, "kid": float("nan")}, curves={"mask_density": [0.5, 0.25]})
    frame = tidy([cell])
    assert list(frame.columns) == COLUMNS
    text = to_json(frame)
    assert text.endswith("]\n")
    records = json.loads(text, parse_constant=_reject)
    assert all(list(record) == COLUMNS for record in records)
    assert records[0]["method"] == "stamina [rank=4]"
    assert records[0]["task"] is None
    assert records[0]["low"] is None
    assert records[0]["value"] == 2.5
    assert records[1]["value"] is None
    assert [record["task"] for record in records[2:]] == [1, 2]
    assert all(type(record["task"]) is int and type(record["seed"]) is int for record in records[2:])
    assert '"task": 1,' in text
    assert '"partial": false' in text


def test_details_only_on_request(make: Make) -> None:
    cell = make(curves={"mask_density": [0.5]})
    assert len(tidy([cell])) == 1
    frame = tidy([cell], details=True)
    assert list(frame.columns) == [*COLUMNS, "layer", "after"]
    assert [record["layer"] for record in json.loads(to_json(frame))] == [None, "mid.to_k"]


def test_no_cells_give_an_empty_list() -> None:
    assert list(tidy([]).columns) == COLUMNS
    assert to_json(tidy([])) == "[]\n"


def test_a_partial_cell_makes_its_rows_partial(make: Make) -> None:
    cell = make(whole={"a_mmd": 1.0}).model_copy(update={"partial": True})
    assert tidy([cell])["partial"].tolist() == [True]


def test_csv_holds_the_same(make: Make) -> None:
    cell = make(whole={"kid": float("nan"), "a_mmd": (0.1, 0.05, 0.25)}, curves={"mask_density": [0.5]})
    lines = to_csv(tidy([cell], details=True)).splitlines()
    assert lines[0] == ",".join([*COLUMNS, "layer", "after"])
    assert lines[1] == "toy,mini,tiny,stamina,0,,kid,,,,3,1,False,,"
    assert lines[2] == "toy,mini,tiny,stamina,0,,a_mmd,0.1,0.05,0.25,3,1e-3,False,,"
    assert lines[4] == "toy,mini,tiny,stamina,0,1,mask_density,99.0,,,3,fraction,False,mid.to_k,"
    assert len(lines) == 5
