"""C-LoRA (Smith et al., 2023, arXiv 2304.06027): sequential LoRA that avoids what earlier tasks changed.

W_t = W_{t-1} + A_t B_t (eq. 2) with L_SD + lambda_f L_forget (eqs. 1, 3), and a custom token that is a free embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from harness.method import Profile
from harness.spec import ClassOptions
from methods import parts
from methods.forgetting import ForgetOptions
from methods.lora import LoRA, LoRAOptions, RankOptions

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.backbones.adapters import Adaptable


class CLoRAOptions(ForgetOptions, LoRAOptions):
    """Options of C-LoRA; the STAMINA paper's where it states them (2000 steps, rank 16, no category word)."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned(
        "clora", steps=60, rank=8, token_init="category"
    )

    steps: int = Field(2000, ge=1, description="training steps per task")
    category_word: bool = Field(False, description="name the category X in 'a photo of a V* X'")
    clip_by: Literal["all", "kind"] = Field(
        "kind", description="gradients are clipped all together, or all A, all B and the token each by its own norm"
    )


class CLoRAClassOptions(ForgetOptions, RankOptions, ClassOptions):
    """Options of C-LoRA in the classification setting: rate, rank and weight of a third party's runs (InfLoRA).

    `stamina` starts from the same there: neither paper states them, and what differs is to be the method.
    """

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned_classes("clora", rank=8)

    rank: int = Field(64, ge=1, description="rank r of A B")
    lambda_forget: float = Field(0.5, ge=0, description="weight of L_forget (eq. 3, over all entries and matrices)")


class CLoRA(LoRA):
    """Low-rank residuals, stacked and folded; a free token; L_forget."""

    options: CLoRAOptions | CLoRAClassOptions
    options_class = CLoRAOptions
    summary = "sequential LoRA with a penalty on changing what earlier tasks changed"
    citation = "Smith et al., Continual Diffusion (C-LoRA), arXiv 2304.06027"
    loss = "L_SD (eq. 1) + lambda_forget L_forget (eq. 3)"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "lambda_forget": parts.FORGET_GRID,  # as stamina's
        "learning_rate": (0.0025, 0.005, 0.01, 0.02),
        "token_learning_rate": (0.003, 0.01, 0.03),
    }
    profiles: ClassVar[Mapping[str, Profile]] = {
        "classification": Profile(
            CLoRAClassOptions,
            trains="A and B of every query, key and value projection; the head's rows of the new classes",
            loss="cross-entropy over the new classes + lambda_forget L_forget (eq. 3)",
            search_space={"learning_rate": (1e-3, 3e-3, 1e-2), "lambda_forget": (1e3, 1e5)},
        )
    }

    def begin_task(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        token = super().begin_task(model, generator)
        self.changes = parts.past_changes((model.change(name) for name in self.adapters), self.options.forget_form)
        return token

    def penalties(self) -> Mapping[str, Tensor]:
        from harness.backbones.adapters import joined

        residuals = [adapter.residual() for adapter in joined(self.adapters.values())]
        return {"forget": self.options.lambda_forget * parts.forget_loss(self.changes, residuals)}
