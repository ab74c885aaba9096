"""L2P (Wang et al., CVPR 2022, arXiv 2112.08654), as L2P++ of CODA-Prompt: prefixes chosen from one pool by keys.

Each image has the `top` prompts whose keys are nearest to its query, for itself alone: a choice that the whole batch
shares, as some public code makes it, lets the other images of a batch tell the class, and inflates accuracy. Deep L2P++
has a pool for each of five blocks.
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

    from harness.backbones.classifier import Classifier, Prompt


class L2POptions(ClassOptions):
    """Options of L2P++; the published shapes."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned_classes("l2p")

    pool: int = Field(30, ge=1, description="prompts of a block to choose from")
    length: int = Field(20, ge=2, multiple_of=2, description="tokens of a prompt, half before K, half before V")
    top: int = Field(5, ge=1, description="prompts that an image gets, the nearest by key")
    depth: int = Field(1, ge=1, description="blocks with prompts, from the first")
    lambda_key: float = Field(1.0, ge=0, description="weight of the distance between query and chosen keys")


class L2P(Method[L2POptions]):
    """A pool of prompts in the first block, chosen by key for each image."""

    options_class = L2POptions
    summary = "a pool of prompts in the first block, chosen for each image by its query"
    citation = "Wang et al., Learning to Prompt, CVPR 2022; as L2P++ in CODA-Prompt, CVPR 2023, arXiv 2211.13218"
    trains = "the pool's prompts and keys; the head's rows of the new classes"
    loss = "cross-entropy over the new classes + lambda_key sum of (1 - cos(query, chosen key))"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "learning_rate": (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1),
    }

    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        o = self.options
        self.pool = parts.PromptPool(min(o.depth, model.depth), o.pool, o.length, model.dim, o.top, generator)
        if self.memory:
            self.pool.load_state_dict(self.memory)
        return self.pool

    def penalties(self) -> Mapping[str, Tensor]:
        return {"key": self.options.lambda_key * self.pool.distance}

    def end_task(self, lesson: Any, generator: torch.Generator) -> Mapping[str, Tensor]:
        return self.pool.state_dict()

    def recall(self, model: Classifier) -> Prompt:
        import torch

        self.begin_task(model, torch.Generator())
        return self.pool


class DeepL2POptions(L2POptions):
    """Options of Deep L2P++."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned_classes("deep-l2p")

    depth: int = Field(5, ge=1, description="blocks with prompts, from the first")


class DeepL2P(L2P):
    """A pool of prompts in each of the first five blocks."""

    options_class = DeepL2POptions
    summary = "L2P with a pool in each of the first five blocks"
