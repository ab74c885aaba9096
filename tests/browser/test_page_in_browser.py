"""The page in a real browser, from the file system: what a reader does with mouse and keyboard."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from harness.results import CellResult, Metric, Row, TaskResult, Unfinished
from reports.page import write_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from .conftest import Watched

Make = Callable[..., CellResult]
HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</script>", "../../etc")


@pytest.fixture
def report(cell: Make, tmp_path: Path) -> Path:
    """The folder of a report of three methods."""
    folder = tmp_path / "report"
    folder.mkdir()
    Image.new("RGB", (300, 200), "white").save(folder / "plasticity-toy.png")
    cells = [cell(a_mmd=10.0), cell(seed=1, a_mmd=12.0), cell("ti++", a_mmd=9.5), cell("cd", a_mmd=100.0)]
    write_page(cells, folder, figures=[folder / "plasticity-toy.png"])
    return folder


def methods(page: Page) -> list[str]:
    return page.locator("#tables tbody th").all_inner_texts()


def test_tables_sort_by_number_with_mouse_and_keyboard(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    button = page.get_by_role("button", name="A_mmd (\N{MULTIPLICATION SIGN}10³)", exact=True)
    heading = page.locator("#tables th", has=button)
    assert methods(page) == ["stamina", "ti++", "cd"]
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert methods(page) == ["ti++", "stamina", "cd"]  # 9.5, 11, 100: not as text
    heading.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert methods(page) == ["cd", "stamina", "ti++"]
    page.locator("#tables").get_by_role("button", name="method").press("Space")
    assert methods(page) == ["cd", "stamina", "ti++"]
    assert page.locator("#tables th[aria-sort=none]").count() == page.locator("#tables th[aria-sort]").count() - 1
    watched.assert_quiet(report)


def test_a_figure_says_where_it_comes_from(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    figure = page.locator("#tables").get_by_role("button", name="11.00 ± 1.41")
    figure.press("Enter")
    shown = page.locator("dialog[open]")
    text = shown.inner_text()
    for part in ("stamina", "11.00 ± 1.41", "mean over tasks", "polynomial", "rank", "../store", "key"):
        assert part in text
    assert shown.locator("tbody tr").all_inner_texts() == ["0\t10\t—\t3", "1\t12\t—\t3"]
    page.keyboard.press("Escape")
    assert not shown.is_visible()
    assert figure.evaluate("node => node === document.activeElement")
    page.locator("#x-figures").get_by_role("button").first.click()
    assert "task 1" in page.locator("dialog[open]").inner_text()
    page.get_by_role("button", name="Close").click()
    assert page.locator("dialog[open]").count() == 0
    watched.assert_quiet(report)


def test_the_slider_goes_over_i(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    page.locator("#explorer").scroll_into_view_if_needed()
    generated = page.locator("#x-rows figure").nth(1).locator("img")

    def loaded() -> str:
        generated.first.evaluate("image => image.decode()")
        return str(generated.first.evaluate("image => image.currentSrc.split('/').pop()"))

    assert loaded() == "toy-stamina-s0-t1-i3.webp"
    assert generated.count() == 3
    assert page.locator("#x-step-text").inner_text() == "i = 3 (after the last task)"
    page.locator("#x-step").focus()
    page.keyboard.press("ArrowLeft")
    assert loaded() == "toy-stamina-s0-t1-i2.webp"
    assert page.locator("#x-figures tbody td").all_inner_texts() == ["21.00", "9.50", "11.00", "0.25"]
    page.keyboard.press("Home")
    assert loaded() == "toy-stamina-s0-t1-i1.webp"
    assert page.locator("#x-step").get_attribute("aria-valuetext") == "i = 1 (just learned)"

    page.select_option("#x-second", label="ti++")
    assert page.locator("#x-rows figure").count() == 3
    page.select_option("#x-seed", "1")
    assert "no result with this seed" in page.locator("#x-rows figure").nth(2).inner_text()
    page.select_option("#x-task", "3")
    assert loaded() == "toy-stamina-s1-t3-i3.webp"
    assert page.locator("#x-step").is_disabled()
    watched.assert_quiet(report)


def test_compositions_have_their_prompts(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    page.select_option("#c-method", label="cd")
    figure = page.locator("#c-gallery figure")
    assert figure.inner_text() == "“V1 next to V2”"
    figure.scroll_into_view_if_needed()
    figure.locator("img").first.evaluate("image => image.decode()")
    watched.assert_quiet(report)


def classes(label: str, seed: int, accuracy: float) -> CellResult:
    """A cell of a classifier, which has no images."""
    common: dict[str, Any] = {
        "benchmark": "objects", "tier": "mini", "backbone": "vit", "method": label, "seed": seed, "partial": False,
    }  # fmt: skip
    figures: tuple[tuple[Metric, float], ...] = (("a_n", accuracy), ("forgetting_max", 90 - accuracy))
    return CellResult(
        **common, setting="classification", title="Objects", label=label, options={"epochs": 5}, tasks_total=2,
        tasks=tuple(TaskResult(index=j, name=f"classes {j}", category="cat, dog") for j in (1, 2)),
        protocol={"split": "seeded"},
        rows=tuple(Row(**common, metric=metric, value=value, n=2, unit="%") for metric, value in figures),
    )  # fmt: skip


@pytest.mark.parametrize("mixed", [False, True])
def test_a_page_of_classifiers(watched: Watched, cell: Make, tmp_path: Path, mixed: bool) -> None:
    folder = tmp_path / "report"
    found = [classes("ft", 0, 9.5), classes("stamina", 0, 80.0), classes("stamina", 1, 82.0)]
    write_page([*found, *([cell()] if mixed else [])], folder)
    page = watched.open(folder)
    table = page.locator("#tables table").first
    head = table.get_by_role("button", name="A_N (%) ↑", exact=True)
    head.click()
    head.click()
    assert table.locator("tbody th").all_inner_texts() == ["stamina", "ft"]  # 81 before 9.5
    table.get_by_role("button", name="81.00 ± 1.41").click()
    shown = page.locator("dialog[open]").inner_text()
    for part in ("stamina", "after learning the last one", "epochs", "seeded", "0\t80\t—\t2"):
        assert part in shown
    page.keyboard.press("Escape")
    assert page.locator("#explorer").count() == mixed
    if mixed:
        options = page.locator("#x-table option").all_inner_texts()
        assert options == ["toy, mini tier, tiny; 3 tasks"]
        page.locator("#x-figures").get_by_role("button").first.click()
        assert "real images" in page.locator("dialog[open]").inner_text()
    watched.assert_quiet(folder)


def test_the_theme_follows_the_system_and_the_switch(watched: Watched, report: Path) -> None:
    page = watched.open(report)

    def back() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = back()
    page.emulate_media(color_scheme="dark")
    dark = back()
    assert dark != light
    page.get_by_role("radio", name="light").check()
    assert back() == light
    page.reload()
    assert back() == light
    assert page.get_by_role("radio", name="light").is_checked()
    page.keyboard.press("Tab")
    page.get_by_role("radio", name="light").press("ArrowRight")
    assert back() == dark
    page.emulate_media(color_scheme="light")
    assert back() == dark
    page.get_by_role("radio", name="system").check()
    assert back() == light
    watched.assert_quiet(report)


def test_without_storage_the_switch_still_works(watched: Watched, report: Path) -> None:
    watched.page.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new Error('refused') }})"
    )
    page = watched.open(report)
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("radio", name="dark").check()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    watched.assert_quiet(report)


def test_every_control_has_a_name_and_headings_are_in_order(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    unnamed = page.evaluate(
        "[...document.querySelectorAll('select, input')].filter(c => !c.labels.length).map(c => c.outerHTML)"
    )
    assert unnamed == []
    levels = page.evaluate("[...document.querySelectorAll('main h2, main h3')].map(h => Number(h.tagName[1]))")
    assert levels[0] == 2
    assert all(below - above <= 1 for above, below in itertools.pairwise(levels))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    watched.assert_quiet(report)


def test_a_page_of_unfinished_cells_alone(watched: Watched, tmp_path: Path) -> None:
    write_page(
        [], tmp_path, [Unfinished(benchmark="toy", tier="mini", backbone="t", label="m", seed=0, trained=1, tasks=2)]
    )
    page = watched.open(tmp_path)
    assert "unfinished" in page.locator("main").inner_text()
    watched.assert_quiet(tmp_path)


def test_hostile_words_do_nothing(watched: Watched, cell: Make, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "report"
    cells = [cell(word, word=word, protocol={word: word}, options={word: word}) for word in HOSTILE]
    unfinished = [
        Unfinished(benchmark=w, tier=w, backbone=w, label=w, seed=0, trained=0, tasks=1, reason=w) for w in HOSTILE
    ]
    paths = write_page(cells, folder, unfinished)
    assert {p for p in (tmp_path / "deep").rglob("*") if p.is_file()} == set(paths)
    page = watched.open(folder)
    for number, word in enumerate(HOSTILE):
        page.select_option("#x-table", str(number))
        page.select_option("#c-table", str(number))
        assert word in page.locator("#x-rows").inner_text()
        assert word in page.locator("#c-gallery").inner_text()
        page.locator("#tables .figure").nth(2 * number).click()
        assert page.locator("dialog[open]").inner_text().count(word) >= 4
        page.keyboard.press("Escape")
    for button in page.locator(".sort").all():
        button.click()
    sources = page.evaluate("[...document.images].map(image => image.getAttribute('src'))")
    assert all(source.startswith("thumbnails/") and ".." not in source for source in sources)
    assert page.locator("script").count() == 3
    watched.assert_quiet(folder)
