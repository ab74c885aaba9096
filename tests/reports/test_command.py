"""`stamina-bench report` and `compare`: what goes to stdout, what into files, and every mistake in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.cli.compare import _renamed as renamed
from harness.cli.report import parse_formats
from harness.errors import UsageError
from harness.results import CellResult, Unfinished
from reports.reference import write_reference

Make = Callable[..., CellResult]
LEFT = Unfinished(
    benchmark="toy", tier="mini", backbone="tiny", label="clora", seed=1, trained=2, tasks=3, reason="out of memory"
)


@pytest.fixture
def folder(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A results folder with one finished and one unfinished cell."""
    cells = [make(whole={"a_mmd": 1.0})]
    monkeypatch.setattr("harness.records.run_file.read_cells", lambda runs, **_: cells)
    monkeypatch.setattr("harness.records.run_file.read_unfinished", lambda runs, **_: [LEFT])
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


def test_formats_are_names_and_synonyms() -> None:
    assert parse_formats("latex, md,LaTeX") == ("latex", "md")
    assert parse_formats("markdown,tex") == ("md", "latex")
    for text, words in (("pngg", "did you mean png"), ("all,md", "stands alone"), ("", "known: ")):
        with pytest.raises(UsageError, match=words):
            parse_formats(text)


def test_one_text_is_printed_and_several_go_into_the_folder(folder: Path) -> None:
    alone = CliRunner().invoke(app, ["report", str(folder), "-f", "md"])
    assert alone.stdout.startswith("### Toy sequence")
    assert not (folder / "report").exists()
    both = CliRunner().invoke(app, ["report", str(folder), "-f", "md,csv"])
    assert both.stdout == ""
    assert {path.suffix for path in (folder / "report").iterdir()} == {".md", ".csv"}
    other = CliRunner().invoke(app, ["report", str(folder), "-f", "html", "-o", str(folder / "page")])
    assert "page to explore" in other.stderr
    assert (folder / "page" / "index.html").is_file()
    target = folder / "there"
    target.mkdir()
    assert CliRunner().invoke(app, ["report", str(folder), "-f", "json", "-o", str(target)]).exit_code == 0
    assert json.loads((target / "results.json").read_text())["rows"][0]["value"] == 1.0


def test_what_is_missing_is_said(folder: Path) -> None:
    result = CliRunner().invoke(app, ["report", str(folder), "-f", "html"])
    words = "Not finished: toy, clora seed 1: 2 of 3 tasks trained (out of memory)."
    assert words in result.stderr
    page = (folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "out of memory" in page


def test_compare_reads_results_and_reference_results(make: Make, folder: Path, tmp_path: Path) -> None:
    reference = tmp_path / "reference"
    write_reference([make(whole={"a_mmd": 3.0}).model_copy(update={"variant": "other code"})], reference)
    result = CliRunner().invoke(app, ["compare", str(reference), str(folder), "-f", "json"])
    assert result.exit_code == 0, result.exception
    found = json.loads(result.stdout)
    assert found["names"] == ["reference", "runs"]
    (change,) = [c for c in found["changes"] if c["metric"] == "a_mmd"]
    assert change["difference"] == pytest.approx(-2.0)
    assert "code, checkpoints or device are not the same" in " ".join(found["differences"])
    for form, words in (("text", "A_mmd"), ("md", "# Comparison"), ("csv", "benchmark,")):
        assert words in CliRunner().invoke(app, ["compare", str(reference), str(folder), "-f", form]).stdout
    target = tmp_path / "comparison.md"
    CliRunner().invoke(app, ["compare", str(reference), str(folder), "-f", "md", "-o", str(target)])
    assert target.read_text(encoding="utf-8").startswith("# Comparison of reference and runs")


def test_mistakes_of_compare_name_the_remedy(folder: Path, tmp_path: Path) -> None:
    for arguments, words in (
        ([str(tmp_path / "none"), str(folder)], "is not a results folder"),
        (
            [str(folder), str(folder), "--benchmark", "mixed"],
            "holds nothing of benchmark 'mixed'; it has: toy",
        ),
        ([str(folder), str(folder), "--rename", "stamina"], "OLD=NEW"),
    ):
        failed = CliRunner().invoke(app, ["compare", *arguments])
        assert isinstance(failed.exception, UsageError), arguments
        assert words in str(failed.exception)


def test_labels_with_options_can_be_renamed() -> None:
    assert renamed(["stamina=mine", "stamina [rank=4]=stamina [rank=8]"]) == {
        "stamina": "mine", "stamina [rank=4]": "stamina [rank=8]",
    }  # fmt: skip
