"""What trains a mask: the same at every size, and in the end what is folded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from tiny_tasks import tiny_model
from torch import Tensor, nn

from harness.settings.customization.task_data import Lesson
from harness.settings.customization.training import TrainedTask, train_task
from harness.settings.optimization import adamw, rate_share, set_rates
from harness.settings.training_loop import TrainingLoop
from methods.stamina import Stamina, StaminaOptions

SIDE, STEPS, FEW = 24, 40, 2
BEFORE: Mapping[str, Any] = {"adam_eps": 1e-8, "clip_by": "all"}


class Toy:
    """`count` projections with a past, and for each a change that is wanted: in half of its entries none."""

    token_dim = 0

    def __init__(self, count: int) -> None:
        draw = torch.Generator().manual_seed(1)
        shape = (count, SIDE, SIDE)
        self.projections = {f"p{i}": nn.Linear(SIDE, SIDE, bias=False) for i in range(count)}
        self.past = 0.02 * torch.randn(shape, generator=draw)
        self.wanted = torch.randn(shape, generator=draw) * (torch.rand(shape, generator=draw) < 0.5)

    def change(self, name: str) -> Tensor:
        return self.past[int(name[1:])]

    @property
    def token_widths(self) -> tuple[int, ...]:
        return (self.token_dim,)

    def token_start(self, kind: str) -> Tensor:
        return torch.zeros(0)

    def token_scale(self, part: int = 0) -> float:
        return 1.0


def density(count: int, mask: Literal["mlp", "free"], **changes: Any) -> float:
    """Of the folded masks, after a training as the customization setting has it, on the mean squared error."""
    rate, sparse = {"mlp": (0.01, 3e-3), "free": (0.05, 1e-3)}[mask]
    defaults = {"forget_form": "relative", "lambda_forget": 0.1, "lambda_sparse": sparse, "rank": 4}
    options = StaminaOptions(steps=STEPS, learning_rate=rate, mask=mask, **{**defaults, **changes})
    model, cpu = Toy(count), torch.device("cpu")
    loop = TrainingLoop(Stamina(options), 0, "toy")
    module = loop.begin(model, cpu, None, None)
    optimizer, scaler = adamw(loop.stacks, module, options), torch.amp.GradScaler("cpu", enabled=False)
    loop.ready(optimizer, scaler, nn.Module(), cpu, None, total=STEPS, of="", rates="", token=False)
    before = torch.stack([p.weight.detach() for p in model.projections.values()])
    while loop.step < STEPS:
        set_rates(optimizer, rate_share(options.lr_schedule, options.warmup, loop.step, STEPS))
        loop.refresh()
        now = torch.stack([p.current() for p in model.projections.values()])  # type: ignore[operator]
        loss = 0.1 * (now - before - model.wanted).square().mean()
        loop.update("sd", loss, max_grad_norm=options.max_grad_norm, apart=options.clip_by == "kind")
    return loop.finish()[0]["mask_density"]


@pytest.mark.parametrize("mask", ["mlp", pytest.param("free", marks=pytest.mark.thorough)])
def test_1000_times_the_entries_train_the_same_masks(mask: Literal["mlp", "free"]) -> None:
    few, many = density(FEW, mask), density(1000 * FEW, mask)
    assert 0.1 < few < 0.9
    assert many == pytest.approx(few, rel=0.1)


@pytest.mark.thorough
def test_masks_of_1000_times_the_entries_were_not_trained_before() -> None:
    """A free logit's gradient is below AdamW's old eps there: it stays where it began, and all is let through."""
    assert density(1000 * FEW, "free", **BEFORE) > 0.9


# ------------------------------------------------------------------------------------------------------ what is folded


def taught(folder: Path, **changes: Any) -> TrainedTask:
    """One task of STAMINA on the tiny checkpoint."""
    model = tiny_model(folder)
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    options = StaminaOptions(
        steps=20, batch_size=2, prior_images=0, augment=False, learning_rate=0.01, rank=4, lambda_sparse=1.0, **changes
    )
    lesson = Lesson(model, images, model.posterior(images), "<v1>", "person", False)
    return train_task(Stamina(options), lesson, 0, "concept")


@pytest.mark.parametrize("mask", ["mlp", "free"])
def test_what_is_folded_was_trained(mask: Literal["mlp", "free"], tiny_models: Path) -> None:
    """The density in the last step (L_sparse, with weight 1) is the folded one, but for one step of the optimizer."""
    noisy, settled = (taught(tiny_models, mask=mask, mask_settle=share) for share in (0.0, 0.25))
    assert noisy.measures["mask_density"] > noisy.losses[-1]["sparse"] + 0.1
    assert settled.measures["mask_density"] == pytest.approx(settled.losses[-1]["sparse"], abs=0.03)


def test_a_sigmoid_mask_has_nothing_to_settle(tiny_models: Path) -> None:
    noisy, settled = (taught(tiny_models, mask_kind="sigmoid", mask_settle=share) for share in (0.0, 1.0))
    assert noisy.losses == settled.losses
