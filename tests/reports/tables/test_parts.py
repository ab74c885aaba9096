"""Parts of a measure, as factors of an identity: by method in measures.md and .tex and in the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.results import CellResult, Measure
from reports.page.boards import parts
from reports.page.views import Printed, build_views
from reports.write import write_report

Make = Callable[..., CellResult]
IDENTITY = Measure(name="identity", title="Identity", summary="Who it is.", unit="1", higher=True, digits=2)
# label -> part -> (after the last task, what was lost)
FIGURES: dict[str, dict[str, tuple[float, float]]] = {
    "one": {"nose": (0.5, 0.25), "hair": (0.9, 0.05)},
    "two": {"hair": (-0.75, 1.5)},  # its tasks have no noses
}


def cells(make: Make) -> list[CellResult]:
    found = []
    for label, own in FIGURES.items():
        cell = make(label, whole={"a_mmd": 1.0})
        row = cell.rows[0].model_copy(update={"unit": "1", "low": None, "high": None})

        def of(metric: str, value: float, layer: str | None = None, row: Any = row) -> Any:
            return row.model_copy(update={"metric": metric, "value": value, "layer": layer})

        rows = [of("identity", 0.5)]
        rows += [of("identity", end, name) for name, (end, _) in own.items()]
        rows += [of("identity.forgotten", lost, name) for name, (_, lost) in own.items()]
        found.append(cell.model_copy(update={"measures": (IDENTITY,), "rows": (*cell.rows, *rows)}))
    return found


def test_the_page_has_a_line_for_each_part(make: Make, tmp_path: Path) -> None:
    (board,) = parts(build_views(cells(make)))
    assert board.sheet.headings == ("part", "one", "two", "one", "two")
    assert [(title, span) for title, span in board.sheet.groups] == [
        ("", 1), ("after the last task ↑", 2), ("forgotten ↓", 2)
    ]  # fmt: skip
    shown = {row.label: tuple(cell and cell.value for cell in row.cells) for row in board.sheet.rows}
    assert shown == {"nose": (0.5, None, 0.25, None), "hair": (0.9, -0.75, 0.05, 1.5)}
    assert board.sheet.rows[1].cells[1] == Printed("-0.75", -0.75)
    write_report(cells(make), tmp_path, kinds=("html", "md", "latex"))
    page = (tmp_path / "index.html").read_text()
    assert '<h2 id="parts-title">Measures by part</h2>' in page
    assert '<td data-value="-0.75" class="published">-0.75</td>' in page
    table = (tmp_path / "measures.md").read_text()
    assert "| hair | 0.90 | -0.75 |" in table
    assert "| nose | 0.50 | n/a |" in table
    assert "| hair | 0.05 | 1.50 |" in table
    assert "nose & 0.50 & n/a" in (tmp_path / "measures.tex").read_text()


def test_without_parts_there_is_no_such_section(make: Make, tmp_path: Path) -> None:
    plain = [cell.model_copy(update={"rows": cell.rows[:1], "measures": ()}) for cell in cells(make)]
    assert not parts(build_views(plain))
    write_report(plain, tmp_path, kinds=("html",))
    assert "parts-title" not in (tmp_path / "index.html").read_text()
