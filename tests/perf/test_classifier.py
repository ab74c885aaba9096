"""The classifier against timm's own forward and backward passes: time, beside the floating-point work by count.

Ratios of paired turns within one run; printed, not asserted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.mini.tier import MINI
from harness import registry
from harness.backbones.classifier import Classifier, Prompt, load_vit
from harness.settings.classification.task_data import Head

BATCH, TURNS, REPEATS = 16, 7, 4


def _flop(work: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def _paired(name: str, ours: Callable[[], object], timm: Callable[[], object]) -> None:
    """Print ours / timm in time and in work, median and range over turns."""
    more = _flop(ours) / _flop(timm)
    ratios = []
    for turn in range(TURNS + 1):
        seconds = {}
        for which, work in (("ours", ours), ("timm", timm)):
            started = time.process_time()
            for _ in range(REPEATS):
                work()
            seconds[which] = time.process_time() - started
        if turn:  # the first warms up
            ratios.append(seconds["ours"] / seconds["timm"])
    low, middle, high = min(ratios), median(ratios), max(ratios)
    print(
        f"{name}: time {middle:.2f} ({low:.2f}-{high:.2f}) of timm's, work {more:.2f}, time by work {middle / more:.2f}"
    )


@pytest.fixture
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.usefixtures("one_thread")
def test_inference_against_timm() -> None:
    ours, timm = Classifier.load(MINI.classifier, torch.device("cpu")), load_vit(Path(MINI.classifier)).eval()
    print()
    for count in (1, BATCH):
        images = torch.randn(count, 3, MINI.recognition.resolution, MINI.recognition.resolution)
        with torch.no_grad():
            _paired(
                f"features, batch {count}",
                lambda images=images: ours.features(images),  # type: ignore[misc]
                lambda images=images: timm.forward_features(images),  # type: ignore[misc, operator]
            )


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", registry.methods("classification").names())
def test_a_training_step_against_timm(name: str) -> None:
    """timm's step: forward and backward through all weights, and Adam's step on all of them."""
    device = torch.device("cpu")
    model, timm = Classifier.load(MINI.classifier, device), load_vit(Path(MINI.classifier)).eval()
    images = torch.randn(BATCH, 3, MINI.recognition.resolution, MINI.recognition.resolution)
    labels = torch.arange(BATCH) % 2
    generator = torch.Generator().manual_seed(0)
    plugin = registry.methods("classification").get(name)
    method = plugin(plugin.options_for("classification").for_tier("mini"))
    method.task_index, method.num_tasks = 1, 20
    head = Head(model, 2, True, generator)
    module = method.begin_task(model, generator)
    module.train(isinstance(module, Prompt))
    model.prompt = module if isinstance(module, Prompt) else None
    parts = [*model.adapters(), module, head]
    ours = torch.optim.Adam([p for part in parts for p in part.parameters() if p.requires_grad], foreach=True)
    theirs = torch.nn.Linear(model.dim, 2)
    plain = torch.optim.Adam([*timm.parameters(), *theirs.parameters()], foreach=True)

    def step() -> None:
        for adapter in model.adapters():
            adapter.train().refresh()
        loss = head(model.features(images), labels)
        loss = loss + sum(method.penalties().values(), torch.zeros(()))
        ours.zero_grad()
        loss.backward()
        ours.step()

    def timms() -> None:
        loss = torch.nn.functional.cross_entropy(theirs(timm.forward_features(images)[:, 0]), labels)  # type: ignore[operator]
        plain.zero_grad()
        loss.backward()
        plain.step()

    print()
    _paired(f"{name}, a training step", step, timms)
