"""Orthogonal memory: low-rank adapters whose new directions are orthogonal to those of all earlier tasks.

W_t = W_{t-1} + A_t B_t. The rows of B_t are the directions of a text that task t reads. The penalty is the sum over
earlier tasks i of ||B_i B_t^T||^2: zero if the new rows are orthogonal to all earlier ones (O-LoRA, arXiv 2310.14152).

That sum is the trace of B_t G B_t^T with G the sum of B_i^T B_i. So G is all that has to be remembered: one matrix
(D2, D2) for each projection, however many tasks there were.

    stamina-bench check examples/orthogonal_memory.py:OrthogonalMemory
    stamina-bench run tuning6 --methods lora,examples/orthogonal_memory.py:OrthogonalMemory
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from pydantic import Field

from stamina_bench import Method, MethodOptions, attach, parts

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.backbones.adapters import Adaptable


class OrthogonalMemoryOptions(MethodOptions):
    """The options of every method, and two of its own."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "mini": {"steps": 60, "learning_rate": 5e-3, "token_learning_rate": 1e-2, "token_init": "category"}
    }

    rank: int = Field(4, ge=1, description="rank of A B: there is room for D2 / rank tasks")
    lambda_overlap: float = Field(5.0, ge=0, description="weight of the overlap with earlier tasks' rows")


class OrthogonalMemory(Method[OrthogonalMemoryOptions]):
    """A and B of each projection, and the Gram matrix of all earlier B."""

    options_class = OrthogonalMemoryOptions
    summary = "low-rank adapters, each task's rows orthogonal to those of earlier ones"
    citation = "Wang et al., O-LoRA, arXiv 2310.14152"
    trains = "A and B of every cross-attention key and value projection; the custom token"
    loss = "L_SD + lambda_overlap sum_i ||B_i B_t^T||^2"
    search_space: ClassVar[Mapping[str, Sequence[float]]] = {
        "lambda_overlap": (0.5, 5.0, 50.0), "learning_rate": (2.5e-3, 5e-3, 1e-2), "token_learning_rate": (3e-3, 1e-2),
    }  # fmt: skip

    def begin_task(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        """Attach A B to each projection; bring the Gram matrices to where the model computes."""
        self.low_rank = {
            name: parts.LowRank(projection, self.options.rank, generator)
            for name, projection in model.projections.items()
        }
        attach(model, lambda name, projection: self.low_rank[name])
        self.past = {name: gram.to(model.projections[name].weight) for name, gram in self.memory.items()}
        return parts.new_token(model, "free", self.options.token_init, self.options.rank, generator)

    def penalties(self) -> Mapping[str, Tensor]:
        """The overlap with earlier tasks; none at the first."""
        if not self.past:
            return {}
        overlaps = [((each.B @ self.past[name]) * each.B).sum() for name, each in self.low_rank.items()]
        return {"overlap": self.options.lambda_overlap * torch.stack(overlaps).sum()}

    def end_task(self, lesson: Any, generator: torch.Generator) -> Mapping[str, Tensor]:
        """The Gram matrices with this task's B in them: as many numbers after fifty tasks as after one."""
        new = {name: each.B.T @ each.B for name, each in self.low_rank.items()}
        return {name: self.past[name] + gram if self.past else gram for name, gram in new.items()}
