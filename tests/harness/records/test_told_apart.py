"""Results of one name that are not the same, from the command line to every output; and how files of old are told."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import yaml
from in_process import bench, call
from PIL import Image

from harness import registry
from harness.engine.budgets import Trained, inherited_budget, unequal_budgets
from harness.engine.plan import Plan
from harness.records.run_file import read_cells, read_unfinished
from harness.spec import MethodOptions, Tier
from harness.store.identity import MadeBy, content_of, extractor_label, short, task_content
from harness.store.migrations import migrate
from methods.stamina import Stamina, StaminaOptions
from methods.textual_inversion import TextualInversionPlusPlus
from reports.cells.apart import told_apart

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "fixtures" / "results"
FEW = ("--set", "steps=1", "--set", "sampling.images=3", "--set", "sampling.steps=1", "-q")

Go = Callable[..., str]


@pytest.fixture
def go(tiny_tier: Tier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Go:
    """A command in an empty folder, on the tiny models; what it prints."""
    monkeypatch.setitem(registry.tiers().__dict__, "get", lambda name: tiny_tier)
    monkeypatch.chdir(tmp_path)

    def command(*words: object, code: int = 0) -> str:
        ended, said = bench(*words)
        assert ended == code, said
        return said

    return command


def photographs(folder: str, seed: int, concepts: tuple[str, ...] = ("ball", "dog")) -> None:
    draw = np.random.default_rng(seed)
    for concept in concepts:
        Path(folder, concept).mkdir(parents=True, exist_ok=True)
        for number in range(2):
            pixels = draw.integers(0, 256, (4, 4, 3), np.uint8)
            Image.fromarray(pixels).resize((32, 32)).save(Path(folder, concept, f"{number}.png"))


def lines(runs: str = "runs") -> list[tuple[str, str, str]]:
    """(benchmark, method, seeds) of each line of the tables."""
    code, text = bench("report", runs, "--format", "csv")
    assert code == 0
    tables = text.split("\n\n")
    found = [row for table in tables for row in csv.DictReader(io.StringIO(table.strip("\n")))]
    return [(row["benchmark"], re.sub(r" \[.*\]", "", row["method"]), row["seeds"]) for row in found]


def test_two_folders_of_one_name_never_meet(go: Go) -> None:
    photographs("mine/photos", 0)
    photographs("yours/photos", 1, ("ball", "dog", "cup"))
    go("run", "mine/photos", "-m", "ti++", *FEW)
    go("run", "yours/photos", "-m", "ti++", *FEW, "--seeds", "1")
    (mine, _, first), (yours, _, second) = lines()
    assert (first, second) == ("0", "1")
    assert re.fullmatch(r"photos \([0-9a-f]{6}\)", mine)
    assert re.fullmatch(r"photos \([0-9a-f]{6}\)", yours)
    go("run", "yours/photos", "-m", "ti++", *FEW)  # with which the first once vanished
    assert lines() == [(mine, "ti++", "0"), (yours, "ti++", "0 1")]
    go("report", "runs", "--format", "latex,md,csv,json,html")
    said = Path("runs/report/tables.md").read_text(encoding="utf-8")
    assert "Under the name photos there are results on 2 sets of images that are not the same" in said
    names = {row["benchmark"] for row in json.loads(Path("runs/report/results.json").read_text())["rows"]}
    assert names == {mine, yours}
    # one of them, or both
    assert {name for name, _, _ in lines()} == names
    only = go("report", "runs", "--benchmark", yours, "--format", "csv")
    assert f"{mine}," not in only
    assert f"{yours}," in only
    assert go("report", "runs", "--benchmark", "photos", "--format", "csv").count(mine) == 1
    listed = go("export", "runs", "-o", "model", "--seed", "0", code=2)
    assert f"{mine}, ti++" in listed
    assert f"{yours}, ti++" in listed
    go("export", "runs", "-o", "model", "--seed", "0", "--benchmark", mine)
    compared = go("compare", "runs", "runs")
    assert mine in compared
    assert "Only in" not in compared


def test_two_solvers_share_trainings_and_never_a_line(go: Go) -> None:
    photographs("photos", 0)
    go("run", "photos", "-m", "ti++", *FEW)
    trained = len(list(Path("runs/store").rglob("token.safetensors")))
    go("run", "photos", "-m", "ti++", *FEW, "--seeds", "0,1", "--set", "sampling.solver=dpmpp")
    assert len(list(Path("runs/store").rglob("token.safetensors"))) == 2 * trained  # seed 1 alone
    labels = {cell.label: dict(cell.protocol)["sampler"] for cell in read_cells(Path("runs"))}
    few = "sampling.images=3, {}sampling.steps=1, steps=1"
    assert labels == {
        f"ti++ [{few.format('')}]": "DDIM, 1 steps, guidance 2, eta 0",
        f"ti++ [{few.format('sampling.solver=dpmpp, ')}]": "DPM-Solver++ (2M), 1 steps, guidance 2",
    }
    assert [seeds for _, _, seeds in lines()] == ["0", "0 1"]
    Path("apart").mkdir()
    go("run", "photos", "-m", "ti++", *FEW, "--set", "sampling.solver=unipc", "-o", "apart/runs")
    assert "No method is in both" in go("compare", "runs", "apart/runs")
    dry = go("run", "photos", "-m", "ti++", *FEW[:-1], "--set", "sampling.solver=unipc", "--dry-run")
    assert "sampler: UniPC, 1 steps, guidance 2" in dry


def test_a_folder_whose_photographs_were_exchanged_is_another(go: Go) -> None:
    photographs("photos", 0)
    go("run", "photos", "-m", "ti++", *FEW)
    photographs("photos", 1)
    go("run", "photos", "-m", "ti++", *FEW, "--seeds", "1")
    found = lines()
    assert [seeds for _, _, seeds in found] == ["0", "1"]
    assert len({name for name, _, _ in found}) == 2
    Path("photos/dog/category.txt").write_text("cat")
    go("run", "photos", "-m", "ti++", *FEW, "--seeds", "2")
    assert len({name for name, _, _ in lines()}) == 3


def test_a_run_does_not_go_on_with_other_photographs(go: Go) -> None:
    photographs("photos", 0)
    go("run", "photos", "-m", "ti++", *FEW)
    begun = next(Path("runs/runs").glob("*.yaml"))
    photographs("photos", 1)
    gone = (
        "the images of 'photos', or their category words, are no longer those that it was started with; restore them,"
    )
    assert f"Left out: {begun}, which is finished: {gone}" in " ".join(go("resume", "runs").split())
    go("run", "photos", "-m", "ti++", *FEW)
    said = go("score", "runs", code=1)  # what was asked for is the same, but not the same run
    assert f"Left out: {begun}: {gone}" in " ".join(said.split())
    assert said.count("Nothing to do") == 1


def test_code_and_extractors_never_meet(
    go: Go, tiny_tier: Tier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photographs("photos", 0)
    run = ("run", "photos", *FEW, "-m")
    with monkeypatch.context() as old:
        old.setattr(TextualInversionPlusPlus, "source_hash", classmethod(lambda cls: "0" * 64))
        go(*run, "ti++")
    go(*run, "ti++,stamina", "--seeds", "1")
    found = {method: seeds for _, method, seeds in lines()}
    assert found == {"ti++": "1", "stamina": "1", f"ti++ (earlier: code {'0' * 6})": "0"}
    text = " ".join(go("report", "runs", "--format", "text").split())
    assert re.search(r"results of 'ti\+\+ \[.*?\]' that were made otherwise than those asked for last", text)
    shutil.copytree(tiny_tier.extractor, tmp_path / "other" / "clip")
    config = tmp_path / "other" / "clip" / "open_clip_config.json"
    told = json.loads(config.read_text())
    told["model_cfg"]["quick_gelu"] = not told["model_cfg"].get("quick_gelu", False)
    config.write_text(json.dumps(told))
    go("score", "runs", "--extractor", "other/clip", "-q")
    names = {name for name, _, _ in lines()}
    assert len(names) == 2
    assert all(re.fullmatch(r"photos \(extractor clip \([0-9a-f]{6}\)\)", name) for name in names), names
    cells = told_apart(read_cells(tmp_path / "runs"))
    by_name: dict[str, set[str]] = {}
    for cell in cells:
        by_name.setdefault(cell.benchmark, set()).add(cell.made_by.extractor)
    assert all(len(found) == 1 for found in by_name.values())


# --- what is recorded ------------------------------------------------------------------------------------------------


def test_the_regression_check_sees_only_its_own_results(go: Go, tiny_models: Path, tmp_path: Path) -> None:
    asked = ("-m", "ti++", "--limit", "2", "--seeds", "0,1", *FEW[:-1])
    go("verify", "--update", "--against", "kept.json", "-b", "mixed50", *asked)
    photographs("photos/mixed50", 0)
    go("run", "photos/mixed50", "-m", "ti++", "--seeds", "0,1", *FEW)
    shutil.copytree(tiny_models / "clip", "other/clip")
    settings = json.loads(Path("other/clip/open_clip_config.json").read_text(encoding="utf-8"))
    model = settings["model_cfg"]
    model["quick_gelu"] = not model.get("quick_gelu", False)
    Path("other/clip/open_clip_config.json").write_text(json.dumps(settings), encoding="utf-8")
    go("run", "mixed50", *asked, "--extractor", "other/clip", "-q")
    assert len(lines()) == 3
    assert '"summary": "6 figures: 6 equal."' in go("verify", "--against", "kept.json", "--json")
    go("verify", "--against", "kept.json", "--extractor", "other/clip", code=2)


def test_an_old_file_is_told_by_its_store(go: Go, tmp_path: Path) -> None:
    """What version 6 did not say is found in the manifests: exactly what the present version records."""
    photographs("photos", 0)
    go("run", "photos", "-m", "ti++", *FEW)
    (path,) = Path("runs/runs").glob("*.yaml")
    now = read_cells(Path("runs"))
    content = yaml.safe_load(path.read_text())
    content["schema_version"] = 6
    for cell in content["cells"]:
        for name in ("content", "made_by", "inherited"):
            del cell[name]
        for task in cell["tasks"]:
            del task["content"]
    path.unlink()
    Path("runs/runs/old.yaml").write_text(yaml.safe_dump(content))
    for old, new in zip(read_cells(Path("runs")), now, strict=True):
        assert old.content == new.content
        assert [task.content for task in old.tasks] == [task.content for task in new.tasks]
        assert old.made_by == new.made_by.model_copy(update={"extractor_name": ""})
    assert read_unfinished(Path("runs")) == []


def test_without_its_steps_an_old_file_is_told_by_the_keys_of_its_images() -> None:
    cells = read_cells(FIXTURES / "v6")
    assert all(cell.content and cell.made_by.backbone for cell in cells)
    assert len({cell.content for cell in cells}) == 1
    (run,) = (FIXTURES / "v6" / "runs").glob("*.yaml")
    real = yaml.safe_load(run.read_text())["cells"][0]["tasks"][0]["real"]
    assert cells[0].tasks[0].content == short("key", real, cells[0].tasks[0].category)


def test_a_folder_that_has_a_registered_name_is_not_that_benchmark(tmp_path: Path) -> None:
    folder = shutil.copytree(FIXTURES / "v7", tmp_path / "runs")
    assert all(cell.registered for cell in read_cells(folder))
    (path,) = (folder / "runs").glob("*.yaml")
    path.unlink()
    told = yaml.safe_load((FIXTURES / "v7" / "runs" / path.name).read_text())
    for benchmark in ("./mixed50", "sets/mixed50"):
        told["spec"]["benchmark"] = benchmark
        (folder / "runs" / "mine.yaml").write_text(yaml.safe_dump(told))
        assert not any(cell.registered for cell in read_cells(folder))


def test_one_class_order_for_all_seeds_has_a_name_of_its_own() -> None:
    spec = {"benchmark": "imagenet-r20", "class_order": 3}
    cell = {"benchmark": "imagenet-r20", "title": "t", "setting": "classification", "base": "", "tasks": []}
    (moved,) = migrate({"schema_version": 6, "spec": spec, "cells": [cell]})["cells"]
    assert (moved["benchmark"], moved["base"], moved["title"]) == (
        "imagenet-r20-order3", "imagenet-r20", "t, class order 3",
    )  # fmt: skip
    (kept,) = migrate({"schema_version": 6, "spec": {**spec, "class_order": None}, "cells": [cell]})["cells"]
    assert kept["benchmark"] == "imagenet-r20"


def test_what_a_task_is_does_not_hang_on_its_name() -> None:
    assert task_content("f", "dog") == task_content("f", "dog") != task_content("f", "cat") != task_content("g", "cat")
    assert content_of(["a", ""]) == content_of([]) == ""
    assert content_of(["a", "b"]) != content_of(["b", "a"])


def test_an_extractor_is_called_by_its_folder_or_by_all_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    assert extractor_label(str(tmp_path / "clip")) == extractor_label(f"{tmp_path}/clip/") == "clip"
    assert extractor_label("ViT-B-32-quickgelu/openai") == "ViT-B-32-quickgelu/openai"


def test_an_edited_learner_makes_another_method(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    photographs("photos", 0)
    variants: set[str] = set()
    keep = Plan.add_cell

    def added(self: Plan, *arguments: Any, **more: Any) -> Any:
        cell = keep(self, *arguments, **more)
        variants.add(cell.variant)
        return cell

    monkeypatch.setattr(Plan, "add_cell", added)
    go("run", "photos", "-m", "cd-merge", *FEW, "--dry-run")
    learner = registry.methods().get(registry.methods().get("cd-merge").base_method or "")
    monkeypatch.setattr(learner, "source_hash", classmethod(lambda cls: "0" * 64))
    go("run", "photos", "-m", "cd-merge", *FEW, "--dry-run")
    assert len(variants) == 2


# --- training budgets ------------------------------------------------------------------------------------------------


def test_defaults_of_another_tier_are_named() -> None:
    budget = registry.setting("customization").budget
    assert inherited_budget(MethodOptions(), "mini", budget) == (
        "steps",
        "batch_size",
    )
    assert inherited_budget(MethodOptions(), "paper", budget) == ()
    assert inherited_budget(MethodOptions(), "mini", budget, ["steps"]) == ()
    for name in registry.methods().names():
        options = registry.methods().get(name).options_class.for_tier("mini")
        assert inherited_budget(options, "mini", registry.setting("customization").budget) == (), name
    for name in registry.methods("classification").names():
        plugin = registry.methods("classification").get(name)
        options = plugin.options_for("classification").for_tier("mini")
        assert inherited_budget(options, "mini", registry.setting("classification").budget) == (), name


def test_many_methods_are_not_all_named() -> None:
    others = {f"m{i}": Trained(f"m{i}", {"steps": 60, "batch_size": 4}, ()) for i in range(9)}
    mine = Trained("mine", {"steps": 500, "batch_size": 4}, ("steps", "batch_size"))
    said = unequal_budgets({**others, "mine": mine}, "mini", registry.setting("customization").budget)
    assert "m0, m1, m2, m3 and 5 more with steps=60, batch_size=4" in said
    assert unequal_budgets(others, "mini", registry.setting("customization").budget) == ""


class PlainOptions(StaminaOptions):
    """Options that no tier has other defaults of."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}


