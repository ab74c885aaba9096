"""Values of any kind, made such that `==` says whether they are the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor


def comparable(value: object) -> object:
    """Something as `==` can compare it: of tensors and arrays their content, of lists and dicts that of what is in."""
    if isinstance(value, Tensor):
        plain = value.detach().cpu()
        return "tensor", plain.dtype, comparable((plain.float() if plain.dtype is torch.bfloat16 else plain).numpy())
    if isinstance(value, np.ndarray):
        return value.shape, str(value.dtype), value.tobytes()
    if isinstance(value, Mapping):
        return {key: comparable(each) for key, each in value.items()}
    if isinstance(value, list | tuple | deque):
        return [comparable(each) for each in value]
    if isinstance(value, set | bytearray):  # copies, as they may be changed in place
        return frozenset(value) if isinstance(value, set) else bytes(value)
    return value
