"""Textual Inversion (Gal et al., 2022, arXiv 2208.01618): only a custom token is learnt; the model stays fixed.

`ti` learns the embedding itself; `ti++`, the STAMINA paper's variant, STAMINA's MLP token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from harness.method import Method
from harness.spec import MethodOptions
from methods import parts

if TYPE_CHECKING:
    import torch
    from torch import nn

    from harness.backbones.adapters import Adaptable


class TextualInversionOptions(MethodOptions):
    """Options of Textual Inversion; 500 steps and the category word, as in the STAMINA paper, else as diffusers has it.

    Its script's recipe (huggingface/diffusers, examples/textual_inversion: README.md at 066af65, the script at 000280f)
    is 3,000 steps at 5e-4 with --scale_lr, which multiplies it by 4 (accumulation) x 1 (image) x 1 (process): 2e-3.
    Ours is 5e-4 x 4 images. The script has no class images, and they would do nothing: the loss on them does not
    hold V*, and nothing else is trained. It rescales nothing either (it mirrors half of the images; ours does not).
    """

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned("ti", steps=60)

    token_learning_rate: float = Field(2e-3, gt=0, description="AdamW rate of the custom token: 5e-4 x 4 images")
    prior_images: int = Field(
        0, ge=0, description="class images beside a step's own ones: they cost time, and have no V* to learn"
    )
    augment: bool = Field(False, description="rescale images at random, with 'far away' or 'zoomed in' in the prompt")
    rank: int = Field(16, ge=1, description="hidden width of the token's MLP, if any")
    token: Literal["mlp", "free"] = Field("free", description="custom token from an MLP, or a free embedding")
    token_init: Literal["category", "random"] = Field(
        "category", description="start the custom token at the category word's embedding, or at a random one"
    )


class TextualInversion(Method[TextualInversionOptions]):
    """Nothing but a token is learnt, so nothing is forgotten: F_mmd is exactly 0."""

    options_class = TextualInversionOptions
    summary = "only a custom token, a free embedding; the U-Net stays fixed"
    citation = "Gal et al., An Image is Worth One Word, ICLR 2023, arXiv 2208.01618"
    trains = "the custom token"
    loss = "L_SD (eq. 1)"
    independent = True
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "token_learning_rate": (0.0003, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128),
        "token_init": ("category", "random"),
        "category_word": (False, True),
    }

    def begin_task(self, model: Adaptable, generator: torch.Generator) -> nn.Module:
        return parts.new_token(model, self.options.token, self.options.token_init, self.options.rank, generator)


class TextualInversionPlusPlusOptions(TextualInversionOptions):
    """Options of TI++: STAMINA's token at STAMINA's rate.

    A step of Adam moves a hidden unit of the MLP, which sums 768 weights, by 768 times the rate. At `ti`'s rate that is
    1.5, more than the spread such a unit starts with; at this one the embedding still moves faster than `ti`'s.
    """

    tier_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = parts.tuned("ti++", steps=60)

    token_learning_rate: float = Field(5e-4, gt=0, description="AdamW rate of the token's MLP")
    token: Literal["mlp", "free"] = Field("mlp", description="custom token from an MLP, or a free embedding")
    token_init: Literal["category", "random"] = Field(
        "random", description="start the custom token at the category word's embedding, or at a random one"
    )


class TextualInversionPlusPlus(TextualInversion):
    """Textual Inversion with STAMINA's MLP token."""

    options_class = TextualInversionPlusPlusOptions
    summary = "only a custom token, from an MLP; the U-Net stays fixed"
    citation = f"{TextualInversion.citation}; '++' as in arXiv 2311.18763"
    trains = "the MLP of the custom token"
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {
        "token_learning_rate": (0.001, 0.002, 0.004, 0.008, 0.016, 0.032),
        "token_init": ("category", "random"),
        "rank": (4, 8, 16),
    }
