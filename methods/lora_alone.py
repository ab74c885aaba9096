"""LoRA for each concept alone, and what merges such: their average, and Orthogonal Adaptation (arXiv 2312.02432).

A concept is learnt from the pre-trained weights, W_init + A_i B_i, whatever other concepts there are; a merge keeps W_t
= W_init + the sum of what was learnt, by some weight, and needs that sum alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from methods import parts
from methods.lora import LoRA, LoRAOptions

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.backbones.adapters import Adaptable
    from harness.backbones.text_to_image import TextToImage

MINI: Mapping[str, Any] = {"steps": 60, "rank": 8, "token_init": "category"}


class LoRAAloneOptions(LoRAOptions):
    """Options of LoRA for concepts learnt alone."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned("lora-alone", like="lora", **MINI)

    rows: Literal["trained", "orthogonal"] = Field(
        "trained", description="B trained as LoRA's, or fixed rows of an orthogonal matrix that all concepts share"
    )
    row_scale: float = Field(
        0.5, gt=0, description="norm of each fixed row of B, which acts as a factor of A's learning rate"
    )


class LoRAAlone(LoRA):
    """Each concept alone: what low-rank residuals can reach when nothing has to be remembered."""

    options: LoRAAloneOptions
    options_class = LoRAAloneOptions
    summary = "upper bound of low-rank residuals: LoRA for each concept alone, from the pre-trained weights"
    independent = True
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "learning_rate": (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04),
        "token_learning_rate": (0.003, 0.01, 0.03),
        "category_word": (False, True),
    }

    def begin_task(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        from harness.backbones.adapters import attach

        o = self.options
        if o.rows == "trained":
            return super().begin_task(model, generator)

        def adapter(name: str, projection: nn.Linear) -> parts.GivenRows:
            return parts.GivenRows(projection, o.row_scale * rows[projection.in_features])

        widths = dict.fromkeys(projection.in_features for projection in model.projections.values())
        rows = {width: parts.shared_rows(width, o.rank, generator) for width in widths}
        self.adapters = attach(model, adapter)
        return parts.task_token(model, o, generator)


class LoRAMergeOptions(LoRAAloneOptions):
    """Options of LoRA for concepts that are averaged."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned("lora-merge", like="lora", **MINI)


class LoRAMerge(LoRAAlone):
    """W_t = W_init + (1/t) sum_i A_i B_i."""

    options: LoRAMergeOptions
    options_class = LoRAMergeOptions
    summary = "LoRA for each concept alone, averaged"
    loss = "L_SD (eq. 1) for each concept alone; then the mean of what was learnt"
    independent = False
    base_method = "lora-alone"

    def weight(self, count: int) -> float:
        """Of each concept's change, where there are `count`."""
        return 1 / count

    def merge(
        self, model: TextToImage, alone: Mapping[str, Tensor], token: str, category: str
    ) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        memory: dict[str, Tensor] = {}
        weights: dict[str, Tensor] = {}
        for name, initial in model.initial.items():
            learnt = alone[name].to(initial) - initial
            past = self.memory.get(f"sum.{name}")
            memory[f"sum.{name}"] = total = learnt if past is None else past.to(learnt) + learnt
            weights[name] = initial + self.weight(self.task_index) * total
        return weights, memory


class OrthogonalAdaptationOptions(LoRAMergeOptions):
    """Options of Orthogonal Adaptation; the paper's rank 20 and weight 0.6.

    The norm of B's rows is not in the paper. 0.5 is what a reimplementation reports of the authors' demonstration; the
    usual start of LoRA gives 0.58.
    """

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned("orthogonal-adaptation", like="lora", **MINI)

    rank: int = Field(20, ge=1, description="rank r of A B (and hidden width of the token's MLP, if any)")
    rows: Literal["trained", "orthogonal"] = Field(
        "orthogonal", description="B trained as LoRA's, or fixed rows of an orthogonal matrix that all concepts share"
    )
    merge_weight: float = Field(0.6, gt=0, description="weight of each concept's change in the merged model")


class OrthogonalAdaptation(LoRAMerge):
    """Each concept alone in a subspace of its own, B_i B_j^T = 0 but for rows that both drew; then summed.

    W_t = W_init + lambda sum_i A_i B_i with fixed B_i, whose rows are drawn from one orthogonal matrix (sec. 3.5). The
    paper adapts all attention layers and has two words of layer-wise embeddings for a concept; here it is keys and
    values, and one token, as for every method.
    """

    options: OrthogonalAdaptationOptions
    options_class = OrthogonalAdaptationOptions
    summary = "LoRA for each concept alone with fixed, mutually orthogonal rows B, summed"
    citation = "Po et al., Orthogonal Adaptation for Modular Customization, CVPR 2024, arXiv 2312.02432"
    trains = "A of every cross-attention key and value projection; the custom token"
    loss = "L_SD (eq. 1) for each concept alone; then W_init + merge_weight sum_i A_i B_i (Po et al., eq. 4)"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "learning_rate": (0.005, 0.01, 0.02, 0.04),
        "token_learning_rate": (0.003, 0.01, 0.03),
        "merge_weight": (0.3, 0.6, 1.0),
    }

    def weight(self, count: int) -> float:
        return self.options.merge_weight
