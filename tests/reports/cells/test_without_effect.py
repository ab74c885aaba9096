"""Options that change no figure are told in the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.results import CellResult
from reports.tables import build_tables, to_text

Make = Callable[..., CellResult]


def table_notes(*cells: CellResult) -> list[str]:
    (table,) = build_tables(cells)
    return [note for note in table.cautions if "to the last bit" in note]


def line(make: Make, label: str, weight: float, **other: Any) -> CellResult:
    given: dict[str, Any] = {
        "method": "mine", "whole": {"a_mmd": 1.5, "train_seconds": weight}, "curves": {"a_mmd": [1.0, 2.0, 1.5]},
        "options": {"lambda_stay": weight, "steps": 5},
    }  # fmt: skip
    return make(label, **{**given, **other})


def test_an_option_that_nothing_reads_is_told(make: Make) -> None:
    first, second = line(make, "mine", 0.1), line(make, "mine [lambda_stay=100]", 100.0)
    said = (
        "mine has the same figures to the last bit with lambda_stay=0.1 and lambda_stay=100.0: nothing seems to read "
        "the option."
    )
    assert table_notes(first, second) == [said]
    (table,) = build_tables([first, second])
    assert said.split(":")[0] in to_text(table).replace("\n", " ")


def test_that_0_may_be_taken_for_unset_is_told(make: Make) -> None:
    (said,) = table_notes(line(make, "mine [lambda_stay=0]", 0.0), line(make, "mine", 1000.0))
    assert said.endswith("nothing seems to read the option, or it takes 0 for unset.")


def test_a_plugin_that_does_what_another_method_does_is_told(make: Make) -> None:
    mine = line(make, "mine", 0.1, whole={"a_mmd": 1.5, "mine.norm": 3.0})
    other = line(make, "lora", 0.1, method="lora")
    assert table_notes(mine, other) == [
        "mine and lora have the same figures to the last bit: what one of them has beside the other does nothing."
    ]
    assert table_notes(line(make, "clora", 0.1, method="clora"), other) == []  # their tests know what they do
    assert table_notes(mine, line(make, "lora", 0.1, method="lora", curves={"a_mmd": [1.0, 2.0, 1.6]})) == []


def test_what_was_told_while_a_plugin_was_trained_stands_under_the_table(make: Make) -> None:
    cells = [
        line(make, "mine", 0.1).model_copy(update={"notes": ("a is odd", "b", "c.", "d")}),
        line(make, "mine", 0.1, seed=1).model_copy(update={"notes": ("a is odd",)}),
    ]
    (table,) = build_tables(cells)
    assert table.cautions[-1] == (
        "Told while mine was trained: a is odd; b; c; and 1 more, as `stamina-bench check` says."
    )


def test_what_differs_or_cannot_be_told_is_not(make: Make) -> None:
    first = line(make, "mine", 0.1)
    other = "mine [lambda_stay=100]"
    assert table_notes(first) == []
    assert table_notes(first, line(make, other, 100.0, curves={"a_mmd": [1.0, 2.0, 1.6]})) == []
    assert table_notes(first, line(make, other, 100.0, seed=1)) == []  # no seed in common
    assert table_notes(first, line(make, other, 100.0, options={"lambda_stay": 100.0, "steps": 6})) == []
    one = [line(make, name, weight, tasks=1, curves={}) for name, weight in (("mine", 0.1), (other, 100.0))]
    assert table_notes(*one) == []  # what acts on earlier tasks has no effect there
