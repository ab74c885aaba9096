"""Custom Diffusion (Kumari et al., 2023, arXiv 2212.04488): every key and value projection in full, and a token.

`cd` learns one concept after another and remembers nothing of them. `ub`, the paper's upper bound (Table 3), learns
each concept alone, from the pre-trained weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from harness.method import Method
from harness.spec import MethodOptions
from methods import parts

if TYPE_CHECKING:
    import torch
    from torch import nn

    from harness.backbones.adapters import Adaptable

# what the mini tier fixes for the whole family; `stamina-bench tune` chooses the rest
MINI: Mapping[str, Any] = {"steps": 60, "token_init": "category"}


class CustomDiffusionOptions(MethodOptions):
    """Options of Custom Diffusion; the STAMINA paper's steps and prompt, all else as its authors' code has it.

    That code scales its base rate by the images of a step, own and class images alike (adobe-research/custom-diffusion
    at 7c19c9a, src/diffusers_training.py, lines 786-791): 1e-5 x 1 (accumulation) x 2 (images) x 2 (processes) x 2
    (prior preservation) = 8e-5. Ours is 1e-5 x 1 x 4 x 1 x 2, the same. One optimizer trains the token at the same rate
    (lines 850-874). For faces the authors recommend half of it and 750 steps (README.md, line 261).
    """

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned("cd", **MINI)

    learning_rate: float = Field(
        8e-5, gt=0, description="AdamW rate of the K and V projections: 1e-5 x 4 images x 2 with class images"
    )
    token_learning_rate: float = Field(
        8e-5, gt=0, description="AdamW rate of the custom token, at the paper tier that of K and V"
    )
    token: Literal["mlp", "free"] = Field("free", description="custom token from an MLP, or a free embedding")
    rank: int = Field(16, ge=1, description="hidden width of the token's MLP, if any")


class CustomDiffusion(Method[CustomDiffusionOptions]):
    """All K/V matrices and a free token, one concept after another, with nothing against forgetting."""

    options_class = CustomDiffusionOptions
    summary = "Custom Diffusion, sequential: all K/V matrices and a token, nothing against forgetting"
    citation = "Kumari et al., Multi-Concept Customization of Text-to-Image Diffusion, CVPR 2023, arXiv 2212.04488"
    trains = "every entry of the cross-attention's key and value projections; the custom token"
    loss = "L_SD (eq. 1)"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "learning_rate": (0.0005, 0.001, 0.002, 0.003, 0.005, 0.008),
        "token_learning_rate": (0.001, 0.002, 0.003, 0.005, 0.01, 0.02),
    }

    def begin_task(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        from harness.backbones.adapters import attach

        o = self.options
        self.adapters = attach(model, lambda name, projection: parts.FullResidual(projection))
        return parts.new_token(model, o.token, o.token_init, o.rank, generator)


class UpperBoundOptions(CustomDiffusionOptions):
    """Options of Custom Diffusion, chosen anew for concepts learnt alone."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned("ub", **MINI)


class UpperBound(CustomDiffusion):
    """Each concept alone: what the backbone can reach when nothing has to be remembered."""

    options_class = UpperBoundOptions
    summary = "upper bound: Custom Diffusion for each concept alone, from the pre-trained weights"
    independent = True
