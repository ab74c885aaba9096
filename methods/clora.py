"""C-LoRA (Smith et al., 2023, arXiv 2304.06027): sequential LoRA that avoids what earlier tasks changed.

W_t = W_{t-1} + A_t B_t (eq. 2) with L_SD + lambda_f L_forget (eqs. 1, 3), and a custom token that is a free embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from harness.method import Method
from harness.spec import MethodOptions
from methods import parts

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.backbones.adaptable import Adaptable


class CLoRAOptions(MethodOptions):
    """Options of C-LoRA; the STAMINA paper's where it states them (2000 steps, rank 16, no category word)."""

    # mini: the best of eight settings on tuning6, see docs/mini-tuning.md
    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "mini": {
            "steps": 120,
            "rank": 8,
            "token_init": "category",
            "token_learning_rate": 0.01,
            "learning_rate": 0.01,
            "lambda_forget": 3.0,
        }
    }

    steps: int = Field(2000, ge=1, description="training steps per task")
    learning_rate: float = Field(5e-4, gt=0, description="AdamW rate of A and B")
    token_learning_rate: float = Field(5e-4, gt=0, description="AdamW rate of the custom token")
    category_word: bool = Field(False, description="name the category X in 'a photo of a V* X'")
    rank: int = Field(16, ge=1, description="rank r of A B (and hidden width of the token's MLP, if any)")
    lambda_forget: float = Field(1e8, ge=0, description="weight of L_forget (eq. 3, summed over entries and matrices)")
    token: Literal["mlp", "free"] = Field("free", description="custom token from an MLP, or a free embedding")


class CLoRA(Method[CLoRAOptions]):
    """Low-rank residuals, stacked and folded; a free token; L_forget."""

    options_class = CLoRAOptions
    summary = "sequential LoRA with a penalty on changing what earlier tasks changed"
    citation = "Smith et al., Continual Diffusion (C-LoRA), arXiv 2304.06027"

    def begin(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        from harness.backbones.adaptable import attach

        o = self.options
        self.adapters = attach(model, lambda name, projection: parts.LowRank(projection, o.rank, generator))
        self.changes = {name: model.change(name) for name in self.adapters}
        return parts.new_token(model, o.token, o.token_init, o.rank, generator)

    def penalties(self) -> Mapping[str, Tensor]:
        residuals = {name: adapter.residual() for name, adapter in self.adapters.items()}
        return {"forget": self.options.lambda_forget * parts.forget_loss(self.changes, residuals)}
