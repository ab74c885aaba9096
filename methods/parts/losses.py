"""The penalties of C-LoRA and STAMINA."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor


def entries(matrices: Iterable[Tensor]) -> Tensor:
    """All their entries in a row, (entries,): sums over matrices are then one kernel instead of one for each."""
    return torch.cat([matrix.flatten() for matrix in matrices])


def forget_loss(changes: Tensor, residuals: Tensor) -> Tensor:
    """L_forget (eq. 3): sum over matrices of || |W_{t-1} - W_init| * (A_t B_t [* M_t]) ||_2^2.

    Args:
        changes: `entries` of W_{t-1} - W_init. residuals: `entries` of this task's residuals, in the same order.

    Returns:
        A scalar >= 0; 0 at the first task.
    """
    product = changes * residuals  # without the absolute value, as it is squared
    return product.dot(product)


def sparse_loss(masks: Iterable[Tensor], reduction: Literal["mean", "sum"]) -> Tensor:
    """L_sparse (eq. 7): the masks' L1 norm, as a sum over all entries or as their mean (the density, in [0, 1])."""
    masks = list(masks)
    # with the absolute value, though no entry is below 0: its gradient at 0 is 0, so that a closed gate is left alone
    total = torch.stack([mask.abs().sum() for mask in masks]).sum()
    return total if reduction == "sum" else total / sum(mask.numel() for mask in masks)