class Plain(Stamina):
    """A method with the plain defaults of its options."""

    options_class = PlainOptions


def test_a_run_says_before_the_work_that_budgets_differ(go: Go) -> None:
    photographs("photos", 0)
    said = go("run", "photos", "-m", f"ti++,{__name__}:Plain", "--dry-run")
    assert "Not the same training: " in said
    assert f"--set {__name__}:Plain.steps=60" in said
    alone = go("run", "photos", "-m", f"{__name__}:Plain", "--dry-run")
    assert "Not the same training" not in alone
    told = go("run", "photos", "-m", f"ti++,{__name__}:Plain", "--set", f"{__name__}:Plain.steps=9", "--dry-run")
    assert "Not the same training" not in told


# --- terminals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_signs_shows_others(encoding: str) -> None:
    """Of a table for people signs are replaced; what is for machines comes as UTF-8, as files do."""
    run = str(FIXTURES / "v7")

    def said(*words: str) -> bytes:
        raw = io.BytesIO()
        terminal = io.TextIOWrapper(raw, encoding=encoding)
        assert call(terminal, io.StringIO(), *words) == 0
        terminal.flush()
        return raw.getvalue()

    text = said("report", run, "--format", "text").decode(encoding)
    assert "A_mmd ?" in text
    assert ("±: sample" if encoding == "latin-1" else "?: sample") in text
    assert "±" in said("report", run, "--format", "md").decode("utf-8")


def test_a_real_terminal_that_lacks_signs_shows_others() -> None:
    command = [sys.executable, "-c", "from harness.cli import main; main()", "report", str(FIXTURES / "v7")]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "200"}
    done = subprocess.run([*command, "--format", "text"], capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "A_mmd ?" in done.stdout.decode("ascii")


def test_made_by_of_old_is_empty() -> None:
    assert MadeBy() == MadeBy.model_validate({})
