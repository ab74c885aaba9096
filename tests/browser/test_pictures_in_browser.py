"""Pictures in a real browser: enlarged with mouse and keyboard, side by side, filtered and ordered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.results import CellResult
from reports.page import write_page

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from .conftest import Watched

Make = Callable[..., CellResult]


def forgetting(cell: CellResult, values: tuple[float, ...]) -> CellResult:
    """The cell with these F_mmd of its tasks."""
    rows = [
        row.model_copy(update={"value": values[row.task - 1]}) if row.metric == "f_mmd" and row.task else row
        for row in cell.rows
    ]
    return cell.model_copy(update={"rows": tuple(rows)})


@pytest.fixture
def report(cell: Make, tmp_path: Path) -> Path:
    """The folder of a report of three methods, which forget other concepts most."""
    cells = [
        forgetting(cell(a_mmd=10.0), (1.0, 5.0, 0.0)),
        forgetting(cell("ti++", a_mmd=9.5), (0.0, 9.0, 3.0)),
        forgetting(cell("cd", seed=0, a_mmd=100.0), (2.0, 7.0, 30.0)),
        cell(seed=1, a_mmd=12.0),
    ]
    write_page(cells, tmp_path / "report")
    return tmp_path / "report"


def concepts(page: Page) -> list[str]:
    """The concepts that are shown, in their order."""
    return [text.split("\n")[0].split(" F_mmd")[0] for text in page.locator("#gallery h3").all_inner_texts()]


def is_focused(found: Locator) -> bool:
    return bool(found.evaluate("node => node === document.activeElement"))


def test_the_first_row_enlarges_and_gives_the_focus_back(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    buttons = page.locator(".first-row button")
    alts = [image.get_attribute("alt") or "" for image in page.locator(".first-row img").all()]
    assert alts[0].startswith("A real image of person")
    assert len(alts) == 4
    large = page.locator("#large")
    buttons.nth(1).click()
    assert large.is_visible()
    assert alts[1] in large.inner_text()
    assert "a real image, to compare" in large.inner_text()
    assert page.locator("#large img").count() == 2
    page.locator("#large img").first.evaluate("image => image.decode()")
    page.keyboard.press("Escape")
    assert not large.is_visible()
    assert is_focused(buttons.nth(1))
    watched.assert_quiet(report)


def test_the_large_view_is_walked_by_keyboard(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    buttons = page.locator(".first-row button")
    buttons.nth(0).focus()
    page.keyboard.press("Enter")
    large, place = page.locator("#large"), page.locator("#large-place")
    assert is_focused(page.locator("#large-close"))
    assert place.inner_text() == "1 of 4"
    assert page.locator("#large img").count() == 1  # the real image needs no other beside it
    page.keyboard.press("ArrowRight")
    assert place.inner_text() == "2 of 4"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert place.inner_text() == "4 of 4"
    for _ in range(6):  # the focus stays inside
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('#large')")
    page.locator("#large-next").press("Space")
    assert place.inner_text() == "1 of 4"
    page.locator("#large-close").press("Enter")
    assert not large.is_visible()
    assert is_focused(buttons.nth(0))
    watched.assert_quiet(report)


def test_a_click_beside_the_large_picture_closes_it(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    page.locator("#x-rows figure").nth(1).get_by_role("button").nth(2).click()
    assert "stamina, after task 3, image 3 of 3" in page.locator("#large").inner_text()
    page.mouse.click(5, 5)
    assert not page.locator("#large").is_visible()
    watched.assert_quiet(report)


def test_all_methods_stand_side_by_side(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    first = page.locator("#gallery .concept").first
    captions = [text.split("\n")[0] for text in first.locator("figcaption").all_inner_texts()]
    assert captions == ["real image", "stamina", "ti++", "cd"]
    alts = [image.get_attribute("alt") for image in first.locator("img").all()]
    assert alts[1] == "person 1 as stamina draws it after the last task"
    assert first.locator("figcaption").nth(1).inner_text().split("\n")[1:] == ["A 11.00", "F 1.00"]
    page.select_option("#g-when", "learned")
    first.scroll_into_view_if_needed()  # pictures are loaded when they are near
    first.locator("img").nth(1).evaluate("image => image.decode()")
    source = first.locator("img").nth(1).get_attribute("src")
    assert source == "thumbnails/toy-stamina-s0-t1-i1.webp"
    first.get_by_role("button").nth(3).click()
    assert page.locator("#large-title").inner_text() == "person 1: cd"
    page.keyboard.press("Escape")
    page.select_option("#g-seed", "1")
    assert page.locator("#g-count").inner_text() == "1 of 3 methods, 3 of 3 concepts"
    watched.assert_quiet(report)


def test_the_worst_forgotten_come_first(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    assert concepts(page) == ["1: person 1", "2: person 2", "3: person 3"]
    page.select_option("#g-order", "forgotten")
    assert concepts(page) == ["3: person 3", "2: person 2", "1: person 1"]  # means of 11, 7 and 1
    assert "F_mmd 11.00" in page.locator("#gallery h3").first.inner_text()
    page.locator("#g-methods").fill("ti, STAM")  # without cd the second is worst
    assert concepts(page) == ["2: person 2", "3: person 3", "1: person 1"]
    assert page.locator("#g-count").inner_text() == "2 of 3 methods, 3 of 3 concepts"
    watched.assert_quiet(report)


def test_concepts_and_methods_are_filtered_by_text(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    page.get_by_label("Concepts with").press_sequentially("Person 2, person 3")
    assert concepts(page) == ["2: person 2", "3: person 3"]
    page.get_by_label("Methods with").fill("cd")
    assert page.locator("#gallery .concept").first.locator("figure").count() == 2
    page.get_by_label("Concepts with").fill("nobody")
    assert concepts(page) == []
    assert page.locator("#g-count").inner_text() == "1 of 3 methods, 0 of 3 concepts; nothing to show"
    page.get_by_label("Concepts with").fill("")
    assert len(concepts(page)) == 3
    watched.assert_quiet(report)


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(watched: Watched, report: Path, width: int) -> None:
    page = watched.open(report)
    page.set_viewport_size({"width": width, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator(".first-row button").nth(1).click()
    box = page.locator("#large").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    watched.assert_quiet(report)


def test_every_picture_of_a_button_has_words(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    assert (
        page.evaluate("[...document.querySelectorAll('button.open')].filter(b => !b.querySelector('img').alt).length")
        == 0
    )
    large = page.locator("#large")
    assert large.get_attribute("aria-labelledby") == "large-title"
    watched.assert_quiet(report)
