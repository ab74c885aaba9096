"""Files of every version: old ones are read, newer and damaged ones are refused, and schemas say what is in them.

`tests/fixtures/results/v1` to `v7` are what the code of each version left of two methods on two tasks with the tiny
models (at the commits 14ae2eb, 1c41eb1 and 4ee374e, and when versions 4 to 8 were made): run files and the small
JSON files of scores and trainings, without images, features and weights. `v6-classes` and `v7-classes` are of the
classification setting.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from benchmarks.mini.concepts import MiniConcepts
from harness import method_card, registry, schemas
from harness.cli import app
from harness.engine.plan import CellRequest, Plan, RunContext
from harness.errors import UsageError
from harness.records.inventory import read_runs
from harness.records.run_file import parse_run_file, read_cells, read_spec, read_unfinished, record
from harness.results import CellResult
from harness.spec import Benchmark, MethodSpec, RunSpec, Tier
from harness.store.migrations import VERSION, migrate, version_of
from reports.write import write_report

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "fixtures" / "results"
VERSIONS = range(1, VERSION + 1)


@pytest.fixture
def old(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of a version's results folder."""
    return shutil.copytree(FIXTURES / f"v{request.param}", tmp_path / "runs")


def run_file(folder: Path) -> Path:
    (path,) = (folder / "runs").glob("*.yaml")
    return path


def as_json(path: Path) -> Any:
    """A YAML or JSON file as JSON has it, with text for keys."""
    text = path.read_text(encoding="utf-8")
    return json.loads(text if path.suffix == ".json" else json.dumps(yaml.safe_load(text)))


