"""SeqLoRA: one pair of low-rank factors, trained on and on, with nothing against forgetting.

W_t = W_init + A_t B_t, where A_t, B_t start from A_{t-1}, B_{t-1}; the baseline of the papers on LoRA for continual
classification (InfLoRA, arXiv 2404.00228). `lora` starts a new pair in each task and folds it instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.method import Method
from harness.spec import ClassOptions
from methods import parts
from methods.lora import RankOptions

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.backbones.adapters import Adaptable


class SeqLoRAOptions(RankOptions, ClassOptions):
    """Options of SeqLoRA; rate and rank as `clora`'s."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned_classes("seqlora", rank=8)

    rank: int = Field(64, ge=1, description="rank r of A B")


class SeqLoRA(Method[SeqLoRAOptions]):
    """One adapter on every query, key and value projection, trained on in each task."""

    options_class = SeqLoRAOptions
    summary = "one LoRA adapter, trained on from task to task, nothing against forgetting"
    citation = "as in Liang and Li, InfLoRA, CVPR 2024, arXiv 2404.00228"
    trains = "A and B of every query, key and value projection; the head's rows of the new classes"
    loss = "cross-entropy over the new classes"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "learning_rate": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
    }

    def begin_task(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        from torch import nn

        from harness.backbones.adapters import attach

        def adapter(name: str, projection: nn.Linear) -> parts.ContinuedLowRank:
            past = (self.memory[f"A.{name}"], self.memory[f"B.{name}"]) if self.memory else None
            return parts.ContinuedLowRank(projection, past, self.options.rank, generator)

        self.adapters: Mapping[str, Any] = attach(model, adapter)
        return nn.Module()

    def end_task(self, lesson: Any, generator: torch.Generator) -> Mapping[str, Tensor]:
        return {
            f"{factor}.{name}": getattr(adapter, factor) for name, adapter in self.adapters.items() for factor in "AB"
        }
