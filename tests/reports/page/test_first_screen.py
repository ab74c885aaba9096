"""The first screen: what came out in words and numbers, and one row of pictures, read from the page itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from harness.results import CellResult, Row
from reports.page import write_page

Make = Callable[..., CellResult]


class Screen(HTMLParser):
    """The words of each card, the pictures of the rows, and all text of the section."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cards: list[str] = []
        self.alts: list[str] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(text.split('<section id="outcome"')[1].split("</section>")[0] if "outcome" in text else "")
        self.words = " ".join(self.words.split())
        self.cards = [" ".join(card.split()) for card in self.cards]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "div":
            self._open.append(named.get("class") or "")
            self.cards += [""] if named.get("class") == "card" else []
        if tag == "img":
            self.alts.append(named.get("alt") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "div":
            self._open.pop()

    def handle_data(self, data: str) -> None:
        self.words += data + " "
        if "card" in self._open:
            self.cards[-1] += data + " "


def screen(cells: list[CellResult], folder: Path) -> Screen:
    write_page(cells, folder)
    return Screen((folder / "index.html").read_text(encoding="utf-8"))


def with_tasks(cell: CellResult, values: Mapping[str, list[float]]) -> CellResult:
    """The cell with figures of its single tasks."""
    common = {name: getattr(cell, name) for name in ("benchmark", "tier", "backbone", "method", "seed", "partial")}
    rows = [
        Row(**common, metric=metric, value=value, task=task, n=3, unit="1e-3")
        for metric, of_task in values.items()
        for task, value in enumerate(of_task, 1)
    ]
    return cell.model_copy(update={"rows": (*cell.rows, *rows)})


def test_a_card_says_that_its_method_keeps_data(make: Make, tmp_path: Path) -> None:
    cells = [make("hoarder", whole={"a_mmd": (1.0, 0.8, 1.2)}), make("far", whole={"a_mmd": (30.0, 28.0, 32.0)})]
    cells[0] = cells[0].model_copy(update={"keeps_data": "real images"})
    best, *others = screen(cells, tmp_path).cards
    assert best.endswith("hoarder keeps real images.")
    assert not any("keeps" in other for other in others if "hoarder" not in other)


def test_the_best_and_who_may_be_it(make: Make, tmp_path: Path) -> None:
    cells = [
        make("near", whole={"a_mmd": (10.0, 8.0, 12.0), "f_mmd": (1.0, 0.5, 1.5)}),
        make("nearly", whole={"a_mmd": (11.0, 9.0, 13.0), "f_mmd": (3.0, 2.5, 3.5)}),
        make("far", whole={"a_mmd": (30.0, 28.0, 32.0), "f_mmd": (2.0, 1.8, 2.2)}),
    ]
    found = screen(cells, tmp_path)
    best, least, most = found.cards
    assert best == (
        "Best near A_mmd 10.00 [8.00, 12.00] Lower is better. The interval overlaps that of nearly: which one is best "
        "stays open."
    )
    assert least == "Forgets least near F_mmd 1.00 [0.50, 1.50] The interval lies clear of all others."
    assert most == "Forgets most nearly F_mmd 3.00 [2.50, 3.50] The interval lies clear of all others."
    assert "Brackets: 95 % intervals" in found.words
    assert "One run seed" in found.words


def test_several_seeds_have_a_spread_and_no_interval_says_so(make: Make, tmp_path: Path) -> None:
    cells = [
        make(label, seed, whole={"a_mmd": value + seed}) for label, value in (("a", 1.0), ("b", 3.0)) for seed in (0, 2)
    ]
    found = screen(cells, tmp_path)
    assert found.cards == [
        "Best a A_mmd 2.00 ± 1.41 Lower is better. There are no intervals: how sure this is cannot be told."
    ]
    assert "Means over seeds; ± is their standard deviation." in found.words
    assert "Brackets" not in found.words


def test_methods_that_share_a_place_share_a_card(make: Make, tmp_path: Path) -> None:
    cells = [make(f"m{k}", whole={"a_mmd": 5.0 + k, "f_mmd": 0.0 if k else 4.0}) for k in range(7)]
    _, least, most = screen(cells, tmp_path).cards
    assert least.startswith("Forgets least m1, m2, m3, m4 and 2 more F_mmd 0.00")
    assert most.startswith("Forgets most m0 F_mmd 4.00")
    same = [make(label, whole={"a_mmd": 5.0, "f_mmd": 0.0}) for label in "xy"]
    assert screen(same, tmp_path / "same").cards[1] == "Forgetting x and y F_mmd 0.00 All methods are alike in this."


def test_who_learned_little_has_little_to_forget(make: Make, tmp_path: Path) -> None:
    figures = {"deaf": (50.0, 0.0, 49.0), "keen": (20.0, 9.0, 10.0), "calm": (25.0, 3.0, 20.0)}
    cells = [
        make(label, whole={"a_mmd": a, "f_mmd": f, "learned_mmd": learned})
        for label, (a, f, learned) in figures.items()
    ]
    assert (
        screen(cells, tmp_path).cards[1].endswith("It learned less than most to begin with, and so had less to forget.")
    )


def test_one_method_alone_and_one_task(make: Make, tmp_path: Path) -> None:
    found = screen([make(whole={"a_mmd": (2.0, 1.0, 3.0), "f_mmd": 0.5})], tmp_path)
    assert found.cards == [
        "Result stamina A_mmd 2.00 [1.00, 3.00] Lower is better. Only one method has this figure.",
        "Forgets stamina F_mmd 0.50",
    ]
    found = screen([make(whole={"a_mmd": 2.0}, tasks=1)], tmp_path / "one")
    assert "Forgetting takes two tasks at least." in found.words


def test_partial_runs_say_what_they_are(make: Make, tmp_path: Path) -> None:
    found = screen([make(whole={"a_mmd": 2.0}, tasks=1, total=3, partial=True)], tmp_path)
    assert "Toy sequence tasks 1 of 3 partial Only some of the tasks were run" in found.words


def test_an_upper_bound_is_no_rival(make: Make, tmp_path: Path) -> None:
    def independent(label: str, **whole: float) -> CellResult:
        cell = make(label, whole=whole, tasks=2)
        folder = cell.tasks[0].generated
        first = cell.tasks[0].model_copy(update={"after": {1: folder, 2: folder}})
        return cell.model_copy(update={"tasks": (first, cell.tasks[1])})

    cells = [
        independent("ub", a_mmd=1.0, f_mmd=0.0, plasticity_distance=0.5),
        independent("ti++", a_mmd=8.0, f_mmd=0.0, plasticity_distance=0.0),  # one model, a token for each
        make("cd", whole={"a_mmd": 9.0, "f_mmd": 7.0}, tasks=2),
    ]
    found = screen(cells, tmp_path)
    assert [card.split(" A_mmd")[0].split(" F_mmd")[0] for card in found.cards] == [
        "Best ti++", "Forgets least ti++", "Forgets most cd", "Upper bound ub"
    ]  # fmt: skip
    assert "no rival of theirs" in found.cards[-1]


def test_classifiers_are_told_by_accuracy(make_classes: Callable[..., CellResult], tmp_path: Path) -> None:
    cells = [
        make_classes(),
        make_classes("ft", matrix=[[95.0], [10.0, 90.0], [0.0, 5.0, 85.0]]),
        make_classes("joint", matrix=[[70.0, 80.0, 90.0]]),
    ]
    found = screen(cells, tmp_path)
    assert found.cards[0].startswith("Best stamina A_N 50.00 % [48.00, 52.00] Higher is better.")
    assert found.cards[1].startswith("Forgets least stamina forgetting max 45.00 %")
    assert found.cards[2].startswith("Forgets most ft forgetting max 90.00 %")
    assert found.cards[3].startswith("Upper bound joint A_N 80.00 %")
    assert found.alts == []
    assert "class orders" in found.words


def test_the_row_shows_the_concept_that_differs_most(make: Make, tmp_path: Path) -> None:
    cells = [
        with_tasks(make("far", whole={"a_mmd": 5.0}), {"a_mmd": [1.0, 9.0, 4.0]}),
        with_tasks(make("near", whole={"a_mmd": 4.0}), {"a_mmd": [1.0, 2.0, 5.0]}),
    ]
    found = screen(cells, tmp_path)
    assert found.alts == [
        "A real image of person 2", "person 2 as near draws it after task 3", "person 2 as far draws it after task 3"
    ]  # fmt: skip
    assert "person 2 (task 2 of 3, the concept that the methods draw most differently)" in found.words
    alone = screen([with_tasks(make(whole={"a_mmd": 5.0}), {"f_mmd": [1.0, 0.0, 7.0]})], tmp_path / "alone")
    assert "person 3 (task 3 of 3, the concept that was forgotten most)" in alone.words
    plain = screen([make(), make("cd")], tmp_path / "plain")
    assert "person 1 (task 1 of 3), after the last task" in plain.words


def test_without_images_there_is_no_row(make: Make, tmp_path: Path) -> None:
    cell = make(whole={"a_mmd": 2.0})
    for task in cell.tasks:
        for folder in (task.real, task.generated):
            assert folder is not None
            shutil.rmtree(folder)
    found = screen([cell], tmp_path / "report")
    assert found.alts == []
    assert 'class="first-row"' not in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")


def test_what_all_have_in_common_is_said_once(make: Make, tmp_path: Path) -> None:
    cells = [make(f"{name} [steps=5]", method=name, whole={"a_mmd": a}) for name, a in (("cd", 1.0), ("lora", 2.0))]
    found = screen(cells, tmp_path)
    assert found.cards[0].startswith("Best cd A_mmd 1.00")
    assert "All with steps=5." in found.words
    one = screen(cells[:1], tmp_path / "one")
    assert one.cards[0].startswith("Result cd [steps=5]")


@pytest.mark.parametrize("size", [64, 300])
def test_pictures_are_as_large_as_the_budget_allows(make: Make, tmp_path: Path, size: int) -> None:
    paths = write_page([make(size=size)], tmp_path / "report")
    with Image.open(paths[1]) as strip:
        assert strip.size == (2 * min(size, 256), min(size, 256))


def test_no_cells_at_all(tmp_path: Path) -> None:
    write_page([], tmp_path)
    assert 'id="outcome"' not in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_words_from_elsewhere_stay_words(make: Make, tmp_path: Path) -> None:
    word: Any = '"><img src=x onerror=alert(1)>'
    found = screen([make(word, whole={"a_mmd": 1.0}), make("cd", whole={"a_mmd": 2.0})], tmp_path)
    assert found.cards[0].startswith(f"Best {word} A_mmd 1.00")
    assert f"person 1 as {word} draws it after task 3" in found.alts
