"""Real images through the classification setting: scikit-learn's digits, written out as a folder of classes."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from in_process import bench, call
from PIL import Image
from sklearn.datasets import load_digits

from harness.records.run_file import read_cells

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
METHODS = "ft,coda-p,stamina"  # of everything, of prompts, of masked low-rank adapters


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten folders of 10 grey images each, 8 x 8 as they are."""
    folder = tmp_path_factory.mktemp("digits")
    found = load_digits()
    for label, name in enumerate(NAMES):
        place = folder / f"{label}-{name}"
        place.mkdir()
        for k, image in enumerate(found.images[found.target == label][:10]):
            Image.fromarray((image * 255 / 16).astype(np.uint8)).save(place / f"{k:02}.png")
    return folder


@pytest.mark.slow
def test_five_tasks_of_two_digits(digits: Path, tmp_path: Path) -> None:
    """Every method learns all five tasks in the asked-for class order, and again finds nothing to do."""
    command = [
        "run", str(digits), "--setting", "classification", "--split-into", "5", "--class-order", "1", "-m", METHODS,
        "--set", "epochs=2", "-o", str(tmp_path / "runs"), "--jobs", "1",
    ]  # fmt: skip
    before = sorted(p.name for p in digits.rglob("*"))
    out, err = io.StringIO(), io.StringIO()
    assert call(out, err, *command, "--json") == 0, err.getvalue()
    rows = json.loads(out.getvalue())
    whole = {(r["method"].split()[0], r["metric"]): r["value"] for r in rows if r["task"] is None}
    for method in METHODS.split(","):
        assert 0 < whole[method, "a_n"] <= 100
        assert -100 <= whole[method, "forgetting_max"] <= 100
    cells = read_cells(tmp_path / "runs")
    assert [len(cell.tasks) for cell in cells] == [5] * 3
    orders = {tuple(task.category for task in cell.tasks) for cell in cells}
    assert orders == {
        ("6-six, 8-eight", "9-nine, 7-seven", "5-five, 3-three", "0-zero, 4-four", "1-one, 2-two")
    }  # random.seed(1); random.shuffle(list(range(10)))
    for cell in cells:
        matrix = {(row.after, row.task) for row in cell.rows if row.metric == "accuracy"}
        assert matrix == {(i, j) for i in range(1, 6) for j in range(1, i + 1)}
        assert "fifth" in cell.protocol["split"]
    # what is learnt is better than chance at once: two classes are seen after the first task
    first = [row.value for cell in cells for row in cell.rows if row.metric == "a_n" and row.task == 1]
    assert np.mean(first) > 60
    code, said = bench(*command)
    assert (code, "Nothing to do" in said) == (0, True)
    assert sorted(p.name for p in digits.rglob("*")) == before