def kept(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def own_figures(cell: CellResult) -> dict[Any, float]:
    """Every figure in the score's own file, and in its manifest."""
    assert cell.store is not None
    folder = cell.store / "steps" / cell.key[:2] / cell.key
    listed = json.loads((folder / "figures.json").read_text())["figures"]
    figures = {(f["metric"], f["task"], f["layer"], f.get("after")): f["value"] for f in listed}
    seconds = json.loads((folder / "manifest.json").read_text())["facts"].get("train_seconds", [])
    return figures | {("train_seconds", j, None, None): value for j, value in enumerate(seconds, 1)}


@pytest.mark.parametrize(("old", "version"), [(v, v) for v in VERSIONS], indirect=["old"])
def test_results_of_every_version_are_read_alike_and_stay_as_they_are(old: Path, version: int) -> None:
    before = kept(old)
    assert version_of(parse_run_file(run_file(old))) == version
    cells = read_cells(old)
    assert [(cell.label, cell.seed, cell.partial, cell.tasks_total) for cell in cells] == [
        ("stamina [batch_size=2, steps=3]", 0, True, 50),
        ("ti++ [batch_size=2, steps=3]", 0, True, 50),
    ]
    for cell in cells:
        found = Counter((row.metric, row.task, row.layer, row.after) for row in cell.rows)
        assert max(found.values()) == 1
        assert {("train_seconds", task, None, None) for task in (1, 2, None)} <= set(found)
        values = {(row.metric, row.task, row.layer, row.after): row.value for row in cell.rows}
        assert own_figures(cell).items() <= values.items()
        assert {"a_mmd", "f_mmd", "kid", "n_param"} <= {row.metric for row in cell.rows}
        assert cell.protocol["kernel"].startswith("polynomial")
        assert (cell.order, cell.base, cell.compositions) == (0, "", ())
        assert bool(cell.variant) == (version > 1)
        for task in cell.tasks:
            assert task.generated == task.after[2]
            assert list(task.after) == (sorted({task.index, 2}) if version > 2 else [2])
            assert list(task.features) == (list(task.after) if version > 2 else [])
            assert task.training is None if version < 3 else task.training is not None and task.training.is_file()
    assert read_unfinished(old) == []
    spec = read_spec(run_file(old))
    assert ([m.name for m in spec.methods], spec.tasks, spec.full_matrix) == (["stamina", "ti++"], (1, 2), False)
    assert all(run.readable and len(run.scores) == 2 for run in read_runs(old))
    figures = ("pdf",) if version in (1, VERSION) else ()  # of all versions: the thorough test below
    write_report(cells, old / "report", ("latex", "md", "csv", "json", *figures))
    assert {path: was for path, was in kept(old).items() if path in before} == before


@pytest.mark.thorough
@pytest.mark.parametrize("old", [*VERSIONS, "6-classes", "7-classes"], indirect=True)
def test_figures_are_drawn_of_every_version(old: Path) -> None:
    write_report(read_cells(old), old / "report", ("pdf",))
    assert list((old / "report").rglob("*.pdf"))


@pytest.mark.parametrize("old", VERSIONS, indirect=True)
def test_runs_from_before_the_settings_are_of_customization(old: Path) -> None:
    spec = read_spec(run_file(old))
    assert (spec.setting, spec.split_into, spec.class_order, spec.recognition) == (None, None, None, {})
    assert {cell.setting for cell in read_cells(old)} == {"customization"}


@pytest.mark.parametrize("old", ["6-classes", "7-classes"], indirect=True)
def test_results_of_classification_are_read(old: Path) -> None:
    before = kept(old)
    cells = read_cells(old)
    assert [(c.setting, c.label, c.seed, c.partial, c.tasks_total) for c in cells] == [
        ("classification", "clora [epochs=1]", 1, True, 20),
        ("classification", "joint [epochs=1]", 1, True, 20),
    ]
    sequential, joint = ({(r.metric, r.task, r.after): r.value for r in cell.rows if r.layer is None} for cell in cells)
    assert {key[1:] for key in sequential if key[0] == "accuracy"} == {(1, 1), (1, 2), (2, 2)}
    assert {key[1:] for key in joint if key[0] == "accuracy"} == {(1, 2), (2, 2)}
    assert sequential["a_n", None, None] == (sequential["accuracy", 1, 2] + sequential["accuracy", 2, 2]) / 2
    for cell in cells:
        assert [task.category for task in cell.tasks] == ["cake, tree", "cactus, mushroom"]  # random.Random(1).shuffle
        for task in cell.tasks:
            assert (task.real, task.generated, task.after, task.features) == (None, None, {}, {})
            assert task.training is not None
            assert task.training.is_file()
        validator("figures").validate(as_json(old / "store" / "steps" / cell.key[:2] / cell.key / "figures.json"))
    assert {task.training for task in cells[1].tasks} == {cells[1].tasks[0].training}
    newest = version_of(parse_run_file(run_file(old))) == VERSION
    if newest:
        validator("run").validate(as_json(run_file(old)))
    write_report(cells, old / "report", ("latex", "md", "csv", "json", *(("pdf",) if newest else ())))
    validator("results").validate(as_json(old / "report" / "results.json"))
    assert {path: was for path, was in kept(old).items() if path in before} == before
    first = cells[0]
    shutil.rmtree(old / "store" / "steps" / first.key[:2] / first.key)
    (left,) = read_unfinished(old)
    assert (left.label, left.trained, left.tasks) == (first.label, 2, 2)


@pytest.mark.parametrize(("old", "trained"), [(1, 0), (3, 2), (4, 2)], indirect=["old"])
def test_what_is_unfinished_says_how_far_it_came_where_its_version_knows(old: Path, trained: int) -> None:
    first = read_cells(old)[0]
    shutil.rmtree(old / "store" / "steps" / first.key[:2] / first.key)
    (left,) = read_unfinished(old)
    assert (left.label, left.trained, left.tasks) == (first.label, trained, 2)


@pytest.mark.parametrize("old", [1, 3], indirect=True)
def test_an_old_run_is_planned_by_what_it_was_asked_for(old: Path) -> None:
    result = CliRunner().invoke(app, ["score", str(old)])
    assert f"Left out: {run_file(old).name} lacks images or weights" in result.stderr
    assert isinstance(result.exception, UsageError)
    compared = CliRunner().invoke(app, ["compare", str(old), str(FIXTURES / f"v{VERSION}")])
    assert compared.exit_code == 0
    assert "ti++ [batch_size=2, steps=3]" in compared.stdout


@pytest.mark.parametrize("old", VERSIONS, indirect=True)
def test_a_damaged_run_file_is_named(old: Path) -> None:
    path = run_file(old)
    good = path.read_text(encoding="utf-8")
    for text in (good.replace("seed: 0", "seed: 1", 1), good[: len(good) // 2], "", "[]", "cells: 3\n", "\0"):
        path.write_text(text, encoding="utf-8")
        for read in (lambda: read_cells(old), lambda: read_unfinished(old), lambda: read_spec(path)):
            with pytest.raises(UsageError, match=rf"{path.name} is damaged; delete it and run its command again"):
                read()
        assert [run.readable for run in read_runs(old)] == [False]  # so that prune removes nothing


@pytest.mark.parametrize("old", VERSIONS, indirect=True)
def test_a_run_file_by_another_name_is_read(old: Path) -> None:
    path = run_file(old).rename(old / "runs" / "mine.yaml")
    assert len(read_cells(old)) == 2
    path.write_text(path.read_text(encoding="utf-8").replace("tasks_total: 50", "tasks_total: many"), encoding="utf-8")
    with pytest.raises(UsageError, match=r"mine\.yaml is damaged"):
        read_cells(old)


@pytest.mark.parametrize("old", [VERSION], indirect=True)
def test_a_newer_run_file_is_refused(old: Path) -> None:
    path = run_file(old)
    text = path.read_text(encoding="utf-8").replace(f"schema_version: {VERSION}", "schema_version: 9")
    path.write_text(text + "more: [of, what, comes, later]\n", encoding="utf-8")
    sentence = rf"{path.name} is of a newer version \(9; this is {VERSION}\); update stamina-bench\.$"
    for read in (lambda: read_cells(old), lambda: read_unfinished(old), lambda: read_spec(path)):
        with pytest.raises(UsageError, match=sentence):
            read()
    assert all(run.readable and run.keys for run in read_runs(old))  # what it refers to is kept by prune
    commands = [["report", old], ["compare", old, old], ["resume", old], ["score", old]]
    for words in (*commands, ["run", "mixed50", "--config", path, "--dry-run"]):
        error = CliRunner().invoke(app, list(map(str, words))).exception
        assert isinstance(error, UsageError), error
        assert "is of a newer version (9; " in str(error)


@pytest.mark.parametrize("version", ["0", "true", "four", "null", "3.5"])
def test_a_version_that_is_none_is_damage(version: str, tmp_path: Path) -> None:
    path = tmp_path / "runs" / "mine.yaml"
    path.parent.mkdir()
    path.write_text(f"schema_version: {version}\nspec: {{}}\ncells: []\n")
    with pytest.raises(UsageError, match="is damaged"):
        read_cells(tmp_path)


def asked(folder: Path, benchmark: str = "mixed50", methods: tuple[str, ...] = ("stamina", "ti++")) -> Path:
    """The file of a run that made nothing yet."""
    tier = Tier(name="mini", summary="", backbone="x", extractor="y", resolution=64)
    plan = Plan(RunContext(tier, tier.sampling, "x", "é\u2028\x85 x: #", "hash-b", "y", "hash-e", "cpu", "float32"))
    tasks = Benchmark(name=benchmark, title="t", summary="s", sources={"mini": MiniConcepts(people=6, waterfalls=6)})
    for name in methods:
        plugin = registry.methods().get(name)
        options = plugin.options_class.for_tier("mini", {"learning_rate": 1e-7})
        plan.add_cell(CellRequest(tasks, tasks.tasks("mini"), 12, name, plugin, options, 0, full_matrix=True))
    specs = tuple(MethodSpec(name=name, changes={"learning_rate": 1e-7, "x": "1e-3", "y": 1e22}) for name in methods)
    return record(RunSpec(benchmark=benchmark, methods=specs, output=folder), plan)


def test_a_run_file_is_written_again_only_if_it_says_something_else(tmp_path: Path) -> None:
    path = asked(tmp_path)
    good = path.read_bytes()
    as_now = parse_run_file(path)
    assert list(as_now) == ["schema_version", "spec", "cells"]
    assert migrate(as_now) == as_now
    os.utime(path, (1, 1))
    inode = path.stat().st_ino
    assert asked(tmp_path) == path
    assert (path.read_bytes(), path.stat().st_ino) == (good, inode)
    assert path.stat().st_mtime > 1e9
    older = good.decode().replace(f"schema_version: {VERSION}\n", "")  # version 3 has the same name
    for other in (good[:-5], good.replace(b"seed: 0", b"seed: 1", 1), b"", older.encode()):
        path.write_bytes(other)
        assert asked(tmp_path) == path
        assert path.read_bytes() == good


def test_what_is_odd_in_a_run_file_is_read_back(tmp_path: Path) -> None:
    path = asked(tmp_path, "photos/é: #'\"\\ \x85\u2028\ufeff \U0001f600 no", ("clora",))
    assert parse_run_file(path)["cells"][0]["backbone"] == "é\u2028\x85 x: #"
    assert [left.tasks for left in read_unfinished(tmp_path)] == [12]
    assert read_spec(path).methods[0].changes == {"learning_rate": 1e-7, "x": "1e-3", "y": 1e22}


def test_a_newer_record_of_a_tuning_is_refused(tmp_path: Path) -> None:
    content = json.loads((ROOT / "methods" / "tuned" / "mini" / "clora.json").read_text(encoding="utf-8"))
    path = tmp_path / "clora.json"
    path.write_text(json.dumps(content))
    assert method_card._read(path).method == "clora"
    path.write_text(json.dumps({**content, "version": 9, "more": 1}))
    with pytest.raises(UsageError, match=r"clora\.json is of a newer version \(9; this is 3\); update stamina-bench"):
        method_card._read(path)
    for text in ("[]", "{}", "{"):
        path.write_text(text)
        with pytest.raises(UsageError, match="is damaged"):
            method_card._read(path)


# --- published schemas -----------------------------------------------------------------------------------------------


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((ROOT / "docs" / "schema" / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_published_schemas_are_those_of_the_code() -> None:
    published = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "schema").iterdir()}
    assert published == schemas.texts(), "run `python -m harness.schemas docs/schema`"


@pytest.mark.parametrize("old", [VERSION], indirect=True)
def test_files_are_as_the_published_schemas_say(old: Path, tmp_path: Path) -> None:
    cells = read_cells(old)
    write_report(cells, old / "report", ("json",))
    results = old / "report" / "results.json"
    figures = [old / "store" / "steps" / cell.key[:2] / cell.key / "figures.json" for cell in cells]
    for name, paths in {
        "run": [run_file(old), asked(tmp_path / "asked")], "figures": figures, "results": [results],
        "baseline": [ROOT / "reference" / "verify-mini.json"],
    }.items():  # fmt: skip
        for path in paths:
            validator(name).validate(as_json(path))
    content = json.loads(results.read_text())
    assert (content["schema_version"], len(content["rows"])) == (1, sum(not r.detail for c in cells for r in c.rows))
    assert not validator("results").is_valid({**content, "schema_version": 2})
    assert not validator("run").is_valid({**as_json(run_file(old)), "schema_version": 9})


@pytest.mark.parametrize("old", VERSIONS, indirect=True)
def test_figures_of_every_version_are_as_the_published_schema_says(old: Path) -> None:
    for path in (old / "store").rglob("figures.json"):
        content = as_json(path)
        validator("measure" if "metric" in content else "figures").validate(content)
