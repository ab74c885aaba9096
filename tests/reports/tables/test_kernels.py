"""The scores by other kernels: a table of their own, with the published figures apart from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.results import CellResult
from harness.settings.presentation import VARIANTS
from reports.tables import build_tables, to_markdown
from reports.tables.kernels import UNKNOWN_KERNEL, kernel_sheets
from reports.tables.sheets import to_latex
from reports.tables.sheets import to_markdown as page
from reports.write import write_report

WHOLE = {
    "a_mmd": 371.0, "f_mmd": 5.0, "a_mmd.unit": 8.25, "a_mmd.offset0": 3.5, "a_mmd.scale1": 5600.0,
    "f_mmd.unit": 0.21, "f_mmd.offset0": 0.04, "f_mmd.scale1": 130.0,
}  # fmt: skip
TOLD = "mmd.unit by formula"


@pytest.fixture
def cells(make: Callable[..., CellResult]) -> list[CellResult]:
    protocol = {"kernel": "main formula", VARIANTS: TOLD}
    return [
        make(label, seed, {name: value + 2 * seed for name, value in WHOLE.items()}, protocol=protocol)
        for label in ("stamina", "ti++")
        for seed in (0, 1)
    ]


def test_each_kernel_has_a_column_of_a_and_of_f(cells: list[CellResult]) -> None:
    (sheet,) = kernel_sheets(build_tables(cells))
    assert [grid.title for grid in sheet.grids] == ["A_mmd (x10^3)", "F_mmd (x10^3)"]
    for grid, metric in zip(sheet.grids, ("a_mmd", "f_mmd"), strict=True):
        names = (metric, *(f"{metric}.{name}" for name in ("unit", "offset0", "scale1")))
        assert grid.rows[0] == ("stamina", *(f"{WHOLE[name] + 1:.2f} ± 1.41" for name in names))
        assert "unit norm" in grid.head[2]
        assert "offset 0" in grid.head[3]
        assert "scale 1" in grid.head[4]
    assert sheet.notes[:2] == ("Main kernel: main formula.", f"Others: {TOLD}.")


def test_they_are_not_in_the_results_tables(cells: list[CellResult], tmp_path: Path) -> None:
    text = to_markdown(build_tables(cells)[0])
    assert not any(part in text for part in ("unit norm", "offset 0", TOLD, "5600", "5601"))
    written = {path.name: path for path in write_report(cells, tmp_path, ["md", "latex", "csv"])}
    assert {"kernels.md", "kernels.tex"} <= set(written)
    assert "a_mmd.unit" in written["tables.csv"].read_text()
    assert r"{a_mmd.unit}{9.25}" in written["macros.tex"].read_text()
    assert "unit norm" in written["kernels.tex"].read_text()


def test_published_figures_stand_apart_and_their_kernel_is_said_to_be_unknown(make: Callable[..., CellResult]) -> None:
    cell = make("stamina", 0, WHOLE, benchmark="mixed50", tasks=3, protocol={"kernel": "k"})
    (table,) = build_tables([cell])
    if table.published is None:
        pytest.skip("the toy is not taken for the registered benchmark")
    (sheet,) = kernel_sheets([table])
    assert UNKNOWN_KERNEL in sheet.notes
    assert [grid.title for grid in sheet.grids if "published" in grid.title] == [
        "A_mmd (x10^3) as published", "F_mmd (x10^3) as published"
    ]  # fmt: skip


def test_results_of_before_have_no_such_table(make: Callable[..., CellResult]) -> None:
    old = make("stamina", 0, {"a_mmd": 371.0, "f_mmd": 5.0})
    assert kernel_sheets(build_tables([old])) == []
    (sheet,) = kernel_sheets(build_tables([old, make("ti++", 0, WHOLE)]))
    assert sheet.grids[0].rows[0] == ("stamina", "371.00", "n/a", "n/a", "n/a")
    assert "n/a" in page([sheet], "t")
    assert "n/a" in to_latex([sheet])
