"""Links to what a report wrote, captions in words, and the command that made it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from harness.records.run_command import run_command
from harness.results import CellResult
from harness.spec import MethodSpec, RunSpec
from reports.figures.save import FIGURES, LOSSES
from reports.page import captions, write_page
from reports.page.links import link_groups
from reports.write import write_report

Make = Callable[..., CellResult]


def test_a_report_links_every_file_that_it_wrote(make: Make, tmp_path: Path) -> None:
    curves = {"plasticity_distance": [1.0, 2.0, 3.0]}
    cells = [make(label, whole={"a_mmd": 1.0, "f_mmd": 2.0}, curves=curves) for label in ("stamina", "c d")]
    written = write_report(cells, tmp_path)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    linked = {unquote(link) for link in re.findall(r'href="([^"#:]+)"', text.split('<section id="files"')[1])}
    names = {path.relative_to(tmp_path).as_posix() for path in written}
    assert linked == {name for name in names if name != "index.html" and not name.startswith("thumbnails/")}
    assert {Path(name).suffix for name in linked} >= {".csv", ".tex", ".md", ".json", ".png", ".pdf"}
    assert any(name.startswith("grids/") for name in linked)


def test_without_files_there_is_no_such_section(make: Make, tmp_path: Path) -> None:
    write_page([make()], tmp_path)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'id="files"' not in text
    assert 'href="#files"' not in text


def test_links_are_grouped_and_say_what_is_there(tmp_path: Path) -> None:
    names = ["grids/timeline-toy-task1-partial.png", "results.csv", "figures/losses-toy-cd.pdf", "x#y.bin", "paper.tex"]
    groups = link_groups([tmp_path / name for name in names], tmp_path)
    assert [group.title for group in groups] == [
        "Tables as CSV, for spreadsheets and programs", "Tables as LaTeX", "Figures as PDF", "Grids of images",
        "Other files",
    ]  # fmt: skip
    words = {link.name: link.words for group in groups for link in group.files}
    assert words["results.csv"] == "every row, one figure a line"
    assert words["losses-toy-cd.pdf"] == "What was minimised: toy cd"
    assert words["timeline-toy-task1-partial.png"] == (
        "toy task1 (partial): one concept through the training, by every method"
    )
    assert groups[-1].files[0].address == "x%23y.bin"
    with pytest.raises(ValueError, match="outside"):
        link_groups([tmp_path / ".." / "x"], tmp_path)


def test_every_figure_and_text_has_words(make: Make, tmp_path: Path) -> None:
    assert {*FIGURES, LOSSES} == set(captions.FIGURES)
    written = write_report([make(whole={"a_mmd": 1.0}), make("cd", whole={"a_mmd": 2.0})], tmp_path)
    assert {path.stem for path in written if path.parent == tmp_path and path.suffix != ".html"} <= set(captions.TEXTS)
    grids = {path.stem.partition("-")[0] for path in written if path.parent.name == "grids"}
    assert grids <= set(captions.GRIDS)


def test_the_command_of_a_run() -> None:
    methods = (
        MethodSpec(name="cd", changes={"steps": 5}),
        MethodSpec(name="/home/me/mine.py:Mine", called="mine", changes={"steps": 5, "rank": 4, "token": "free"}),
    )
    spec = RunSpec(
        benchmark="/home/me/my photos", methods=methods, seeds=(0, 1), tasks=(1, 2), order=3, full_matrix=True,
        holdout=4, metrics=("clip_i",), sampling={"steps": 4, "solver": "unipc"},
    )  # fmt: skip
    assert run_command(spec) == (
        "stamina-bench run 'my photos' --methods cd,mine=mine.py:Mine --seeds 0,1 --tier mini --holdout 4 "
        "--tasks 1-2 --order 3 --metrics clip_i --full-matrix --set steps=5 --set mine.rank=4 --set mine.token=free "
        "--set sampling.steps=4 --set sampling.solver=unipc"
    )


def test_the_page_says_how_it_was_made(make: Make, tmp_path: Path) -> None:
    from importlib.metadata import version

    from harness.store.migrations import VERSION

    spec = RunSpec(benchmark="toy", methods=(MethodSpec(name="cd"),))
    run_file = tmp_path / "runs" / "toy.yaml"
    run_file.parent.mkdir()
    run_file.write_text(f"schema_version: {VERSION}\nspec: {spec.model_dump_json()}\ncells: []\n", encoding="utf-8")
    os.utime(run_file, (1_700_000_000, 1_700_000_000))
    cell = make().model_copy(update={"run_file": run_file})
    gone = make("gone").model_copy(update={"run_file": tmp_path / "runs" / "gone.yaml"})
    write_page([cell, gone], tmp_path / "report")
    text = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "<code>stamina-bench run toy --methods cd --seeds 0 --tier mini</code>" in text
    assert "last asked for on 2023-11-14, 22:13 UTC; ../runs/toy.yaml" in text
    assert "../runs/gone.yaml" in text
    assert f"<dd>stamina-bench {version('stamina-bench')}</dd>" in text
