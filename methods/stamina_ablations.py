"""The ablations of the paper's Table 2b: STAMINA with one option changed.

All other options are STAMINA's, those chosen by tuning included: hence nothing to search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from methods.stamina import Stamina, StaminaOptions


class Ablation(Stamina):
    """STAMINA, less one thing."""

    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {}


class NoMask(Ablation):
    """'Ablate Mask': plain low-rank residuals with L_forget and MLP tokens."""

    options_class = StaminaOptions.pinned(mask="none")
    summary = "STAMINA without a mask (Table 2b, 'Ablate Mask')"
    trains = "A and B (eq. 2) of every cross-attention key and value projection; the MLP of the custom token"
    loss = "L_SD (eq. 1) + lambda_forget L_forget (eq. 3)"


class NoMLPTokens(Ablation):
    """'Ablate MLP Tokens': the custom token is a free embedding."""

    options_class = StaminaOptions.pinned(token="free")
    summary = "STAMINA with a free token embedding (Table 2b, 'Ablate MLP Tokens')"
    trains = "A, B (eq. 2) and the mask's MLP (eqs. 4-6) of every cross-attention K and V projection; the custom token"


class NoMaskMLP(Ablation):
    """'Ablate Mask MLP': one free logit for each entry of the mask."""

    options_class = StaminaOptions.pinned(mask="free")
    summary = "STAMINA with free mask logits (Table 2b, 'Ablate Mask MLP')"
    trains = (
        "A, B (eq. 2) and D1 x D2 mask logits (eqs. 4-5) of every cross-attention key and value projection; "
        "the MLP of the custom token"
    )


class NoGumbel(Ablation):
    """'Ablate Gumbel-Softmax': a sigmoid of the logits instead of a hard mask."""

    options_class = StaminaOptions.pinned(mask_kind="sigmoid")
    summary = "STAMINA with a soft sigmoid mask (Table 2b, 'Ablate Gumbel-Softmax')"


class NoSparsity(Ablation):
    """'Ablate Sparsity': lambda_s = 0."""

    options_class = StaminaOptions.pinned(lambda_sparse=0.0)
    summary = "STAMINA without the sparsity penalty (Table 2b, 'Ablate Sparsity')"
    loss = "L_SD (eq. 1) + lambda_forget L_forget (eq. 3)"
