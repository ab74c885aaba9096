"""UB, the paper's upper bound (Table 3): Custom Diffusion (Kumari et al., 2023) for each concept alone.

Every key and value projection is trained in full, with the custom token, from the pre-trained weights each time.
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
    from torch import nn

    from harness.backbones.adaptable import Adaptable


class CustomDiffusionOptions(MethodOptions):
    """Options of Custom Diffusion."""

    # mini: the better of two settings tried on tuning6, see docs/mini-tuning.md
    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "mini": {
            "steps": 120,
            "token_init": "category",
            "token_learning_rate": 0.003,
            "learning_rate": 0.002,
        }
    }

    learning_rate: float = Field(1e-5, gt=0, description="AdamW rate of the key and value projections")
    token_learning_rate: float = Field(1e-5, gt=0, description="AdamW rate of the custom token")
    token: Literal["mlp", "free"] = Field("free", description="custom token from an MLP, or a free embedding")
    rank: int = Field(16, ge=1, description="hidden width of the token's MLP, if any")


class UpperBound(Method[CustomDiffusionOptions]):
    """Each concept alone: what the backbone can reach when nothing has to be remembered."""

    options_class = CustomDiffusionOptions
    summary = "upper bound: all K/V matrices tuned for each concept alone, from the pre-trained weights"
    citation = "Kumari et al., Multi-Concept Customization of Text-to-Image Diffusion, CVPR 2023"
    independent = True

    def begin(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        from harness.backbones.adaptable import attach

        attach(model, lambda name, projection: parts.FullResidual(projection))
        return parts.new_token(model, self.options.token, self.options.token_init, self.options.rank, generator)
