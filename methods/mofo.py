"""MoFO: Momentum-Filtered Optimizer (Chen et al., 2024, arXiv 2407.20999), with Custom Diffusion.

In each step AdamW moves, of each matrix, the entries whose momentum is largest, and no other:

    W <- W - rate * [|m| >= the k-th largest |m|] m' / (sqrt(v') + eps),   k = share n

with m and v the moments of all entries, m' and v' corrected as Adam has it (YChen-zzz/MoFO at a1a364b, lines 14-93,
where `share` is 0.15; T2I-ConBench, arXiv 2505.16875, takes 0.5). There weight decay, if any, moves every entry; here
none that is filtered out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from methods import parts
from methods.custom_diffusion import MINI, CustomDiffusion, CustomDiffusionOptions

if TYPE_CHECKING:
    from torch import Tensor


class MoFOOptions(CustomDiffusionOptions):
    """Options of Custom Diffusion and of the filter."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned("mofo", like="cd", **MINI)

    share: float = Field(0.15, gt=0, le=1, description="share of each matrix's entries that a step moves")


class MoFO(CustomDiffusion):
    """Custom Diffusion that moves few entries a step."""

    options: MoFOOptions
    options_class = MoFOOptions
    summary = "Custom Diffusion that moves in each step only the entries with the largest momentum"
    citation = f"Chen et al., MoFO, arXiv 2407.20999; on {CustomDiffusion.citation}"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "share": (0.05, 0.15, 0.5),
        "learning_rate": (0.00025, 0.0005, 0.001, 0.002),
        "token_learning_rate": (0.003, 0.005, 0.01),
    }

    def update_mask(self, name: str, parameter: Tensor, momentum: Tensor) -> Tensor | None:
        if name.startswith("token."):
            return None
        size = momentum.abs()
        count = max(1, int(self.options.share * size.numel()))
        smallest = size.flatten().topk(count).values[-1]
        return size >= smallest
