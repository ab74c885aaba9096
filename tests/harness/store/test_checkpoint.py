"""A training broken off inside a task goes on where it was, and ends bit for bit as the one never broken off."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from harness import registry
from harness.backbones.text_to_image import TextToImage
from harness.errors import BenchError
from harness.settings.customization.task_data import Lesson
from harness.settings.customization.training import TrainedTask, train_task
from harness.store.checkpoint import Checkpoint

STEPS = 6


class Broken(Exception):
    """Stands for a kill."""


def lesson(model: TextToImage, break_at: int | None = None) -> Lesson:
    """A concept; its loss raises at the step of that number, counted over this process."""
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    made = Lesson(model, images, model.posterior(images), "<v1>", "person", True)
    if break_at is not None:
        whole, seen = made.loss, 0

        def loss(*arguments: Any) -> Tensor:
            nonlocal seen
            if seen == break_at:
                raise Broken
            seen += 1
            return whole(*arguments)

        object.__setattr__(made, "loss", loss)
    return made


def teach(
    name: str, source: Path, memory: Mapping[str, Tensor] | None = None, checkpoint: Checkpoint | None = None,
    break_at: int | None = None, **changes: Any,
) -> tuple[TrainedTask, dict[str, Tensor]]:  # fmt: skip
    model = TextToImage.load(str(source), torch.device("cpu"), torch.float32)
    plugin = registry.methods().get(name)
    method = plugin(plugin.options_class.for_tier("mini", {"steps": STEPS, "batch_size": 2, **changes}))
    method.memory = memory or {}
    done = train_task(method, lesson(model, break_at), 3, "concept", checkpoint)
    return done, model.weights()


@pytest.mark.parametrize("name", ["stamina", "clora", "cd", "ti++"])
def test_a_training_resumed_inside_a_task_equals_the_whole(name: str, tiny_models: Path, tmp_path: Path) -> None:
    source = tiny_models / "sd"
    whole, weights = teach(name, source)
    for break_at in (1, 4):
        checkpoint = Checkpoint(tmp_path / f"{break_at}.safetensors", every_s=0.0)
        with pytest.raises(Broken):
            teach(name, source, checkpoint=checkpoint, break_at=break_at)
        found = checkpoint.read()
        assert found is not None
        assert found[1]["step"] == break_at
        # what is left of the training is less than all of it: the loss would raise at the seventh step
        resumed, again = teach(name, source, checkpoint=checkpoint, break_at=STEPS - break_at)
        assert torch.equal(resumed.token, whole.token)
        assert all(torch.equal(again[key], weights[key]) for key in weights)
        assert resumed.losses == whole.losses
        assert resumed.seconds >= found[1]["seconds"]
    # from a checkpoint of its last step nothing is left to train, which is no mistake of the method's
    ended, again = teach(name, source, checkpoint=checkpoint, break_at=0)
    assert torch.equal(ended.token, whole.token)
    assert all(torch.equal(again[key], weights[key]) for key in weights)
    assert ended.losses == whole.losses


@pytest.mark.parametrize("schedule", ["linear", pytest.param("cosine", marks=pytest.mark.thorough)])
def test_rates_and_masks_go_on_where_they_were(schedule: str, tiny_models: Path, tmp_path: Path) -> None:
    """Neither the rate of a step nor whether its mask is settled depends on what this process did before."""
    source, path = tiny_models / "sd", tmp_path / "a.safetensors"
    changes = {"lr_schedule": schedule, "warmup": 0.34, "mask_settle": 0.34, "adam_eps": 1e-15, "clip_by": "kind"}
    whole, weights = teach("stamina", source, **changes)
    for break_at in (1, 3, 5):
        with pytest.raises(Broken):
            teach("stamina", source, None, Checkpoint(path, every_s=0.0), break_at, **changes)
        resumed, again = teach("stamina", source, None, Checkpoint(path, every_s=0.0), STEPS - break_at, **changes)
        assert resumed.losses == whole.losses
        assert all(torch.equal(again[key], weights[key]) for key in weights)
        path.unlink()
    for option, plain in (("lr_schedule", "constant"), ("warmup", 0.0), ("mask_settle", 0.0)):
        _, others = teach("stamina", source, **{**changes, option: plain})
        assert not all(torch.equal(others[key], weights[key]) for key in weights), option


def test_a_loss_that_runs_away_stops_the_task(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lesson, "loss", lambda *_: torch.tensor(float("nan"), requires_grad=True))
    with pytest.raises(BenchError, match=r"The loss 'sd' of <v1> is nan at step 0; try a smaller learning_rate"):
        teach("clora", tiny_models / "sd")


def test_nothing_whole_means_from_the_start(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "deep" / "a.safetensors", every_s=1e9)
    assert checkpoint.read() is None
    assert not checkpoint.due()
    checkpoint.write({"a": torch.ones(2)}, {"step": 1})
    assert checkpoint.read() is not None
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:-3])
    assert checkpoint.read() is None
    checkpoint.clear()
    checkpoint.clear()
    assert not list(checkpoint.path.parent.iterdir())
