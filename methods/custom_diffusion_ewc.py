"""CD+EWC: Custom Diffusion under Elastic Weight Consolidation (Kirkpatrick et al., 2017, arXiv 1612.00796)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from methods import parts
from methods.custom_diffusion import MINI, CustomDiffusion, CustomDiffusionOptions

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.backbones.adapters import Adaptable
    from harness.settings.customization.task_data import Lesson


class EWCOptions(CustomDiffusionOptions):
    """Options of Custom Diffusion and of EWC."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned("cd-ewc", fisher_samples=64, **MINI)

    lambda_ewc: float = Field(1e6, ge=0, description="weight of EWC's penalty, 1/2 sum_k F_k (W - W_k)^2")
    fisher_samples: int = Field(256, ge=1, description="draws (image, time, noise) that a task's Fisher averages over")


class CustomDiffusionEWC(CustomDiffusion):
    """Custom Diffusion that holds on to what earlier tasks' losses are sensitive to."""

    options: EWCOptions
    options_class = EWCOptions
    summary = "Custom Diffusion with EWC's penalty on weights that earlier tasks' losses are sensitive to"
    citation = f"Kirkpatrick et al., PNAS 2017, arXiv 1612.00796; on {CustomDiffusion.citation}"
    loss = "L_SD (eq. 1) + lambda_ewc 1/2 sum_k F_k (W - W_k)^2 (Kirkpatrick et al., eq. 3, summed over past tasks k)"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "lambda_ewc": (1e2, 1e3, 1e4, 1e5, 1e6, 1e7),
        "learning_rate": (0.001, 0.002, 0.004),
        "token_learning_rate": (0.003, 0.01),
    }

    def begin_task(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        token = super().begin_task(model, generator)
        self.changes = {name: model.change(name) for name in self.adapters}
        return token

    def penalties(self) -> Mapping[str, Tensor]:
        residuals = {name: adapter.residual() for name, adapter in self.adapters.items()}
        loss = parts.ewc_loss(self.memory, self.changes, residuals)
        return {} if loss is None else {"ewc": self.options.lambda_ewc * loss}

    def end_task(self, lesson: Lesson, generator: torch.Generator) -> Mapping[str, Tensor]:
        o = self.options
        fisher = parts.diagonal_fisher(lesson, o.fisher_samples, o.batch_size, generator)
        return parts.accumulate(fisher, {name: lesson.model.change(name) for name in fisher}, self.memory)
