"""The same MMD by other kernels beside the main one, as a published figure may not say by which it was measured.

The main kernel, (x.y / d + 1)^3 on features as they are, has an A_mmd of tens to hundreds (x 10^3) on CLIP features of
norm 10; the STAMINA paper's upper bound is 2.16. Each variant is a protocol with a name, `mmd.NAME`, and gives the
figures `a_mmd.NAME` and `f_mmd.NAME` of a cell: A_mmd and F_mmd by the V estimator (biased, the paper's form), mean
over tasks, times 1000. They come from inner products that all variants share, so that they cost little beside the
intervals of the main figures; they have no intervals of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from harness.metrics.mmd import DEGREE, Array
from harness.metrics.scores import SCALE, Figure


@dataclass(frozen=True)
class Kernel:
    """k(x, y) = (x.y / scale + offset)^3.

    name: what follows `mmd.`. unit: whether features are brought to Euclidean norm 1 first. scale: None for the
    features' dimension d. offset: added before the power.
    """

    name: str
    unit: bool
    scale: float | None
    offset: float

    @property
    def text(self) -> str:
        """The protocol in words."""
        divisor = "d" if self.scale is None else f"{self.scale:g}"
        inner = "x.y" if divisor == "1" else f"x.y/{divisor}"
        inner = f"({inner} + {self.offset:g})" if self.offset else f"({inner})"
        return f"{inner}^{DEGREE}, features {'of norm 1' if self.unit else 'not normalised'}"

    def mean(self, products: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64], width: int) -> float:
        """The mean of k over all pairs.

        Args:
            products: (n, m) inner products. x, y: (n,) and (m,), the features' norms. width: d.
        """
        inner = products / (x[:, None] * y[None, :]) if self.unit else products
        value = inner / (self.scale or width) + self.offset
        return float((value * value * value).mean())  # a third power, as DEGREE says; `**` takes ten times as long


KERNELS: Final = (
    Kernel("unit", unit=True, scale=None, offset=1.0),
    Kernel("offset0", unit=False, scale=None, offset=0.0),
    Kernel("scale1", unit=True, scale=1.0, offset=1.0),
)


def protocol_text() -> str:
    """What a score's protocol says of the variants."""
    return ", ".join(f"mmd.{kernel.name} {kernel.text}" for kernel in KERNELS)


@dataclass(frozen=True)
class _Set:
    """One set of features, (n, d) float64, with what all comparisons share: the mean of k over its own pairs."""

    features: NDArray[np.float64]
    norms: NDArray[np.float64]
    own: Mapping[str, float]

    @classmethod
    def of(cls, features: Array) -> _Set:
        """Of (n, d) features; a feature that is 0 counts as of norm 1."""
        copy = np.array(features, np.float64, order="C")
        products = _inner(copy, copy)
        norms = np.sqrt(np.diagonal(products))
        norms[norms == 0] = 1.0
        own = {kernel.name: kernel.mean(products, norms, norms, copy.shape[1]) for kernel in KERNELS}
        return cls(copy, norms, own)


def _inner(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    # a copy, as in `mmd.polynomial_kernel`: equal sets must give exactly 0
    return x @ np.array(y, np.float64, order="C").T


def _between(x: _Set, y: _Set) -> dict[str, float]:
    width = x.features.shape[1]
    if width != y.features.shape[1]:
        raise ValueError(f"features differ in width: {width} and {y.features.shape[1]}")
    products = _inner(x.features, y.features)
    return {
        kernel.name: x.own[kernel.name] + y.own[kernel.name] - 2 * kernel.mean(products, x.norms, y.norms, width)
        for kernel in KERNELS
    }


def mmd_variants(x: Array, y: Array) -> Mapping[str, float]:
    """Variant -> MMD^2 between x (n, d) and y (m, d) by the V estimator: diagonals included.

    Raises:
        ValueError: unequal widths.
    """
    return _between(_Set.of(x), _Set.of(y))


def variant_figures(real: Sequence[Array], just: Sequence[Array], final: Sequence[Array]) -> list[Figure]:
    """`a_mmd.NAME` and `f_mmd.NAME` of a cell for each variant; with one task there is nothing to forget: F is 0.

    Args:
        real, just, final: per task, (n, d) features of the real images, and of those generated just after the task and
            after the last one.
    """
    ends = list(map(_Set.of, final))
    accuracy = [_between(_Set.of(x), end) for x, end in zip(real, ends, strict=True)]
    forgetting = [_between(_Set.of(x), end) for x, end in zip(just[:-1], ends[:-1], strict=True)]
    figures: list[Figure] = []
    for metric, found in (("a_mmd", accuracy), ("f_mmd", forgetting)):
        for kernel in KERNELS:
            value = float(np.mean([one[kernel.name] for one in found])) * SCALE if found else 0.0
            figures.append(Figure(f"{metric}.{kernel.name}", value, len(found), "1e-3"))
    return figures
