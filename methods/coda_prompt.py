"""CODA-Prompt (Smith et al., CVPR 2023, arXiv 2211.13218): a prompt as a sum of components, weighted by attention.

In each of the first five blocks an image's prompt is sum_m w_m P_m with w_m = cos(q * A_m, K_m), no softmax. Each task
trains components of its own; those of earlier tasks take part and stay as they are.
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


class CodaPromptOptions(ClassOptions):
    """Options of CODA-P; the published shapes, and the weight 0 of its current code for orthogonality."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned_classes("coda-p")

    pool: int = Field(100, ge=1, description="components of a block, shared out among all tasks")
    length: int = Field(8, ge=2, multiple_of=2, description="tokens of a component, half before K, half before V")
    depth: int = Field(5, ge=1, description="blocks with prompts, from the first")
    lambda_orthogonal: float = Field(0.0, ge=0, description="weight of || B B^T - I ||^2, mean entry, of P, K and A")


class CodaPrompt(Method[CodaPromptOptions]):
    """Prompts assembled from components; each task adds its own."""

    options_class = CodaPromptOptions
    summary = "prompts assembled from components by attention; each task adds its own"
    citation = "Smith et al., CODA-Prompt, CVPR 2023, arXiv 2211.13218"
    trains = "the task's components P, keys K and attentions A; the head's rows of the new classes"
    loss = "cross-entropy over the new classes + lambda_orthogonal L_orthogonal"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "learning_rate": (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1),
    }

    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        o, tasks = self.options, self.num_tasks
        if o.pool < tasks:
            raise UsageError(f"coda-p: pool={o.pool} has no component for each of {tasks} tasks; set a larger pool.")
        depth = min(o.depth, model.depth)
        self.prompts = parts.CodaPrompts(depth, o.pool // tasks, o.length, model.dim, self.memory, generator)
        return self.prompts

    def penalties(self) -> Mapping[str, Tensor]:
        if self.options.lambda_orthogonal == 0:
            return {}
        return {"orthogonal": self.options.lambda_orthogonal * self.prompts.coherence()}

    def end_task(self, lesson: Any, generator: torch.Generator) -> Mapping[str, Tensor]:
        return self.prompts.learnt()

    def recall(self, model: Classifier) -> Prompt:
        self.prompts = parts.CodaPrompts.of_memory(self.memory)
        return self.prompts
