"""Every number that a report prints can be traced: recomputed from the features, weights and records in the store.

The formulas are written out again here, from the paper, in float64 and with plain loops.
"""

from __future__ import annotations

import csv
import itertools
import json
import random
import re
import statistics
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from safetensors.numpy import load_file
from tests_support import InlineExecutor

from harness import api
from harness.engine.display import QuietDisplay
from harness.engine.runner import run
from harness.records.run_file import read_cells, record
from harness.results import CellResult
from harness.spec import MethodSpec, RunSpec
from reports.write import write_report

METHODS, SEEDS, TASKS = ("stamina", "clora", "ti++"), (0, 1), 3


@pytest.fixture(scope="module")
def folder(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run of three methods and two seeds on the tiny models, and its report."""
    output = tmp_path_factory.mktemp("trace") / "runs"
    spec = RunSpec(
        benchmark="mixed50",
        methods=tuple(MethodSpec(name=m, changes={"steps": 2, "batch_size": 2}) for m in METHODS),
        seeds=SEEDS, tasks=tuple(range(1, TASKS + 1)), output=output, full_matrix=True,
        sampling={"steps": 2, "images": 4}, backbone=str(tiny_models / "sd"), extractor=str(tiny_models / "clip"),
    )  # fmt: skip
    prepared = api.prepare(spec)
    executor = InlineExecutor(prepared.plan.context, prepared.store.root, None)
    display = QuietDisplay(Console(quiet=True))
    outcome = run(prepared.plan, prepared.store, executor, prepared.progress, display, keep_going=False)
    assert not outcome.failed
    record(prepared.spec, prepared.plan)
    write_report(read_cells(output), output / "report")
    return output


def kernel(x: np.ndarray, y: np.ndarray) -> float:
    return (float(np.dot(x.astype(np.float64), y.astype(np.float64))) / len(x) + 1) ** 3


def mmd(x: np.ndarray, y: np.ndarray) -> float:
    """1000 times the biased estimate, pair by pair."""

    def mean(a: np.ndarray, b: np.ndarray) -> float:
        return statistics.fmean(kernel(p, q) for p, q in itertools.product(a, b))

    return 1000 * (mean(x, x) + mean(y, y) - 2 * mean(x, y))


def features(path: Path | None) -> np.ndarray:
    assert path is not None
    return load_file(path)["images"]


def recomputed(cell: CellResult) -> Mapping[tuple[str, int | None, int | None], float]:
    """(metric, task, after) -> value, from what the cell names in the store."""
    found: dict[tuple[str, int | None, int | None], float] = {}
    for task in cell.tasks:
        j, real = task.index, features(task.real_features)
        for i, path in task.features.items():
            found["mmd", j, i] = mmd(real, features(path))
        found["a_mmd", j, None], found["learned_mmd", j, None] = found["mmd", j, TASKS], found["mmd", j, j]
        if j < TASKS:
            found["f_mmd", j, None] = mmd(features(task.features[j]), features(task.features[TASKS]))
    for metric in ("a_mmd", "learned_mmd", "f_mmd"):
        found[metric, None, None] = statistics.fmean(
            value for (name, task, _), value in found.items() if name == metric and task is not None
        )
    for n in range(1, TASKS + 1):
        found["a_n", n, None] = statistics.fmean(found["mmd", j, n] for j in range(1, n + 1))
    return found


def test_figures_drawn_at_random_are_what_the_features_in_the_store_say(folder: Path) -> None:
    draw = random.Random(0)
    with (folder / "report" / "results.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    cells = {(cell.label, cell.seed): cell for cell in read_cells(folder)}
    truth = {key: recomputed(cell) for key, cell in cells.items()}
    names = {metric for values in truth.values() for metric, _, _ in values}
    checked = draw.sample([row for row in rows if row["metric"] in names], 60)
    for row in checked:
        place = (row["metric"], *(int(row[name]) if row[name] else None for name in ("task", "after")))
        expected = truth[row["method"], int(row["seed"])][place]
        assert float(row["value"]) == pytest.approx(expected, rel=1e-9, abs=1e-9), row
    assert {row["metric"] for row in checked} == names


def test_every_output_prints_the_same_means(folder: Path) -> None:
    report, cells = folder / "report", read_cells(folder)
    texts = {name: (report / name).read_text(encoding="utf-8") for name in ("tables.md", "tables.tex", "macros.tex")}
    with (report / "tables.csv").open(encoding="utf-8", newline="") as stream:
        lines = {line["method"]: line for line in csv.DictReader(stream)}
    page = (report / "index.html").read_text(encoding="utf-8")
    for label in {cell.label for cell in cells}:
        for metric in ("a_mmd", "f_mmd"):
            values = [recomputed(cell)[metric, None, None] for cell in cells if cell.label == label]
            mean, spread = statistics.fmean(values), statistics.stdev(values)
            assert float(lines[label][f"{metric}_mean"]) == pytest.approx(mean, rel=1e-9, abs=1e-9)
            printed = f"{mean:.2f}", f"{spread:.2f}"
            (row,) = [line for line in texts["tables.md"].splitlines() if line.startswith(f"| {markdown(label)} |")]
            assert " ± ".join(printed) in row.replace("*", "").replace("<u>", "").replace("</u>", "")
            assert all(number in texts["tables.tex"] for number in printed)
            assert printed[0] in texts["macros.tex"]
            assert printed[0] in page


def test_differences_between_methods_are_those_of_their_own_figures(folder: Path) -> None:
    cells = read_cells(folder)
    with (folder / "report" / "pairs.csv").open(encoding="utf-8", newline="") as stream:
        pairs = [row for row in csv.DictReader(stream) if row["metric"] == "a_mmd"]
    assert len(pairs) == 3
    means = {
        label: statistics.fmean(recomputed(c)["a_mmd", None, None] for c in cells if c.label == label)
        for label in {cell.label for cell in cells}
    }
    for row in pairs:
        expected = means[row["first"]] - means[row["second"]]
        assert float(row["difference"]) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_the_page_names_where_each_figure_comes_from(folder: Path) -> None:
    page = (folder / "report" / "index.html").read_text(encoding="utf-8")
    for cell in read_cells(folder):
        assert cell.key in page
        assert cell.run_file is not None
        assert cell.run_file.name in page
        manifest = json.loads((folder / "store" / "steps" / cell.key[:2] / cell.key / "manifest.json").read_text())
        assert manifest["recipe"]["kind"] == "score"
    assert not re.search(re.escape(str(folder)), page)


def markdown(label: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|$~#&])", r"\\\1", label)
