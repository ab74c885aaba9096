"""The paper tier of the classification setting, end to end: a made-up ImageNet-R with list files, a random ViT."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from in_process import bench, call
from photo_trees import make_imagenet_r
from tiny_classifier import save_vit, tiny_vit

from harness.records.run_file import read_cells

METHODS = ("coda-p", "stamina")


@pytest.mark.slow
def test_imagenet_r_from_list_files_to_figures(tmp_path: Path) -> None:
    tree = make_imagenet_r(tmp_path / "imagenet-r", 200, images=3)
    folder = save_vit(tmp_path / "vit", tiny_vit())
    data = {"STAMINA_BENCH_DATA_DIR": str(tmp_path / "data")}
    code, said = bench("data", "prepare", "imagenet-r20", "--imagenet-r", tree, **data)
    assert code == 0, said
    command = [
        "run", "imagenet-r20", "--tier", "paper", "--backbone", folder, "-m", ",".join(METHODS), "--limit", 2,
        "--seeds", "0,1", "--device", "cpu", "--set", "epochs=1", "--set", "batch_size=8", "--set", "stamina.rank=2",
        "-o", tmp_path / "runs",
    ]  # fmt: skip
    out, err = io.StringIO(), io.StringIO()
    assert call(out, err, *command, "--json", **data) == 0, err.getvalue()
    rows = json.loads(out.getvalue())
    assert {row["n"] for row in rows if row["metric"] == "a_n" and row["task"] is None} == {2}
    cells = read_cells(tmp_path / "runs")
    assert [(cell.method, cell.seed, cell.partial) for cell in cells] == [
        ("coda-p", 0, True), ("stamina", 0, True), ("coda-p", 1, True), ("stamina", 1, True),
    ]  # fmt: skip
    assert len({cell.tasks[0].category for cell in cells}) == 2  # each seed has a class order of its own
    for cell in cells:
        assert cell.tasks_total == 20
        assert cell.protocol["pixels"] == "in [0, 1]"
        assert "not the published split" in cell.protocol["split"]  # 600 images are not ImageNet-R's 30,000
        assert {row.after for row in cell.rows if row.metric == "accuracy"} == {1, 2}
