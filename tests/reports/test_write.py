"""The report folder: its files, and that nothing escapes from it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.results import CellResult
from reports.files import Names, slug, write_atomically
from reports.write import write_report

Make = Callable[..., CellResult]


def test_all_files_are_written(make: Make, tmp_path: Path) -> None:
    whole, curves = {"a_mmd": 1.0}, {"plasticity_distance": [1.0, 2.0]}
    cells = [make(whole=whole, curves=curves, tasks=2), make(seed=1, whole=whole, tasks=1, total=2, partial=True)]
    folder = tmp_path / "deep" / "report"
    paths = write_report(cells, folder)
    names = {
        "tables.tex", "macros.tex", "tables.md", "tables.csv", "results.csv", "results.json", "index.html",
        "figures/plasticity-toy.png", "figures/plasticity-toy.pdf", "grids/grid-toy-stamina-seed0.png",
        "grids/grid-toy-stamina-seed1-partial.png",
    }  # fmt: skip
    assert {str(p.relative_to(folder)) for p in paths if p.suffix != ".webp"} == names
    assert set(paths) == {path for path in folder.rglob("*") if path.is_file()}  # no temporary file is left
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert (results["schema_version"], len(results["rows"])) == (1, 4)
    assert (folder / "tables.md").read_text(encoding="utf-8").count("### ") == 2


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (("latex", "md"), {".tex", ".md"}),
        (("csv", "json"), {".csv", ".json"}),
        (("pdf",), {".pdf"}),
        (("png",), {".png"}),
        (("html",), {".html", ".webp", ".png"}),  # the page shows the figures
    ],
)
def test_only_what_is_asked_for_is_written(
    make: Make, tmp_path: Path, kinds: tuple[str, ...], expected: set[str]
) -> None:
    cells = [make(whole={"a_mmd": 1.0}, curves={"plasticity_distance": [1.0, 2.0]}, tasks=2)]
    assert {path.suffix for path in write_report(cells, tmp_path / "report", kinds)} == expected


def test_names_cannot_escape_or_collide(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    labels = ("../../evil", "..\\evil", "/etc/evil", "evil\0\n", "a" * 400, "漢字", "../../EVIL")
    curves = {"plasticity_distance": [1.0]}
    cells = [make(label, benchmark="../../../up", tasks=1, generated=1, curves=curves) for label in labels]
    before = {path for path in tmp_path.rglob("*") if folder not in path.parents}
    paths = write_report(cells, folder)
    after = {path for path in tmp_path.rglob("*") if folder not in path.parents}
    assert after - before == {folder}
    assert all(folder.resolve() in path.resolve().parents and len(path.name) < 255 for path in paths)
    assert len({str(path).lower() for path in paths}) == len(paths)
    assert sum(path.name.startswith("grid-") for path in paths) == len(labels)


def test_slug_and_unique_names() -> None:
    assert slug("stamina [rank=4, é]") == "stamina-rank-4-e"
    assert slug("ti++") == "ti-plus-plus"
    assert re.fullmatch("unnamed-[0-9a-f]{6}", slug("../.."))
    assert slug("") == "unnamed"
    names = Names()
    assert [names.unique("a", "b"), names.unique("a", "b")] == ["a-b", "a-b-2"]
    assert re.fullmatch("A-b-[0-9a-f]{6}", names.unique("A", "b"))
    assert re.fullmatch("a-b-[0-9a-f]{6}", names.unique("a b"))


def test_no_cells_name_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="stamina-bench run"):
        write_report([], tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_folder_that_cannot_be_made_is_named(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="cannot be written"):
            write_report([make(tasks=1)], folder)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = write_atomically(tmp_path / "a.txt", b"old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_reports_never_import_torch() -> None:
    code = "import sys, reports.write; assert 'torch' not in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env={"PYTHONPATH": ":".join(sys.path)})
