"""DreamBooth (Ruiz et al., 2023) by LoRA on all attention layers, one concept after another, with nothing against it.

As huggingface/diffusers has it at 000280f (examples/dreambooth/train_dreambooth_lora.py): low-rank residuals on the
queries, keys, values and outputs of self- and cross-attention, of rank 4; no new embedding is learnt. A concept is
called by a rare word that is there; here V* has an embedding of its own, drawn at random and left so, which no other
concept has. Class images, the paper's prior preservation, are an option there, and of every method here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from methods import parts
from methods.lora import LoRA, LoRAOptions

if TYPE_CHECKING:
    import torch
    from torch import nn

    from harness.backbones.adapters import Adaptable


class DreamBoothLoRAOptions(LoRAOptions):
    """Options of DreamBooth by LoRA; rank and rate of diffusers' script, the STAMINA paper's steps."""

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned(
        "dreambooth-lora", steps=60, rank=8, learning_rate=0.004
    )

    rank: int = Field(4, ge=1, description="rank r of A B (and hidden width of the token's MLP, if any)")
    train_token: bool = Field(False, description="train the custom token, too; otherwise it stays as it was drawn")


class DreamBoothLoRA(LoRA):
    """W_t = W_{t-1} + A_t B_t in every query, key, value and output projection; a token that stays as it was drawn."""

    options: DreamBoothLoRAOptions
    options_class = DreamBoothLoRAOptions
    summary = "DreamBooth: sequential LoRA on all attention layers, and a token that is not trained"
    citation = "Ruiz et al., DreamBooth, CVPR 2023, arXiv 2208.12242"
    trains = "A and B of every query, key, value and output projection of self- and cross-attention"
    adapts = "attention"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "learning_rate": (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016),
        "rank": (4, 8, 16),
        "category_word": (False, True),
    }

    def begin_task(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        return super().begin_task(model, generator).requires_grad_(self.options.train_token)
