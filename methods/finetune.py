"""Fine-tuning of the whole classifier: FT and FT++, which forget, and joint training, the upper bound.

Bounds of the classification setting, as in CODA-Prompt (Smith et al., CVPR 2023) and STAMINA's Figure 6.
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
    from torch import nn


class FineTuningOptions(ClassOptions):
    """Options of fine-tuning; past logits are part of the loss."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned_classes("ft")

    learning_rate: float = Field(1e-4, gt=0, description="Adam rate at first; it falls by a cosine over the epochs")
    mask_past: bool = Field(False, description="leave the logits of past classes out of the training loss")


class FineTuning(Method[FineTuningOptions]):
    """All weights and all of the head, one task after another, with nothing against forgetting."""

    options_class = FineTuningOptions
    summary = "fine-tuning of all weights and of the whole head, nothing against forgetting"
    citation = "as in Smith et al., CODA-Prompt, CVPR 2023, arXiv 2211.13218"
    trains = "every weight of the ViT; the head's rows of all classes seen"
    loss = "cross-entropy over all classes seen"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "learning_rate": (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3),
    }

    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        module: nn.Module = model.unfrozen()
        return module


class MaskedFineTuningOptions(FineTuningOptions):
    """Options of FT++."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned_classes("ft++")

    mask_past: bool = Field(True, description="leave the logits of past classes out of the training loss")


class MaskedFineTuning(FineTuning):
    """All weights, and the head's rows of the new classes: past logits are masked in training."""

    options_class = MaskedFineTuningOptions
    summary = "fine-tuning of all weights, past logits masked in training"
    trains = "every weight of the ViT; the head's rows of the new classes"
    loss = "cross-entropy over the new classes"


class JointOptions(FineTuningOptions):
    """Options of joint training."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned_classes("joint")


class Joint(FineTuning):
    """All weights, all tasks' images at once."""

    options_class = JointOptions
    summary = "upper bound: all weights, all tasks' images at once"
    joint = True


class JointQKVOptions(ClassOptions):
    """Options of joint training of Q, K and V."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned_classes("joint-qkv")

    learning_rate: float = Field(1e-4, gt=0, description="Adam rate at first; it falls by a cosine over the epochs")


class JointQKV(Method[JointQKVOptions]):
    """Every entry of Q, K and V, all tasks' images at once: what STAMINA and C-LoRA could reach."""

    options_class = JointQKVOptions
    summary = "upper bound: all of Q, K and V, all tasks' images at once"
    citation = FineTuning.citation
    trains = "every entry of the query, key and value projections; the head"
    loss = "cross-entropy over all classes"
    joint = True
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = FineTuning.search_space

    def begin_task(self, model: Any, generator: torch.Generator) -> nn.Module:
        from torch import nn

        from harness.backbones.adapters import attach

        attach(model, lambda name, projection: parts.FullResidual(projection))
        return nn.Module()
