"""What lies in examples/ works: plugins in a run and under `check`, the benchmark's file, notebooks cell by cell."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
import yaml
from in_process import bench
from notebook_cells import cells_of, run_cells
from PIL.Image import Image
from plugin_files import imported
from tests_support import InlineExecutor

import stamina_bench as sb
from harness import registry
from harness.authoring import method_check
from harness.schemas import texts
from harness.sources import named_file
from harness.spec import Tier

EXAMPLES = Path(__file__).parent.parent / "examples"
BOOKS = sorted(EXAMPLES.glob("*.ipynb"))
METHOD = f"{EXAMPLES / 'orthogonal_memory.py'}:OrthogonalMemory"
METRIC = f"{EXAMPLES / 'mean_colour.py'}:MeanColour"
FEW = {"steps": 3, "batch_size": 2}
D1, D2, RANK = 6, 8, 2


@pytest.fixture
def tiny(tiny_tier: Tier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work in; all that runs does so on tiny models, in this process."""
    monkeypatch.setitem(registry.tiers().__dict__, "get", lambda name: tiny_tier)
    monkeypatch.setattr("harness.executors.local.LocalExecutor", lambda of, root, *_: InlineExecutor(of, root))
    monkeypatch.setattr(method_check, "_executor", lambda made, **_: InlineExecutor(made.plan.context, made.store.root))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(named_file, "_FOLDERS", {})
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in ("orthogonal_memory", "mean_colour", "keep_small"):
        if name not in before:
            sys.modules.pop(name, None)


def test_the_readme_has_a_line_for_each() -> None:
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    files = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb", ".yaml")}
    assert set(re.findall(r"\]\((\w+\.\w+)\)", text)) == files


def test_nothing_is_said_of_the_method(tiny: Path) -> None:
    found = sb.check(METHOD, FEW)
    assert [finding.text for finding in found.findings] == []
    assert found.penalties == ("overlap",)
    memory = [task.memory for task in found.learnt]
    assert memory[0] == memory[1] == memory[2] > 0


def test_its_penalty_is_the_sum_over_all_earlier_tasks() -> None:
    model: Any = SimpleNamespace(
        projections={"key": torch.nn.Linear(D2, D1), "value": torch.nn.Linear(D2, D1)},
        token_start=lambda kind: torch.zeros(4), token_scale=lambda part: 1.0,
        token_widths=(4,),
    )  # fmt: skip
    memory, earlier, now = {}, [], {}
    with imported(EXAMPLES, module="orthogonal_memory") as module:
        for task in range(4):
            method = module.OrthogonalMemory(module.OrthogonalMemoryOptions(rank=RANK, lambda_overlap=3.0))
            method.memory = memory
            for projection in model.projections.values():
                projection.adapter = ()
            method.begin_task(model, torch.Generator().manual_seed(task))
            now = {name: each.B.detach().double() for name, each in method.low_rank.items()}
            wanted = 3.0 * sum(float((old[name] @ now[name].T).square().sum()) for old in earlier for name in now)
            got = {name: float(term.detach()) for name, term in method.penalties().items()}
            assert got == ({"overlap": pytest.approx(wanted, rel=1e-5)} if earlier else {})
            memory = {name: gram.detach() for name, gram in method.end_task(None, torch.Generator()).items()}
            assert {gram.shape for gram in memory.values()} == {(D2, D2)}
            earlier.append(now)


def test_the_metric_is_the_distance_of_mean_colours() -> None:
    def plain(*colours: tuple[int, int, int]) -> Any:
        return SimpleNamespace(images=np.array(colours, np.uint8)[:, None, None] * np.ones((1, 4, 4, 1), np.uint8))

    with imported(EXAMPLES, module="mean_colour") as module:
        metric = module.MeanColour()
        assert metric.of_task(SimpleNamespace(real=plain((9, 9, 9)), generated=plain((9, 9, 9)))) == 0
        sides = SimpleNamespace(real=plain((0, 0, 0), (20, 0, 0)), generated=plain((13, 4, 0)))
        assert metric.of_task(sides) == pytest.approx(5)


def test_the_benchmarks_file_runs_with_both_plugins(tiny: Path) -> None:
    shutil.copy(EXAMPLES / "three_concepts.yaml", tiny)
    said = yaml.safe_load((tiny / "three_concepts.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(said, json.loads(texts()["benchmark.schema.json"]))
    with imported(EXAMPLES, module="draw_three_concepts") as module:
        module.main(tiny / said["photos"])
        first = [path.read_bytes() for path in sorted((tiny / said["photos"]).rglob("*.png"))]
        module.main(tiny / said["photos"])
    assert first == [path.read_bytes() for path in sorted((tiny / said["photos"]).rglob("*.png"))]
    few = [word for key, value in FEW.items() for word in ("--set", f"{key}={value}")]
    words = ("run", "three_concepts.yaml", "-m", METHOD, "--metrics", METRIC, *few, "--strict", "--json", "-q")
    code, rows = bench(*words)
    assert code == 0, rows
    found = {(row["metric"], row["task"]): row["value"] for row in json.loads(rows[rows.index("[\n") :])}
    assert {task for metric, task in found if metric == "mean_colour"} == {None, 1, 2, 3}
    assert 0 < found["mean_colour", None] < 442


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_a_notebook_is_kept_without_outputs_and_its_links_lead_somewhere(book: Path) -> None:
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells_of(book, "code"))
    text = "\n".join(cell["source"] for cell in cells_of(book, "markdown"))
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert links
    assert all((EXAMPLES / link).exists() for link in links)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of a notebook train for a few steps."""
    monkeypatch.setattr(sb, "run", partial(sb.run, options=FEW))


def test_the_first_runs_cells_work(tiny: Path, short: None) -> None:
    plan, results, grid, scores, tasks, figures = run_cells(EXAMPLES / "first_run.ipynb", tiny)
    assert plan.pending > 0
    assert [cell.method for cell in results.cells] == ["stamina", "cd"]
    assert isinstance(grid, Image)
    assert (scores.shape, set(scores.columns)) == ((2, 2), {"a_mmd", "f_mmd"})
    assert (tasks.shape, tasks.isna().sum().sum()) == ((6, 2), 0)
    assert "stability-mixed50-partial" in figures


def test_the_own_methods_cells_work(tiny: Path, short: None) -> None:
    findings, facts, results, plan = run_cells(EXAMPLES / "own_method.ipynb", tiny)
    assert findings == []
    assert facts[0] == ("size",)
    assert [cell.method for cell in results.cells] == ["stamina", "keep_small:Plain", "keep_small:KeepSmall"]
    assert plan.pending > 0
