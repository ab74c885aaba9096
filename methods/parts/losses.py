"""The penalties of C-LoRA and STAMINA."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor


def entries(matrices: Iterable[Tensor]) -> Tensor:
    """All their entries in a row, (entries,)."""
    return torch.cat([matrix.flatten() for matrix in matrices])


def past_changes(changes: Iterable[Tensor], form: Literal["sum", "relative"]) -> Tensor:
    """What `forget_loss` multiplies residuals by, (entries,), in a task; C is W_{t-1} - W_init, all matrices of it.

    For 'sum' it is C itself, and L_forget is sum (C R)^2 (eq. 3). For 'relative' it is C / sqrt(sum C^4), and L_forget
    is sum (C R)^2 / sum C^4: 1 for a residual R like the past, however many entries there are and however large they
    are. At the first task, where C is 0, it is 0.
    """
    past = entries(changes)
    if form == "sum":
        return past
    exact = past.double()  # fourth powers of small changes are beyond float32
    scale = torch.linalg.vector_norm(exact.square()).clamp_min(torch.finfo(torch.float64).tiny)
    scaled: Tensor = (exact / scale).to(past)
    return scaled


def forget_loss(changes: Tensor, residuals: Iterable[Tensor]) -> Tensor:
    """L_forget (eq. 3): sum over matrices of || |W_{t-1} - W_init| * (A_t B_t [* M_t]) ||_2^2.

    Args:
        changes: `past_changes`. residuals: this task's, in the same order; one tensor may hold several.

    Returns:
        A scalar >= 0; 0 at the first task.
    """
    now = [residual.flatten() for residual in residuals]
    before = changes.split([len(each) for each in now])
    products = [change * each for change, each in zip(before, now, strict=True)]  # squared: no need for |change|
    return torch.stack([product.dot(product) for product in products]).sum()


def sparse_loss(masks: Iterable[Tensor], reduction: Literal["mean", "sum"]) -> Tensor:
    """L_sparse (eq. 7): the masks' L1 norm, as a sum over all entries or as their mean (the density, in [0, 1])."""
    masks = list(masks)
    # the absolute value as m sign(m): its gradient at 0 is 0, so that a closed gate is left alone
    total = torch.stack([mask.flatten().dot(mask.detach().sign().flatten()) for mask in masks]).sum()
    return total if reduction == "sum" else total / sum(mask.numel() for mask in masks)
