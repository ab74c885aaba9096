"""O-LoRA (Wang et al., 2023, arXiv 2310.14152): each task's low-rank subspace orthogonal to those of all before it.

W_t = W_{t-1} + A_t B_t with L_SD + lambda_orth L_orth, L_orth = sum_{i<t} |B_i B_t^T|, summed over entries and
matrices.

The authors' code (cmnfriend/O-LoRA at 07117e1, src/uie_trainer_lora.py, lines 90-109) takes absolute values, where the
paper is reported to write squares, of the factor that reads the inputs: LoRA's A, which is B here. T2I-ConBench's
version for diffusion models (K1nght/T2I-ConBench at f5a318d) takes the other factor. Both are options. Of absolute
values all past rows are kept, which grows with the tasks; of squares their Gram matrix is enough. Past factors are
folded, which changes nothing, and the code's second term, lambda_2 |theta|, is 0 in most of its runs and left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from harness.method import Profile
from harness.spec import ClassOptions, Options
from methods import parts
from methods.lora import LoRA, LoRAOptions, RankOptions

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.backbones.adapters import Adaptable


class OverlapOptions(Options):
    """What L_orth can be told, in both settings."""

    lambda_orth: float = Field(0.5, ge=0, description="weight of L_orth, summed over entries, tasks and matrices")
    form: Literal["absolute", "squared"] = Field(
        "absolute", description="L_orth of absolute values (all past rows are kept), or of squares (a Gram matrix is)"
    )
    factor: Literal["B", "A"] = Field(
        "B", description="what is kept apart: B, which reads the inputs, as in O-LoRA's code, or A, as in T2I-ConBench"
    )


class OLoRAOptions(OverlapOptions, LoRAOptions):
    """Options of LoRA and of L_orth; lambda_orth is O-LoRA's own, of language models."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned(
        "o-lora", like="lora", steps=60, rank=8, token_init="category"
    )

    clip_by: Literal["all", "kind"] = Field(
        "kind", description="gradients are clipped all together, or all A, all B and the token each by its own norm"
    )


class OLoRAClassOptions(OverlapOptions, RankOptions, ClassOptions):
    """Options of O-LoRA in the classification setting; rate and rank as `clora`'s there."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned_classes("o-lora", rank=8)

    rank: int = Field(64, ge=1, description="rank r of A B")


class OLoRA(LoRA):
    """Low-rank residuals, stacked and folded; L_orth."""

    options: OLoRAOptions | OLoRAClassOptions
    options_class = OLoRAOptions
    summary = "sequential LoRA whose subspaces are kept orthogonal to those of all earlier tasks"
    citation = "Wang et al., Orthogonal Subspace Learning for Language Model Continual Learning, arXiv 2310.14152"
    loss = "L_SD (eq. 1) + lambda_orth sum_{i<t} |B_i B_t^T| (O-LoRA)"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "lambda_orth": (0.01, 0.1, 1.0),
        "learning_rate": (0.0005, 0.001, 0.0025, 0.005),
        "token_learning_rate": (0.003, 0.01, 0.03),
    }
    profiles: ClassVar[Mapping[str, Profile]] = {
        "classification": Profile(
            OLoRAClassOptions,
            trains="A and B of every query, key and value projection; the head's rows of the new classes",
            loss="cross-entropy over the new classes + lambda_orth sum_{i<t} |B_i B_t^T| (O-LoRA)",
            search_space={"learning_rate": (1e-3, 3e-3, 1e-2), "lambda_orth": (0.01, 0.1)},
        )
    }

    def begin_task(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        token = super().begin_task(model, generator)
        rows = self._rows() if self.memory else {}
        self.past = {name: self.memory[f"past.{name}"].to(row) for name, row in rows.items()}
        return token

    def penalties(self) -> Mapping[str, Tensor]:
        if not self.past:
            return {}
        loss = parts.overlap_loss(self.past, self._rows(), self.options.form)
        return {"orthogonality": self.options.lambda_orth * loss}

    def end_task(self, lesson: Any, generator: torch.Generator) -> Mapping[str, Tensor]:
        return parts.remembered(self.memory, self._rows(), self.options.form)

    def _rows(self) -> dict[str, Tensor]:
        """Name -> (r, D2) of B, or (r, D1) of A."""
        adapters: Mapping[str, Any] = self.adapters
        return {name: a.B if self.options.factor == "B" else a.A.T for name, a in adapters.items()}
