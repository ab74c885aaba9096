"""TI++: Textual Inversion (Gal et al., 2022, arXiv 2208.01618) with STAMINA's MLP token; the model stays fixed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from harness.method import Method
from harness.spec import MethodOptions
from methods import parts

if TYPE_CHECKING:
    import torch
    from torch import nn

    from harness.backbones.adaptable import Adaptable


class TextualInversionOptions(MethodOptions):
    """Options of TI++ (500 steps and the category word, as in the STAMINA paper)."""

    # mini: the best of eight settings on tuning6, see docs/mini-tuning.md
    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "mini": {
            "steps": 120,
            "token_init": "random",
            "token_learning_rate": 0.01,
        }
    }

    token_learning_rate: float = Field(5e-4, gt=0, description="AdamW rate of the token's MLP")
    rank: int = Field(16, ge=1, description="hidden width of the token's MLP")
    token: Literal["mlp", "free"] = Field("mlp", description="custom token from an MLP, or a free embedding")


class TextualInversionPlusPlus(Method[TextualInversionOptions]):
    """Nothing but a token is learnt, so nothing is forgotten: F_mmd is exactly 0."""

    options_class = TextualInversionOptions
    summary = "only a custom token, from an MLP; the U-Net stays fixed"
    citation = "Gal et al., An Image is Worth One Word, arXiv 2208.01618; '++' as in arXiv 2311.18763"
    independent = True

    def begin(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        return parts.new_token(model, self.options.token, self.options.token_init, self.options.rank, generator)
