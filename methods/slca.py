"""SLCA (Zhang et al., 2023, arXiv 2303.05118): the backbone learns slowly, and the heads are aligned afterwards.

Every weight of the ViT is trained at a hundredth of the head's rate, on the new classes' logits alone. Of each class
the mean and covariance of its features are kept. After each task but the first the heads of all classes are trained on
features drawn from N(a_c mu_c, Sigma_c), a_c = 0.9 + 0.1 (t_c + 1) / (t + 1) with t_c the class's task, counted from 0,
with logits divided by the mean norm, over tasks, of a task's logits, and by a temperature (GengDavid/SLCA at 169d4e6,
models/slca.py and base.py). Aligned heads are for the test; the next alignment begins from those that were trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.method import Method
from harness.spec import ClassOptions
from methods import parts

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness.backbones.classifier import Classifier


class SLCAOptions(ClassOptions):
    """Options of SLCA; the authors' rates and alignment. Adam and the cosine over epochs are this setting's."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned_classes("slca")

    learning_rate: float = Field(1e-4, gt=0, description="Adam rate of the ViT: a hundredth of the head's")
    head_learning_rate: float | None = Field(1e-2, gt=0, description="Adam rate of the head")
    align_epochs: int = Field(5, ge=0, description="epochs of the alignment; 0 for none")
    align_rate: float = Field(0.01, gt=0, description="rate of the alignment (SGD, momentum 0.9), falling by a cosine")
    align_samples: int = Field(256, ge=1, description="features drawn of each class in an epoch of the alignment")
    temperature: float = Field(0.1, gt=0, description="of the alignment's normalised logits")


class SLCA(Method[SLCAOptions]):
    """All weights, slowly; then the heads on drawn features."""

    options_class = SLCAOptions
    summary = "slow fine-tuning of all weights; heads aligned on features drawn from each class's Gaussian"
    citation = "Zhang et al., SLCA, ICCV 2023, arXiv 2303.05118"
    trains = "every weight of the ViT; the head's rows of the new classes, and in the end of all"
    loss = "cross-entropy over the new classes; then over all, of drawn features with normalised logits"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "learning_rate": (1e-5, 3e-5, 1e-4),
        "align_rate": (0.003, 0.01),
    }

    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        module: nn.Module = model.unfrozen()
        return module

    def end_task(self, lesson: Any, generator: torch.Generator) -> Mapping[str, Tensor]:
        import torch

        o, model = self.options, lesson.model
        features, labels = parts.shown_features(lesson)
        means, covariances = parts.class_gaussians(features, labels)
        tasks = torch.full((len(means),), self.task_index - 1)
        if self.memory:
            means = torch.cat([self.memory["mean"].to(means), means])
            covariances = torch.cat([self.memory["covariance"].to(covariances), covariances])
            tasks = torch.cat([self.memory["task"], tasks])
        kept = {"mean": means.float(), "covariance": covariances.float(), "task": tasks}
        weight, bias = model.head_weight.cpu(), model.head_bias.cpu()
        if self.task_index > 1 and o.align_epochs:
            weight, bias = parts.aligned_heads(
                (weight, bias), means, covariances, tasks, epochs=o.align_epochs, rate=o.align_rate,
                samples=o.align_samples, temperature=o.temperature, generator=generator,
            )  # fmt: skip
        return {**kept, "weight": weight, "bias": bias}

    def head(self, model: Classifier) -> nn.Module:
        return parts.linear_head(self.memory["weight"], self.memory["bias"])
