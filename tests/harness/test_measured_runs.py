"""A metric of one's own on a finished run: in every output, without training or drawing anything; and on new runs."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from in_process import bench, refused
from PIL import Image

from harness import registry
from harness.records.run_file import read_cells, run_files
from harness.spec import EDITS, Tier
from harness.store.image_sets import load_images
from reports.compare.runs import compare
from reports.tables import build_tables

MEAN_COLOUR = """
import numpy as np

from stamina_bench import Metric


class MeanColour(Metric):
    name, unit, summary = "mean_colour", "level", "Distance of mean colours."

    def of_task(self, task):
        real, drawn = (each.images.mean(axis=(0, 1, 2)) for each in (task.real, task.generated))
        return float(np.linalg.norm(real - drawn))
"""
FEW = ("--set", "steps=1", "--set", "sampling.images=3", "--set", "sampling.steps=1", "--limit", "2", "-q")


@pytest.fixture
def runs(tiny_tier: Tier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, on the tiny models."""
    monkeypatch.setitem(registry.tiers().__dict__, "get", lambda name: tiny_tier)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def metric(module: str, text: str = MEAN_COLOUR) -> str:
    """A metric in a file of the current folder; one process imports a name once."""
    Path(f"{module}.py").write_text(text)
    return f"{module}.py:MeanColour"


def steps(runs: Path) -> set[Path]:
    """Folders of the store's steps."""
    return set((runs / "store" / "steps").glob("*/*"))


def made_since(before: set[Path], runs: Path) -> list[dict[str, Any]]:
    """Recipes of the steps that were made since."""
    return [json.loads((path / "manifest.json").read_text())["recipe"] for path in steps(runs) - before]


def done(*words: object) -> str:
    code, said = bench(*words)
    assert code == 0, said
    return said


def test_what_a_metric_was_told_stands_under_its_tables(runs: Path) -> None:
    """A report is read where nobody saw the run: also there, that rows were taken for pairs."""
    each = MEAN_COLOUR.replace("(axis=(0, 1, 2))", "(axis=(1, 2, 3))")
    pairs = each.replace("real - drawn", "real[: len(drawn)] - drawn")
    done("run", "tuning6", "-m", "ti++", *FEW, "--metrics", metric("colour_of_pairs", pairs))
    done("report", "runs")
    for name in ("tables.md", "index.html"):
        said = (runs / "report" / name).read_text()
        assert "Told while metrics were made: the metric MeanColour says" in said, name
        assert "when its real images come in another order" in said, name


def test_it_is_added_to_a_finished_run_and_stands_in_every_output(runs: Path) -> None:
    done("run", "tuning6", "-m", "stamina,ti++", *FEW)
    before = steps(runs)
    said = done("score", "runs", "--metrics", f"{metric('colour_of_finished')},identity_retrieval", "-q")
    assert "mean_colour (level)" in said
    assert "last task ↓" in said
    kinds = [recipe["kind"] for recipe in made_since(before, runs)]
    assert kinds == ["measure"] * 4  # of two cells; nothing was trained or drawn

    cells = read_cells(runs)
    for cell in cells:
        rows = {(row.metric, row.task): row for row in cell.rows if row.metric.startswith("mean_colour")}
        for task in cell.tasks:
            real, final, just = map(load_images, (task.real, task.after[2], task.after[task.index]))  # type: ignore[arg-type]
            for name, drawn in (("mean_colour", final), ("mean_colour.learned", just)):
                means = [np.asarray(side, float).reshape(-1, 3).mean(0) for side in (real, drawn)]
                assert rows[name, task.index].value == pytest.approx(float(np.sqrt(((means[0] - means[1]) ** 2).sum())))
        lost = rows["mean_colour", 1].value - rows["mean_colour.learned", 1].value
        assert rows["mean_colour.forgotten", None].value == pytest.approx(lost)

    done("report", "runs")
    report = runs / "report"
    assert "mean\\_colour (level)" in (report / "measures.tex").read_text()
    assert "mean\\_colour" in (report / "measures.md").read_text()
    assert "{mean_colour.forgotten}" in (report / "macros.tex").read_text()
    page = (report / "index.html").read_text()
    assert '"mean_colour"' in page
    assert "Higher is better in columns with ↑" in page  # of identity retrieval
    assert "Lower is better in every column" in (report / "tables.md").read_text()
    (stamina, _) = list(csv.DictReader(io.StringIO((report / "tables.csv").read_text())))
    assert float(stamina["mean_colour_low"]) < float(stamina["mean_colour_mean"]) < float(stamina["mean_colour_high"])
    assert stamina["mean_colour_rank"] in ("1", "2")
    results = json.loads((report / "results.json").read_text())
    assert [measure["name"] for measure in results["measures"]] == ["mean_colour", "identity_retrieval"]
    compared = json.loads(done("compare", "runs", "runs", "--format", "json"))
    (change,) = [c for c in compared["changes"] if c["metric"] == "mean_colour" and c["method"].startswith("ti++")]
    assert (change["unit"], change["difference"], change["verdict"]) == ("level", 0.0, "equal")

    # an older file of the same run hides nothing, and an edited metric is measured anew
    (older, newer) = run_files(runs)
    shutil.copystat(newer, older)
    assert {measure.name for cell in read_cells(runs) for measure in cell.measures} == {
        "mean_colour",
        "identity_retrieval",
    }


