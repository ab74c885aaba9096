"""The penalties of C-LoRA and STAMINA."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from torch import Tensor


def forget_loss(changes: Mapping[str, Tensor], residuals: Mapping[str, Tensor]) -> Tensor:
    """L_forget (eq. 3): sum over matrices of || |W_{t-1} - W_init| * (A_t B_t [* M_t]) ||_2^2.

    Args:
        changes: name -> W_{t-1} - W_init, (D1, D2). residuals: name -> this task's residual, (D1, D2).

    Returns:
        A scalar >= 0; 0 at the first task.
    """
    terms = [(changes[name].abs() * residual).square().sum() for name, residual in residuals.items()]
    return torch.stack(terms).sum()


def sparse_loss(masks: Iterable[Tensor], reduction: Literal["mean", "sum"]) -> Tensor:
    """L_sparse (eq. 7): the masks' L1 norm, as a sum over all entries or as their mean (the density, in [0, 1])."""
    masks = list(masks)
    total = torch.stack([mask.abs().sum() for mask in masks]).sum()
    return total if reduction == "sum" else total / sum(mask.numel() for mask in masks)
