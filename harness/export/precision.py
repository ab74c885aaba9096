"""Tensors in the precision of a file."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.errors import UsageError


def rounded(tensor: Tensor, dtype: torch.dtype, name: str) -> Tensor:
    """A copy on the CPU in a file's precision.

    Raises:
        UsageError: it would not be finite.
    """
    found = tensor.detach().cpu().to(dtype).contiguous()
    require_finite(found, dtype, name)
    return found


def require_finite(tensor: Tensor, dtype: torch.dtype, name: str) -> None:
    """Make sure that rounding left no infinity.

    Raises:
        UsageError: it did.
    """
    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
        said = str(dtype).removeprefix("torch.")
        raise UsageError(f"'{name}' has values that are not finite in {said}; use --dtype float32.")
