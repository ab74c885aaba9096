"""Hooks that call what gives something else there than it seems to: a note before a run."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from faulty_methods import Plain
from torch import Tensor, nn

from harness.backbones.adapters import attach
from harness.method import Method
from harness.sources.hook_texts import hook_notes
from methods import parts
from methods.clora import CLoRA
from methods.textual_inversion import TextualInversionPlusPlus


class AsOptionsSay(Plain):
    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        self.model = model
        self.adapters = attach(model, lambda name, p: parts.LowRank(p, self.options.rank, generator))
        return parts.new_token(model, "free", self.options.token_init, self.options.rank, generator)


class Fixed(AsOptionsSay):
    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        self.adapters = attach(model, lambda name, p: parts.LowRank(p, self.options.rank, generator))
        return parts.new_token(model, "free", "category", self.options.rank, generator)


class ComputesAnew(AsOptionsSay):
    def penalties(self) -> dict[str, Tensor]:
        return {"size": torch.stack([each.compute().square().sum() for each in self.adapters.values()]).sum()}


class MeasuresThePast(AsOptionsSay):
    def measures(self) -> dict[str, float]:
        return {"total": sum(float(self.model.change(name).norm()) for name in self.model.projections)}


class HasItsOwnChange(AsOptionsSay):
    def change(self) -> float:
        return 1.0

    def measures(self) -> dict[str, float]:
        return {"total": self.change()}


class Heir(TextualInversionPlusPlus):
    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        self.adapters = attach(model, lambda name, p: parts.LowRank(p, 2, generator))
        return super().begin_task(model, generator)


class HeirThatSaysSo(Heir):
    independent: ClassVar[bool] = True


def notes(method: type[Method[Any]]) -> list[str]:
    return list(hook_notes(method, Method))


def test_a_token_that_goes_by_no_option_is_told() -> None:
    (note,) = notes(Fixed)
    assert note.startswith("Fixed.begin_task() makes its token without self.options.token_init")


def test_residuals_that_are_computed_anew_are_told() -> None:
    (note,) = notes(ComputesAnew)
    assert note.startswith("ComputesAnew.penalties() calls compute(), which computes anew")


def test_a_change_that_is_asked_for_before_the_fold_is_told() -> None:
    (note,) = notes(MeasuresThePast)
    assert note.startswith("MeasuresThePast.measures() asks for model.change(), which is what the tasks before changed")


def test_independence_that_is_only_inherited_is_told() -> None:
    (note,) = notes(Heir)
    assert note.startswith("Heir inherits independent = True from TextualInversion")


def test_others_are_not() -> None:
    for method in (AsOptionsSay, HasItsOwnChange, HeirThatSaysSo, CLoRA, TextualInversionPlusPlus):
        assert notes(method) == []
