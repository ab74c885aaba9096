"""Matrix products of one adapter's parameters, or of n adapters' at once, which have a leading dimension.

`@` and `+` say the same, but take twice the time for three dimensions, as they first look for what to broadcast.
"""

from __future__ import annotations

import torch
from torch import Tensor


def product(left: Tensor, right: Tensor) -> Tensor:
    """(D1, r) times (r, D2), or (n, D1, r) times (n, r, D2)."""
    return torch.bmm(left, right) if left.dim() == 3 else left @ right


def affine(weight: Tensor, columns: Tensor, bias: Tensor) -> Tensor:
    """weight times columns + bias: (D1, r), (r, D2) and (D1,), or each of them with a leading n."""
    if weight.dim() == 3:
        return torch.baddbmm(bias[..., None], weight, columns)
    return weight @ columns + bias[:, None]
