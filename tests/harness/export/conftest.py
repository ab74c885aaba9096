"""A results folder to export from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from tests_support import InlineExecutor

from harness import api
from harness.engine.display import QuietDisplay
from harness.engine.runner import run
from harness.records.run_file import record
from harness.spec import MethodSpec, RunSpec

METHODS = ("stamina", "ti++", "ub", "cd", "dreambooth-lora", "cidm")
CHANGES: dict[str, Any] = {"steps": 3, "batch_size": 2, "learning_rate": 0.05}


@pytest.fixture(scope="session")
def runs(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six methods on two concepts, whose folders have awkward names."""
    torch.set_num_threads(1)
    home = tmp_path_factory.mktemp("export")
    draw = np.random.default_rng(0)
    for concept in ("a|b *cat*", "<b>vase"):
        (home / "photos" / concept).mkdir(parents=True)
        (home / "photos" / concept / "category.txt").write_text("person")
        for index in range(2):
            Image.fromarray(draw.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(
                home / "photos" / concept / f"{index}.png"
            )
    spec = RunSpec(
        benchmark=str(home / "photos"), backbone=str(tiny_models / "sd"), extractor=str(tiny_models / "clip"),
        methods=tuple(MethodSpec(name=name, changes=CHANGES) for name in METHODS),
        sampling={"steps": 2, "images": 2}, output=home / "runs",
    )  # fmt: skip
    prepared = api.prepare(spec)
    record(spec, prepared.plan)
    executor = InlineExecutor(prepared.plan.context, prepared.store.root)
    outcome = run(
        prepared.plan, prepared.store, executor, prepared.progress, QuietDisplay(Console(quiet=True)), keep_going=False
    )
    assert not outcome.failed
    return home / "runs"
