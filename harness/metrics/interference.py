"""Interference between tasks: how much of a task's change falls where earlier tasks had changed the weights.

With R = W_t - W_{t-1}, what task t changed, and C = W_{t-1} - W_init, what the tasks before it had changed, over the
entries of all K/V matrices together:

- interference = sum of R^2 where C is not 0 / sum of R^2: 0 if the task keeps clear of all earlier ones, 1 for any
  dense change.
- overlap = sum |R| |C| / (||R|| ||C||), the cosine of the magnitudes: the scale-free form of what L_forget (eq. 3)
  penalises, which tells dense changes apart, too.
- change density = share of entries with R not 0, for each matrix. For a folded hard mask that is the mask's density,
  less entries too small for float32 to change the weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Weights = Mapping[str, NDArray[np.floating]]


@dataclass(frozen=True)
class Change:
    """One task's change. `interference` and `overlap` are None where the task, or all before it, changed nothing."""

    interference: float | None
    overlap: float | None
    density: float
    layer_density: Mapping[str, float]


def change(initial: Weights, before: Weights, after: Weights) -> Change:
    """Compare a task's change with all earlier ones.

    Args:
        initial, before, after: name -> matrix, of W_init, W_{t-1} and W_t; same names and shapes.
    """
    squares = earlier_squares = shared = products = 0.0
    density: dict[str, float] = {}
    for name, new in after.items():
        residual = np.subtract(new, before[name], dtype=np.float64)
        earlier = np.subtract(before[name], initial[name], dtype=np.float64)
        density[name] = float(np.count_nonzero(residual) / residual.size)
        squares += float(np.sum(residual**2))
        earlier_squares += float(np.sum(earlier**2))
        shared += float(np.sum(residual[earlier != 0] ** 2))
        products += float(np.sum(np.abs(residual) * np.abs(earlier)))
    sizes = [matrix.size for matrix in after.values()]
    whole = float(np.average(list(density.values()), weights=sizes))
    if squares == 0 or earlier_squares == 0:
        return Change(None, None, whole, density)
    return Change(shared / squares, products / (squares * earlier_squares) ** 0.5, whole, density)