def test_drift_is_0_for_tokens_alone_and_the_base_model_is_drawn_once(runs: Path) -> None:
    done("run", "tuning6", "-m", "stamina,ti++", *FEW, "--set", "stamina.learning_rate=0.1")
    before = steps(runs)
    done("score", "runs", "--metrics", "base_drift,clip_t,fid", "-q")
    recipes = made_since(before, runs)
    # two tasks of two category words: of each, once by the base model and once by each method; nothing was trained
    assert Counter(recipe["kind"] for recipe in recipes) == {
        "base": 6, "features": 6, "measure": 6
    }  # fmt: skip
    stamina, tokens = read_cells(runs)
    for cell in (stamina, tokens):
        rows = {(row.metric, row.task): row for row in cell.rows if row.metric.startswith(("base_", "clip_t", "fid"))}
        assert {key for key in rows if key[0].startswith("base_")} == {("base_drift", None)}
        assert {key for key in rows if key[0].startswith("fid")} == {
            (f"fid{end}", None) for end in ("", ".learned", ".forgotten")
        }
        assert ("clip_t.learned", 2) in rows
        drift = rows["base_drift", None]
        assert (drift.value, drift.low, drift.high) == (0, 0, 0) if cell is tokens else drift.value > 0
    (table,) = build_tables(read_cells(runs))
    assert [measure.name for measure in table.measures] == ["base_drift", "clip_t", "fid"]
    for form in ("text", "md", "latex"):
        assert "base drift" in done("report", "runs", "--format", form)
    prompts = ["a photo of a person", "a photo of a waterfall"]
    assert [each.prompt for each in tokens.plain] == prompts
    for each, other in zip(tokens.plain, stamina.plain, strict=True):
        assert each.before == other.before
        assert np.array_equal(load_images(each.before), load_images(each.after))
        assert not np.array_equal(load_images(other.before), load_images(other.after))
    done("report", "runs", "--format", "png,html")
    with Image.open(runs / "report" / "grids" / "drift-tuning6-partial.png") as grid:
        assert grid.width > grid.height / 4
    assert '"the base model"' in (runs / "report" / "index.html").read_text()


def test_edited_prompts_are_drawn_once_for_both_metrics(runs: Path) -> None:
    done("run", "tuning6", "-m", "stamina,ub", *FEW)
    before = steps(runs)
    done("score", "runs", "--metrics", "edited_clip_t,edited_clip_i", "-q")
    recipes = made_since(before, runs)
    # two methods, two tasks, two edits
    assert Counter(recipe["kind"] for recipe in recipes) == {
        "edit": 8, "features": 8, "measure": 4
    }  # fmt: skip
    drawn = {(r["category"], r["edit"]) for r in recipes if r["kind"] == "edit"}
    assert drawn == {(category, edit) for category in ("person", "waterfall") for edit in EDITS[category]}
    for cell in read_cells(runs):
        rows = {(row.metric, row.task) for row in cell.rows if row.metric.startswith("edited_")}
        assert rows == {(f"edited_clip_{x}", task) for x in "it" for task in (1, 2, None)}
    assert "CLIP-T, edited prompts" in done("report", "runs", "--format", "text")


