"""Sequential LoRA (Hu et al., 2021, arXiv 2106.09685): W_t = W_{t-1} + A_t B_t (eq. 2), nothing against forgetting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from harness.method import Method
from harness.spec import MethodOptions, Options
from methods import parts

if TYPE_CHECKING:
    import torch
    from torch import nn

    from harness.backbones.adapters import Adaptable


class RankOptions(Options):
    """What low-rank residuals can be told, in both settings."""

    rank: int = Field(16, ge=1, description="rank r of A B (and hidden width of the token's MLP, if any)")


class LoRAOptions(RankOptions, MethodOptions):
    """Options of LoRA; rank 16 and 500 steps, as the STAMINA paper has them."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned(
        "lora", steps=60, rank=8, token_init="category"
    )

    learning_rate: float = Field(5e-4, gt=0, description="AdamW rate of A and B")
    token_learning_rate: float = Field(5e-4, gt=0, description="AdamW rate of the custom token")
    token: Literal["mlp", "free"] = Field("free", description="custom token from an MLP, or a free embedding")


class LoRA(Method[RankOptions]):
    """Low-rank residuals, stacked and folded; a free token."""

    options_class = LoRAOptions
    summary = "sequential LoRA, nothing against forgetting"
    citation = "Hu et al., LoRA, ICLR 2022, arXiv 2106.09685"
    trains = "A and B of every cross-attention key and value projection; the custom token"
    loss = "L_SD (eq. 1)"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "learning_rate": (0.001, 0.002, 0.004, 0.008, 0.016, 0.032),
        "token_learning_rate": (0.003, 0.01, 0.03),
        "category_word": (False, True),
    }

    def begin_task(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        from harness.backbones.adapters import attach

        o = self.options
        self.adapters = attach(model, lambda name, projection: parts.LowRank(projection, o.rank, generator))
        return parts.task_token(model, o, generator)
