"""Two ways to combine sequential LoRAs by their factors or entries (arXiv 2410.04891; luk-st/continual-lora at
eb586cd).

`lora-ortho-init` adds the factors of all tasks, and starts a task's B orthogonal to their sum. `lora-magnitude` keeps
of every entry the larger change. The third way of that paper, to fold and go on, is `lora`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from methods import parts
from methods.lora import LoRA, LoRAOptions

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.backbones.adapters import Adaptable

CITATION = "Staniszewski et al., Low-Rank Continual Personalization of Diffusion Models, arXiv 2410.04891"


class OrthoInitOptions(LoRAOptions):
    """Options of LoRA whose factors are added."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned(
        "lora-ortho-init", like="lora", steps=60, rank=8, token_init="category"
    )


class OrthoInit(LoRA):
    """W_t = W_init + (sum_i A_i)(sum_i B_i); each column of B_t starts orthogonal to that of the sum before."""

    options: OrthoInitOptions
    options_class = OrthoInitOptions
    summary = "sequential LoRA whose factors are added, each starting orthogonal to the sum of those before"
    citation = CITATION
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {  # products of sums grow with the square of the tasks
        "learning_rate": (0.000125, 0.00025, 0.0005, 0.001, 0.002, 0.004),
        "token_learning_rate": (0.003, 0.01, 0.03),
        "category_word": (False, True),
    }

    def begin_task(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        from harness.backbones.adapters import attach

        def adapter(name: str, projection: nn.Linear) -> parts.SummedFactors:
            past = (self.memory[f"A.{name}"], self.memory[f"B.{name}"]) if self.memory else None
            return parts.SummedFactors(projection, past, self.options.rank, generator)

        self.adapters = attach(model, adapter)
        return parts.task_token(model, self.options, generator)

    def end_task(self, lesson: Any, generator: torch.Generator) -> Mapping[str, Tensor]:
        adapters: Mapping[str, Any] = self.adapters
        summed = {name: adapter.summed() for name, adapter in adapters.items()}
        return {f"{factor}.{name}": pair[place] for name, pair in summed.items() for place, factor in enumerate("AB")}


class MagnitudeOptions(LoRAOptions):
    """Options of LoRA whose larger entries are kept."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned(
        "lora-magnitude", like="lora", steps=60, rank=8, token_init="category"
    )


class Magnitude(LoRA):
    """W_t = W_init + the larger of A_t B_t and W_{t-1} - W_init, entry by entry."""

    options: MagnitudeOptions
    options_class = MagnitudeOptions
    summary = "sequential LoRA of which every entry keeps the larger change, the new one or the old"
    citation = CITATION
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "learning_rate": (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02),
        "token_learning_rate": (0.003, 0.01, 0.03),
        "category_word": (False, True),
    }

    def begin_task(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        from harness.backbones.adapters import attach

        self.adapters = attach(
            model,
            lambda name, projection: parts.LargerChange(projection, model.change(name), self.options.rank, generator),
        )
        return parts.task_token(model, self.options, generator)
