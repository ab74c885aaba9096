"""DualPrompt (Wang et al., ECCV 2022, arXiv 2204.04799): prompts for all tasks early, a prompt for each task later.

In training an image gets its task's prompt, in test that of the task whose key is nearest to its query, in each block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.errors import UsageError
from harness.method import Method
from harness.spec import ClassOptions
from methods import parts

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.backbones.classifier import Classifier, Prompt


class DualPromptOptions(ClassOptions):
    """Options of DualPrompt; the published shapes."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned_classes("dualprompt")

    general_length: int = Field(6, ge=2, multiple_of=2, description="tokens of the general prompt")
    general_blocks: int = Field(2, ge=0, description="blocks with the general prompt, from the first")
    expert_length: int = Field(20, ge=2, multiple_of=2, description="tokens of a task's prompt")
    expert_blocks: int = Field(3, ge=1, description="blocks with a task's prompt, after those")
    lambda_key: float = Field(1.0, ge=0, description="weight of the distance between query and the task's key")


class DualPrompt(Method[DualPromptOptions]):
    """General prompts in the first blocks, a prompt and a key for each task in the next."""

    options_class = DualPromptOptions
    summary = "general prompts in the first blocks, a prompt for each task in the next, found by key"
    citation = "Wang et al., DualPrompt, ECCV 2022, arXiv 2204.04799; shapes as in CODA-Prompt"
    trains = "the general prompt; the task's prompts and keys; the head's rows of the new classes"
    loss = "cross-entropy over the new classes + lambda_key (1 - cos(query, the task's key))"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "learning_rate": (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1),
    }

    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        o = self.options
        if o.general_blocks >= model.depth:
            raise UsageError(
                f"dualprompt: general_blocks={o.general_blocks} leaves none of the ViT's {model.depth} blocks for the "
                "tasks' prompts; set fewer."
            )
        self.prompts = parts.DualPrompts(
            (o.general_blocks, o.general_length),
            (min(o.expert_blocks, model.depth - o.general_blocks), o.expert_length),
            model.dim, self.memory, generator,
        )  # fmt: skip
        return self.prompts

    def penalties(self) -> Mapping[str, Tensor]:
        return {"key": self.options.lambda_key * self.prompts.distance}

    def end_task(self, lesson: Any, generator: torch.Generator) -> Mapping[str, Tensor]:
        return self.prompts.learnt()

    def recall(self, model: Classifier) -> Prompt:
        import torch

        self.begin_task(model, torch.Generator())
        return self.prompts
