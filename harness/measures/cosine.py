"""Cosine similarities of features, in float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def unit(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, d) features at length 1; a row of zeros stays one."""
    wide = features.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    return wide / np.where(lengths > 0, lengths, 1.0)


def similarities(generated: NDArray[np.floating], real: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, m) cosines of n generated with m real images' features."""
    found: NDArray[np.float64] = unit(generated) @ unit(real).T
    return found
