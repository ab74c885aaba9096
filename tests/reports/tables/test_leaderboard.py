"""Places, the ranks that intervals leave open, the mean place and the front, on figures made by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.results import CellResult, Measure
from harness.settings.presentation import MISSING
from reports.page.boards import boards
from reports.page.views import build_views
from reports.statistics.agreement import agreement_sheets
from reports.tables import build_tables
from reports.tables.leaderboard import Place, leaderboard, leaderboard_sheets, place_text, scores
from reports.tables.sheets import to_markdown
from reports.write import write_report

Make = Callable[..., CellResult]
CLIP = Measure(name="clip_i", title="CLIP-I", summary="Likeness.", unit="1", higher=True, digits=3)
# label -> (A_mmd with its interval, F_mmd, F_mmd unbiased, KID, what was just learned, CLIP-I with its interval)
FIGURES: Mapping[str, tuple[Any, ...]] = {
    "one": (3.0, 0.5, 0.5, 2.0, 2.5, (0.70, 0.60, 0.80)),
    "two": (2.0, 0.1, 0.1, 1.0, 1.9, (0.75, 0.72, 0.78)),
    "three": (4.0, 0.0, 0.0, 3.0, 4.0, (0.40, 0.30, 0.50)),
    "four": (5.0, 0.2, 0.2, 4.0, 4.8, (0.75, 0.72, 0.78)),
}
NAMES = ("a_mmd_unbiased", "f_mmd", "f_mmd_unbiased", "kid", "learned_mmd")
SCORES = {"a_mmd_unbiased", "f_mmd_unbiased", "kid", "learned_mmd", "clip_i"}


@pytest.fixture
def cells(make: Make) -> list[CellResult]:
    made = [
        make(label, whole={n: v / 1000 if n == "kid" else v for n, v in zip(NAMES, values, strict=False)})
        for label, values in FIGURES.items()
    ]
    return [
        cell.model_copy(update={"measures": (CLIP,), "rows": (*cell.rows, cell.rows[0].model_copy(update={
            "metric": "clip_i", "unit": "1", **dict(zip(("value", "low", "high"), FIGURES[cell.label][5], strict=True)),
        }))})
        for cell in made
    ]  # fmt: skip


def test_places_are_of_printed_means_in_each_columns_direction(cells: list[CellResult]) -> None:
    (table,) = build_tables(cells)
    places = {one.line.label: {metric: p.rank for metric, p in one.places.items()} for one in leaderboard(table)}
    assert {label: own["a_mmd_unbiased"] for label, own in places.items()} == {
        "two": 1,
        "one": 2,
        "three": 3,
        "four": 4,
    }
    assert {label: own["clip_i"] for label, own in places.items()} == {"two": 1, "four": 1, "one": 3, "three": 4}


def test_a_place_is_open_as_far_as_intervals_meet(cells: list[CellResult]) -> None:
    (table,) = build_tables(cells)
    found = {one.line.label: one.places for one in leaderboard(table)}
    assert {label: own["clip_i"] for label, own in found.items()} == {
        "one": Place(3, 1, 3), "two": Place(1, 1, 3), "four": Place(1, 1, 3), "three": Place(4, 4, 4)
    }  # fmt: skip
    assert found["one"]["a_mmd_unbiased"] == Place(2, 1, 4)  # no intervals: every place is open
    assert (place_text(Place(3, 1, 3)), place_text(Place(4, 4, 4))) == ("#3 [1-3]", "#4")


def test_the_mean_place_is_over_all_scores_and_orders_the_lines(cells: list[CellResult], make: Make) -> None:
    less = make("less", whole={"a_mmd_unbiased": 1.0})
    (table,) = build_tables([less, *cells])
    assert {column.metric for column in scores(table)} == SCORES
    standings = leaderboard(table)
    assert [one.line.label for one in standings] == ["two", "one", "three", "four", "less"]
    # A_mmd, F_mmd, KID, learned, CLIP-I; 'less' leads in the first, and has no other
    assert [one.mean_place for one in standings] == [
        (2 + 2 + 1 + 1 + 1) / 5, (3 + 4 + 2 + 2 + 3) / 5, (4 + 1 + 3 + 3 + 4) / 5, (5 + 3 + 4 + 4 + 1) / 5, None
    ]  # fmt: skip


def test_the_front_is_what_no_other_beats_in_both(cells: list[CellResult], make: Make) -> None:
    (table,) = build_tables([*cells, make("no learning", whole={"f_mmd": 0.0})])
    fronts = {one.line.label: one.front for one in leaderboard(table)}
    # two forgets more than three and learned better; one and four are behind two in both
    assert fronts == {"two": True, "three": True, "one": False, "four": False, "no learning": None}


def test_it_stands_in_the_report_and_on_the_page(cells: list[CellResult], tmp_path: Path, make: Make) -> None:
    (sheet,) = leaderboard_sheets(build_tables(cells))
    text = to_markdown([sheet], "Leaderboard")
    assert "it orders the lines and is no score" in text
    assert "0.750 #1 [1-3]" in text.replace("\\", "")
    (board,) = boards(build_views(cells))
    assert board.sheet.headings[:3] == ("method", "mean place", "Pareto front")
    write_report(cells, tmp_path / "report", kinds=("md", "html"))
    assert (tmp_path / "report" / "leaderboard.md").is_file()
    page = (tmp_path / "report" / "index.html").read_text()
    assert '<section id="leaderboard"' in page
    assert "#1 [1-3]" in page
    assert leaderboard_sheets(build_tables([make("alone", whole={"a_mmd": 1.0})])) == []
    write_report([make("alone", whole={"a_mmd": 1.0})], tmp_path / "alone", kinds=("md", "html"))
    assert not (tmp_path / "alone" / "leaderboard.md").exists()
    assert '<section id="leaderboard"' not in (tmp_path / "alone" / "index.html").read_text()


def test_scores_that_order_the_methods_alike(cells: list[CellResult], make: Make) -> None:
    """By hand. A_mmd: two, one, three, four. KID the same. CLIP-I: two = four, one, three. Of the six pairs two are
    other ways round (four before one, four before three), one is tied: (3 - 2) / sqrt(6 x 5)."""
    tables = build_tables([*cells, make("less", whole={"a_mmd_unbiased": 1.0})])
    (sheet,) = agreement_sheets(tables)
    (grid,) = sheet.grids
    names = [column.metric for column in scores(tables[0])]
    rows = dict(zip(names, (row[1:] for row in grid.rows), strict=True))
    tau = {(a, b): row[1 + k] for a, row in rows.items() for k, b in enumerate(names)}
    assert (rows["a_mmd_unbiased"][0], rows["clip_i"][0]) == ("5", "4")
    assert tau["a_mmd_unbiased", "kid"] == tau["kid", "a_mmd_unbiased"] == "1.00"
    assert tau["a_mmd_unbiased", "clip_i"] == tau["clip_i", "a_mmd_unbiased"] == "0.18"
    assert not agreement_sheets(build_tables(cells[:2]))


def test_a_score_that_ties_all_has_no_order(make: Make) -> None:
    values = {"x": 1.0, "y": 2.0, "z": 3.0}
    cells = [make(label, whole={"a_mmd_unbiased": a, "kid": 0.001}) for label, a in values.items()]
    ((grid,),) = (sheet.grids for sheet in agreement_sheets(build_tables(cells)))
    assert [row[2:] for row in grid.rows] == [("1.00", MISSING), (MISSING, MISSING)]


def test_two_scores_with_the_same_figures_count_once(make: Make) -> None:
    """KID in one subset of all images is the unbiased A_mmd."""
    values = {"x": 1.0, "y": 2.0}
    cells = [
        make(label, whole={"a_mmd_unbiased": a, "kid": a / 1000, "f_mmd_unbiased": 3 - a})
        for label, a in values.items()
    ]
    (table,) = build_tables(cells)
    assert [column.metric for column in scores(table)] == ["a_mmd_unbiased", "f_mmd_unbiased", "learned_mmd"]
    cells[0] = make("x", whole={"a_mmd_unbiased": 1.0, "kid": 0.0011, "f_mmd_unbiased": 2.0})
    (table,) = build_tables(cells)
    assert "kid" in [column.metric for column in scores(table)]
