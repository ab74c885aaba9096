"""What only a GPU can show; skipped without one. Short runs at the paper tier, on a small checkpoint."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from tests_support import InlineExecutor
from tiny_classifier import ClassCourse, tiny_vit
from tiny_models import make_tiny_families

from harness import api
from harness.backbones.classifier import Classifier
from harness.backbones.text_to_image import TextToImage
from harness.engine.display import QuietDisplay
from harness.engine.runner import run
from harness.records.run_file import read_cells, record
from harness.settings.customization.task_data import Lesson
from harness.settings.customization.training import train_task
from harness.spec import MethodSpec, RunSpec, Sampling
from harness.store.checkpoint import Checkpoint
from harness.store.store import MANIFEST
from methods.stamina import Stamina

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU"),
]

GPU = torch.device("cuda:0")
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
CHANGES = {"steps": 3, "batch_size": 2, "prior_images": 2, "fisher_samples": 2}
OWN = {
    "stamina": ("steps", "batch_size"),
    "ti++": ("steps", "batch_size"),
    "cd-ewc": ("steps", "batch_size", "prior_images", "fisher_samples"),
    "cd": ("steps", "batch_size", "prior_images"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = make_tiny_families(tmp_path_factory.mktemp("gpu"))
    for concept in ("person", "waterfall"):
        (home / "photos" / concept).mkdir(parents=True)
        for index, image in enumerate(IMAGES):
            Image.fromarray(image).save(home / "photos" / concept / f"{index}.png")
    return home


@pytest.mark.parametrize(("dtype", "compile"), [("bfloat16", False), ("float16", False), ("bfloat16", True)])
def test_a_run_on_a_gpu_ends_with_finite_figures(
    home: Path, tiny_models: Path, tmp_path: Path, dtype: Any, compile: bool
) -> None:
    methods = tuple(MethodSpec(name=m, changes={k: CHANGES[k] for k in own}) for m, own in OWN.items())
    spec = RunSpec(
        benchmark=str(home / "photos"), tier="paper", backbone=str(home / "sd1"), device="cuda:0", dtype=dtype,
        compile=compile, extractor=str(tiny_models / "clip"), methods=methods, output=tmp_path,
        sampling={"steps": 2, "images": 3, "batch_size": 2},
    )  # fmt: skip
    prepared = api.prepare(spec)
    assert prepared.plan.context.device_type == "cuda"
    record(prepared.spec, prepared.plan)
    executor = InlineExecutor(prepared.plan.context, prepared.store.root, device="cuda:0")
    display = QuietDisplay(Console(quiet=True))
    outcome = run(prepared.plan, prepared.store, executor, prepared.progress, display, keep_going=False)
    assert not outcome.failed, outcome
    cells = read_cells(tmp_path)
    assert {cell.method for cell in cells} == set(OWN)
    assert all(math.isfinite(row.value) for cell in cells for row in cell.rows)
    for step in prepared.plan.steps.values():
        facts = json.loads((prepared.store.folder(step.key) / MANIFEST).read_text())["facts"]
        assert facts["device"] == "cuda:0"
        assert facts["peak_memory_bytes"] > 0 or step.kind == "score"


def test_a_gpu_draws_the_same_images_as_a_cpu(home: Path) -> None:
    """The noise is the same on both; arithmetic differs in its last bits."""
    sampling = Sampling(images=2, steps=3, guidance_scale=2.0, eta=1.0, batch_size=2)
    drawn = [
        TextToImage.load(str(home / "sd1"), device).generate("a photo of a person", [3, 4], sampling)
        for device in (torch.device("cpu"), GPU)
    ]
    assert np.abs(drawn[0].astype(int) - drawn[1]).max() <= 3


def test_a_gpus_training_resumed_goes_on_with_the_same_draws(home: Path, tmp_path: Path) -> None:
    """Masks draw on the GPU, seeded by the CPU's generator, which the checkpoint keeps; so is the fused optimizer."""

    class Stop(Exception):
        pass

    class Once(Checkpoint):
        """Due at every step; stops the training after the second."""

        written = 0

        def due(self) -> bool:
            return True

        def write(self, *given: Any) -> None:
            super().write(*given)
            self.written += 1
            if self.written == 2:
                raise Stop

    def teach(checkpoint: Checkpoint | None = None) -> dict[str, float]:
        model = TextToImage.load(str(home / "sd1"), GPU)
        method = Stamina(Stamina.options_class(steps=5, batch_size=2, learning_rate=1e-2))
        lesson = Lesson(model, IMAGES, model.posterior(IMAGES), "<v1>", "person", False)
        return train_task(method, lesson, 0, "concept", checkpoint).layer_distance

    whole = teach()
    with pytest.raises(Stop):
        teach(Once(tmp_path / "c"))
    resumed = teach(Checkpoint(tmp_path / "c"))
    assert resumed == pytest.approx(whole, rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["stamina", "coda-p", "ft"])
def test_a_classifier_learns_on_a_gpu(name: str, dtype: torch.dtype) -> None:
    course = ClassCourse(name, Classifier(tiny_vit(), GPU, dtype), epochs=2)
    for _ in range(2):
        done = course.teach()
        assert all(math.isfinite(value) for loss in done.losses for value in loss.values())
        assert done.head[0].isfinite().all()
    logits = course.recall().logits(torch.rand(3, 3, 32, 32))
    assert (logits.device.type, logits.dtype, tuple(logits.shape)) == ("cuda", torch.float32, (3, 4))
