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

Stack = NDArray[np.float64]


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

    def mean(self, products: Stack, x: Stack, y: Stack, width: int) -> NDArray[np.float64]:
        """The mean of k over all pairs, (t,).

        Args:
            products: (t, n, m) inner products. x, y: (t, n) and (t, m), the features' norms. width: d.
        """
        inner = products / (x[:, :, None] * y[:, None, :]) if self.unit else products
        value = inner / (self.scale or width) + self.offset
        # a third power, as DEGREE says; `**` takes ten times as long
        mean: NDArray[np.float64] = (value * value * value).mean(axis=(1, 2))
        return mean


KERNELS: Final = (
    Kernel("unit", unit=True, scale=None, offset=1.0),
    Kernel("offset0", unit=False, scale=None, offset=0.0),
    Kernel("scale1", unit=True, scale=1.0, offset=1.0),
)


def protocol_text() -> str:
    """What a score's protocol says of the variants."""
    return ", ".join(f"mmd.{kernel.name} {kernel.text}" for kernel in KERNELS)


@dataclass(frozen=True)
class _Sets:
    """Sets of equal size, (t, n, d), with what all comparisons share: the mean of k over each one's own pairs, (t,)."""

    features: Stack
    norms: Stack
    own: Mapping[str, NDArray[np.float64]]

    @classmethod
    def of(cls, sets: Sequence[Array]) -> _Sets:
        """Of t arrays of shape (n, d); a feature that is 0 counts as of norm 1."""
        features = np.stack(sets).astype(np.float64)
        products = _inner(features, features)
        norms = np.sqrt(np.diagonal(products, axis1=1, axis2=2))
        norms = np.where(norms > 0, norms, 1.0)
        own = {kernel.name: kernel.mean(products, norms, norms, features.shape[2]) for kernel in KERNELS}
        return cls(features, norms, own)

    def compared(self, other: _Sets) -> dict[str, NDArray[np.float64]]:
        """Variant -> MMD^2 between each set and the other's of the same place, (t,)."""
        width = self.features.shape[2]
        if width != other.features.shape[2]:
            raise ValueError(f"features differ in width: {width} and {other.features.shape[2]}")
        products = _inner(self.features, other.features)
        return {
            kernel.name: self.own[kernel.name]
            + other.own[kernel.name]
            - 2 * kernel.mean(products, self.norms, other.norms, width)
            for kernel in KERNELS
        }


def _inner(x: Stack, y: Stack) -> Stack:
    # a copy, as in `mmd.polynomial_kernel`: equal sets must give exactly 0
    products: Stack = np.matmul(x, y.copy().transpose(0, 2, 1))
    return products


def mmd_variants(x: Array, y: Array) -> Mapping[str, float]:
    """Variant -> MMD^2 between x (n, d) and y (m, d) by the V estimator: diagonals included.

    Raises:
        ValueError: unequal widths.
    """
    return {name: float(found[0]) for name, found in _Sets.of([x]).compared(_Sets.of([y])).items()}


def variant_figures(real: Sequence[Array], just: Sequence[Array], final: Sequence[Array]) -> list[Figure]:
    """`a_mmd.NAME` and `f_mmd.NAME` of a cell for each variant; with one task there is nothing to forget: F is 0.

    Args:
        real, just, final: per task, (n, d) features of the real images, and of those generated just after the task and
            after the last one.
    """
    shapes = [(len(x), len(y), len(z)) for x, y, z in zip(real, just, final, strict=True)]
    places = range(len(shapes))
    accuracy, forgetting = np.zeros((2, len(KERNELS), len(shapes)))
    for shape in dict.fromkeys(shapes):  # together what is of equal size: a task alone is mostly calls
        own = [place for place in places if shapes[place] == shape]
        ends = _Sets.of([final[place] for place in own])
        for table, begins in ((accuracy, real), (forgetting, just)):
            found = _Sets.of([begins[place] for place in own]).compared(ends)
            table[:, own] = [found[kernel.name] for kernel in KERNELS]
    figures: list[Figure] = []
    for metric, table in (("a_mmd", accuracy), ("f_mmd", forgetting[:, :-1])):  # the last task forgets nothing
        for kernel, row in zip(KERNELS, table, strict=True):
            value = float(row.mean()) * SCALE if len(row) else 0.0
            figures.append(Figure(f"{metric}.{kernel.name}", value, len(row), "1e-3"))
    return figures
