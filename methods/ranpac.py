"""RanPAC (McDonnell et al., 2023, arXiv 2307.02251): a closed-form head on random features, the backbone left alone.

    h = relu(f W), W (dim, M) drawn once;   G += h^T h,   Q += h^T y, y one-hot;   W_o = (G + ridge I)^-1 Q

over all images so far, exact whatever their order; scores are h W_o. The ridge is chosen anew in each task from 1e-8 to
1e8, by the squared error on a fifth of its images of a fit to the others (RanPAC/RanPAC at 012927f, RanPAC.py). In the
first task the backbone is adapted once; by low-rank residuals here, where the authors choose among other adapters.
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
    from harness.backbones.classifier import Classifier


class RanPACOptions(RankOptions, ClassOptions):
    """Options of RanPAC; the authors' number of random features."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned_classes("ranpac", rank=8, features=1000)

    features: int = Field(10_000, ge=1, description="M, how many random features the head has")


class RanPAC(Method[RanPACOptions]):
    """Low-rank residuals in the first task; then nothing but sums of products."""

    options_class = RanPACOptions
    summary = "a closed-form head on random features; the backbone is adapted in the first task only"
    citation = "McDonnell et al., RanPAC, NeurIPS 2023, arXiv 2307.02251"
    trains = "in the first task A and B of every query, key and value projection; then the head, in closed form"
    loss = "cross-entropy over the first task's classes; then ridge regression on random features"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "learning_rate": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
    }

    def begin_task(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        from torch import nn

        from harness.backbones.adapters import attach

        if self.task_index == 1:
            attach(model, lambda name, projection: parts.LowRank(projection, self.options.rank, generator))
        return nn.Module()

    def end_task(self, lesson: Any, generator: torch.Generator) -> Mapping[str, Tensor]:
        import torch

        features, labels = parts.shown_features(lesson)
        memory = dict(self.memory)
        if not memory:
            shape = (features.shape[1], self.options.features)
            memory["projection"] = torch.randn(*shape, generator=generator)
        hidden = parts.random_features(features, memory["projection"])
        classes = len(lesson.model.head_bias)
        targets = torch.nn.functional.one_hot(labels, classes).double()
        gram, products = hidden.T @ hidden, hidden.T @ targets
        if self.memory:
            past = self.memory["products"].to(products)
            gram = gram + self.memory["gram"].to(gram)
            products[:, : past.shape[1]] += past
        ridge = parts.chosen_ridge(hidden, targets, generator)
        weight = parts.ridge_regression(gram, products, ridge)
        # float64: G is a sum over all images, and its small eigenvalues are what the ridge is weighed against
        return {**memory, "gram": gram, "products": products, "weight": weight.float()}

    def head(self, model: Classifier) -> nn.Module:
        return parts.RandomFeatureHead(self.memory["projection"], self.memory["weight"])
