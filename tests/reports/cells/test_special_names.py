"""Names that are special somewhere - in LaTeX, HTML, CSV, a shell or a file's name - in every output of a report."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.results import CellResult
from reports.files import Names, slug
from reports.tables import build_tables, to_latex
from reports.tables.latex import escape
from reports.tables.macros import to_macros
from reports.write import write_report

Make = Callable[..., CellResult]

NAMES = (
    "50%_off & {x}", "a;b", "it's $5 #1", "~home^2", "back\\slash", "\u72ac", "\U0001f436 dog", "x<b>y</b>", "=1+1",
    "Pi\u00f1ata caf\u00e9", "a,b", "-dash", "dog@v2:1", "mixed50", "two  spaces", 'quo"te', "n\u0303", "A" * 200,
)  # fmt: skip
# of concepts: what ends or confuses a page's script or mark-up
CONCEPTS = (
    "<!--<script>", "<img src=x onerror=f()>", '"><b>bold', "a&amp;b", "{{7*7}}", "${7*7}", "]]>", "__proto__",
    "constructor", "\u05d3\u05d5\u05d2", "toString", "\u202egnp.exe", "</script>",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_the_same_in_every_output(make: Make, name: str, tmp_path: Path) -> None:
    cell = make(benchmark=name, title=f"2 concepts of {name}", whole={"a_mmd": 1.0, "f_mmd": 2.0})
    other = make("ti++", benchmark=name, title=f"2 concepts of {name}", whole={"a_mmd": 2.0, "f_mmd": 2.0})
    cells = [c.model_copy(update={"registered": False}) for c in (cell, other)]
    written = write_report(cells, tmp_path, ("latex", "md", "csv", "json", "html"))
    texts = {path.name: path.read_text(encoding="utf-8") for path in written if path.suffix not in (".webp", ".png")}
    assert {row["benchmark"] for row in json.loads(texts["results.json"])["rows"]} == {name}
    for file in ("tables.csv", "results.csv"):
        rows = list(csv.DictReader(io.StringIO(texts[file], newline="")))
        assert {row["benchmark"] for row in rows} == {f"'{name}" if name[0] in "=-" else name}
    shown = unicodedata.normalize("NFC", " ".join(name.split()))
    page = html.unescape(texts["index.html"])
    assert any(text in page for text in (name, shown, public_of(name)))
    assert "<b>y</b>" not in texts["index.html"]
    table = texts["tables.tex"]
    assert escape(name) in table
    assert table.count("{") - table.count(r"\{") == table.count("}") - table.count(r"\}")
    assert r"\bench@paper{" not in texts["macros.tex"]
    for path in written:
        assert len(path.name.encode()) < 255
        assert re.fullmatch(r"[A-Za-z0-9._-]+", path.name), path.name


def public_of(name: str) -> str:
    from reports.page.public import public

    return public(name)


@pytest.mark.parametrize("concept", CONCEPTS)
def test_a_concept_does_not_become_part_of_a_page(make: Make, concept: str, tmp_path: Path) -> None:
    cell = make(whole={"a_mmd": 1.0})
    tasks = tuple(task.model_copy(update={"name": concept, "category": concept}) for task in cell.tasks)
    write_report([cell.model_copy(update={"tasks": tasks})], tmp_path, ("html",))
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    plain = (write_report([cell], tmp_path / "plain", ("html",))[0]).read_text(encoding="utf-8")
    for mark in ("<script", "</script", "<!--", "<img", "<b>", "\u202e"):
        assert page.count(mark) == plain.count(mark), mark
    data = re.search(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', page, re.S)
    assert data is not None
    names = {task[1] for table in json.loads(data[1])["tables"] for task in table["tasks"]}
    assert names == {concept.replace("\u202e", " ")}


def test_other_names_have_other_files_whatever_their_letters() -> None:
    assert slug("\u72ac") != slug("\u732b")
    assert slug("\u72ac").startswith("unnamed-")
    names = Names()
    assert names.unique("grid", "a b") == "grid-a-b"
    other = names.unique("grid", "a_b".replace("_", "-"))
    assert re.fullmatch(r"grid-a-b-[0-9a-f]{6}", other)
    assert names.unique("matrix", "a b") == "matrix-a-b"
    assert names.unique("matrix", "a-b") == other.replace("grid", "matrix")  # the same digits in every kind of file
    assert names.unique("grid", "a b") == "grid-a-b-2"


def test_macros_of_two_names_that_latex_cannot_tell_apart_are_no_aliases(make: Make) -> None:
    cells = [make(benchmark=name, whole={"a_mmd": value}) for name, value in (("5%", 1.0), ("5#", 2.0), ("x", 3.0))]
    text = to_macros(build_tables(cells))
    assert [line for line in text.splitlines() if line.startswith(r"\benchalias")] == [r"\benchalias{x}{x@mini/tiny}"]
    assert r"\bench@set{5/@mini/tiny}" in text
    assert r"\bench@set{5/@mini/tiny(2)}" in text


def test_an_accent_that_is_a_letter_of_its_own_is_one_letter_in_latex(make: Make) -> None:
    assert escape("n\u0303") == escape("\u00f1") == r"\~{n}"
    (table,) = build_tables([make(benchmark="n\u0303", whole={"a_mmd": 1.0})])
    assert r"\~{n}" in to_latex(table)
