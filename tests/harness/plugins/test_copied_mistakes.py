"""Mistakes that come with code from elsewhere: coarse numbers, one draw in each adapter, masks by other names, data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from faulty_methods import Plain
from torch import Generator, Tensor, nn

from harness.backbones.adapters import Adapter, attach
from harness.backbones.posterior import Posterior
from harness.plugins.kept_data import kept_notes
from methods import parts

Notes = Callable[..., list[str]]


class Own(Adapter):
    """A LoRA of one's own."""

    def __init__(self, projection: nn.Linear, generator: Generator, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        rows, columns = projection.weight.shape
        self.A = nn.Parameter(torch.zeros(rows, 2, dtype=dtype))
        self.B = nn.Parameter(torch.randn(2, columns, generator=generator).mul(0.1).to(dtype))

    def compute(self) -> Tensor:
        return self.A.float() @ self.B.float()


class Coarse(Plain):
    def begin_task(self, model: Any, generator: Generator) -> nn.Module:
        attach(model, lambda name, projection: Own(projection, generator, torch.bfloat16))
        return parts.new_token(model, "free", "category", 2, generator)


class Fine(Plain):
    def begin_task(self, model: Any, generator: Generator) -> nn.Module:
        attach(model, lambda name, projection: Own(projection, generator))
        return parts.new_token(model, "free", "category", 2, generator)


class SeededAnew(Plain):
    def begin_task(self, model: Any, generator: Generator) -> nn.Module:
        def make(name: str, projection: nn.Linear) -> Adapter:
            return Own(projection, Generator().manual_seed(generator.initial_seed()))

        attach(model, make)
        return parts.new_token(model, "free", "category", 2, generator)


class OtherNames(Plain):
    def update_mask(self, name: str, parameter: Tensor, momentum: Tensor) -> Tensor | None:
        return momentum.abs() > momentum.abs().mean() if "lora_A" in name else None


class Inverted(Plain):
    def update_mask(self, name: str, parameter: Tensor, momentum: Tensor) -> Tensor | None:
        return torch.zeros_like(parameter, dtype=torch.bool)


class AllMove(Plain):
    def update_mask(self, name: str, parameter: Tensor, momentum: Tensor) -> Tensor | None:
        return momentum.abs() >= 0


class Masks(Plain):
    def update_mask(self, name: str, parameter: Tensor, momentum: Tensor) -> Tensor | None:
        return momentum.abs() >= momentum.abs().median() if name.endswith(("A", "B")) else None


class LargestWithoutAbs(Plain):
    def update_mask(self, name: str, parameter: Tensor, momentum: Tensor) -> Tensor | None:
        if name.startswith("token."):
            return None
        return momentum >= momentum.flatten().topk(max(1, int(momentum.numel() / self.part))).values[-1]

    part = 4.0


class MostWithoutAbs(LargestWithoutAbs):
    part = 1.25  # four fifths, of both signs


class RowsWithoutAbs(Plain):
    def update_mask(self, name: str, parameter: Tensor, momentum: Tensor) -> Tensor | None:
        return momentum > 0 if momentum.dim() < 2 else momentum >= momentum.amax(1, keepdim=True).clamp_min(1e-30)


class RowsBySize(Plain):
    def update_mask(self, name: str, parameter: Tensor, momentum: Tensor) -> Tensor | None:
        size = momentum.abs()
        return size >= size.mean(dim=-1, keepdim=True)


class SmallOnes(Plain):
    def update_mask(self, name: str, parameter: Tensor, momentum: Tensor) -> Tensor | None:
        return momentum.abs() <= momentum.abs().median()


class KeepsLatents(Plain):
    def end_task(self, lesson: Any, generator: Generator) -> Mapping[str, Tensor]:
        return {"old": lesson.latents.mean.clone()}


class KeepsFlat(Plain):
    def end_task(self, lesson: Any, generator: Generator) -> Mapping[str, Tensor]:
        return {"old": lesson.latents.mean[:2].flatten(1).clone()}


class KeepsPixels(Plain):
    def end_task(self, lesson: Any, generator: Generator) -> Mapping[str, Tensor]:
        return {"old": lesson.pixels[:1] / 127.5 - 1}


class SaysSo(KeepsLatents):
    keeps_data = "the latents of the task before"


class KeepsTheMean(Plain):
    def end_task(self, lesson: Any, generator: Generator) -> Mapping[str, Tensor]:
        return {"old": lesson.latents.mean.mean(dim=0, keepdim=True)}


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        (Coarse, "tensors that Coarse trains are bfloat16 (A of the adapter of "),
        (SeededAnew, "B begins with the same values in "),
        (OtherNames, "OtherNames.update_mask() gave None for every parameter in every step, so that it does nothing"),
        (Inverted, "Inverted.update_mask() let no entry of any parameter move in any step; True is for those that"),
        (AllMove, "AllMove.update_mask() let every entry move in every step, so that it does nothing"),
        (
            LargestWithoutAbs,
            "LargestWithoutAbs.update_mask() lets entries move by the sign of their momentum: larger ones",
        ),
        (MostWithoutAbs, "stay, in every step; if the largest are meant, compare momentum.abs()"),
        (RowsWithoutAbs, "RowsWithoutAbs.update_mask() lets entries move by the sign of their momentum"),
        (KeepsLatents, "of the task's images (latents), against the rule that no data are kept, and no table says so"),
        (KeepsFlat, "'old' that end_task() leaves holds 2 of the task's images (latents)"),
        (KeepsPixels, "'old' that end_task() leaves holds 1 of the task's images (images)"),
    ],
)
def test_it_is_told(plugin: type[Plain], said: str, notes: Notes) -> None:
    found = notes(plugin)
    assert any(said in each for each in found), found


@pytest.mark.parametrize("plugin", [Plain, Fine, Masks, RowsBySize, SmallOnes, KeepsTheMean])
def test_what_is_meant_is_not(plugin: type[Plain], notes: Notes) -> None:
    assert notes(plugin) == []


def test_data_that_the_class_names_are_told_as_such(notes: Notes) -> None:
    assert [each for each in notes(SaysSo) if "data are kept" in each] == [
        "SaysSo keeps the latents of the task before, against the rule that no data are kept"
    ]


@pytest.mark.parametrize(("spread", "kept"), [(0.01, 3), (0.5, 0)])
def test_draws_are_told_where_the_encoders_noise_leaves_images_apart(spread: float, kept: int) -> None:
    draws = Generator().manual_seed(0)
    mean = torch.randn(4, 2, 8, 8, generator=draws)
    latents = Posterior(mean, torch.full_like(mean, spread))
    memory = {"old": latents.draw(torch.tensor([0, 2, 3]), draws), "mean": mean.mean(dim=0)}
    found = kept_notes(Plain(Plain.options_class()), memory, SimpleNamespace(latents=latents, images=None))
    assert [f"holds {kept} of the task's images (latents)" in each for each in found] == [True] * bool(kept)