def test_figures_of_an_edited_metric_never_meet_in_silence(runs: Path) -> None:
    done("run", "tuning6", "-m", "stamina,ti++", *FEW)
    done("score", "runs", "--metrics", metric("colour_edited"), "-q")
    cells = read_cells(runs)
    edited = [cell.model_copy(update={"measures": tuple(m.model_copy(update={"source": "0"}) for m in cell.measures)})
              for cell in cells]  # fmt: skip
    (alike,), (mixed,) = build_tables(cells), build_tables([cells[0], edited[1]])
    assert alike.cautions == ()
    (caution,) = mixed.cautions
    assert caution.startswith("Not all figures of mean_colour are by the same code, as that was edited in between")
    found = compare(cells, edited)
    changes = [change for _, some in found.changes for change in some]
    assert {c.metric for c in changes if not c.comparable} == {
        "mean_colour", "mean_colour.learned", "mean_colour.forgotten"
    }  # fmt: skip
    assert "the code of the metric mean_colour is not the same (all methods)." in found.differences


def test_what_a_method_measures_of_itself_reaches_the_rows(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "counting_method.py").write_text(
        "from methods.lora import LoRA\n\n\nclass Counting(LoRA):\n    summary = 'LoRA'\n\n"
        "    def measures(self):\n        return {'place': 3.0 * self.task_index}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    done("run", "tuning6", "-m", "counting_method:Counting", *FEW, "--set", "prior_images=0")
    (cell,) = read_cells(runs)
    rows = {row.task: (row.value, row.n) for row in cell.rows if row.metric == "counting_method:Counting.place"}
    assert rows == {1: (3.0, 1), 2: (6.0, 1), None: (4.5, 2)}
    compared = json.loads(done("compare", "runs", "runs", "--format", "json"))
    assert "counting_method:Counting.place" in {change["metric"] for change in compared["changes"]}


def test_a_baseline_holds_it_with_its_direction(runs: Path) -> None:
    subset = ("-b", "tuning6", "-m", "stamina", "--limit", "1", "--seeds", "0,1", "--set", "steps=1",
              "--set", "sampling.images=3", "--set", "sampling.steps=1")  # fmt: skip
    done(
        "verify",
        "--update",
        "--against",
        "base.json",
        *subset,
        "--metrics",
        f"{metric('colour_verified')},clip_i",
        "-q",
    )
    baseline = json.loads(Path("base.json").read_text())
    assert baseline["subset"]["metrics"] == ["colour_verified.py:MeanColour", "clip_i"]
    assert [(each["name"], each["higher"]) for each in baseline["measures"]] == [
        ("mean_colour", False),
        ("clip_i", True),
    ]
    assert "mean_colour" in done("verify", "--against", "base.json", "--self-test", "-q")
    for figure in baseline["figures"]:
        if figure["metric"] == "clip_i":
            figure["values"] = [value + 1 for value in figure["values"]]
            figure["mean"] += 1
    Path("base.json").write_text(json.dumps(baseline))
    code, said = bench("verify", "--against", "base.json", "-q")
    assert (code, "regression" in said) == (3, True)  # higher is better, and it is lower now


def test_a_run_may_ask_for_it_at_once_and_its_mistakes_are_one_sentence(runs: Path) -> None:
    said = done("run", "tuning6", "-m", "ti++", *FEW, "--metrics", "vendi,cmmd")
    assert "Vendi" in said
    (file,) = run_files(runs)
    assert yaml.safe_load(file.read_text())["spec"]["metrics"] == ["vendi", "cmmd"]
    wrong = metric("colour_as_text", MEAN_COLOUR.replace("return float(", "return str("))
    code, said = bench("score", "runs", "--metrics", wrong, "-q")
    assert code == 1
    assert "MeanColour.of_task() must give a finite number, or one for each of 3 images" in said
    refused(bench("run", "imagenet-r20", "--metrics", "vendi"), "--metrics measures generated images", "classification")


def test_who_was_taught_is_asked_only_where_it_is_known(runs: Path, tmp_path: Path) -> None:
    for name in ("cat", "vase"):
        for k in range(3):
            path = tmp_path / "photos" / name / f"{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(len(name) + 7 * k).integers(0, 255, (80, 80, 3), np.uint8)
            Image.fromarray(noise).save(path)
    said = bench("run", "photos", "-m", "ti++", *FEW, "--metrics", "identity")
    refused(said, "'identity' needs to know what each concept is, which 'photos' does not tell", "--metrics")
    code, said = bench("run", "tuning6", "-m", "ti++", *FEW, "--metrics", "identity")
    assert (code, "probes of the mini tier's own extractor" in said) == (1, True)  # the tiny one is another
