"""The scores of a cell: A_mmd (eq. 9), F_mmd (eq. 10), KID, and the figures of its trainings, as tidy rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.metrics.mmd import Estimate, Estimator, jackknife, kid, mean_of, mmd, noise_floor

Array = NDArray[np.floating]
SCALE = 1000.0  # MMD scores are printed times 1000, as in the paper


@dataclass(frozen=True)
class Figure:
    """One figure: what a row holds, less the cell it belongs to."""

    metric: str
    value: float
    n: int
    unit: str
    task: int | None = None
    low: float | None = None
    high: float | None = None
    layer: str | None = None


def _figure(metric: str, estimate: Estimate, task: int | None, unit: str = "1e-3") -> Figure:
    scale = SCALE if unit == "1e-3" else 1.0
    finite = np.isfinite(estimate.error)
    low, high = (estimate.low * scale, estimate.high * scale) if finite else (None, None)
    return Figure(metric, estimate.value * scale, estimate.n, unit, task, low, high)


def accuracy_figures(real: Sequence[Array], final: Sequence[Array]) -> list[Figure]:
    """A_mmd = mean over tasks j of MMD(F(X_{D,j}), F(X_{N,j})) (eq. 9), per task and in all, and KID.

    Args:
        real, final: per task, (n, d) features of the real images and of those generated after the last task.
    """
    figures: list[Figure] = []
    forms: tuple[tuple[str, Estimator], ...] = (("a_mmd", "v"), ("a_mmd_unbiased", "u"))
    for metric, estimator in forms:
        estimates = [jackknife(x, y, estimator) for x, y in zip(real, final, strict=True)]
        figures += [_figure(metric, e, j) for j, e in enumerate(estimates, 1)]
        figures.append(_figure(metric, mean_of(estimates), None))
    kids = [kid(x, y) for x, y in zip(real, final, strict=True)]
    figures += [Figure("kid", value, len(y), "1", j) for j, (value, y) in enumerate(zip(kids, final, strict=True), 1)]
    figures.append(Figure("kid", float(np.mean(kids)), len(kids), "1"))
    return figures


def forgetting_figures(just: Sequence[Array], final: Sequence[Array]) -> list[Figure]:
    """F_mmd = mean over tasks j < N of MMD(F(X_{j,j}), F(X_{N,j})) (eq. 10), per task and in all.

    The image sets come from the same seeds, hence the paired estimator. With one task there is nothing to forget: 0.
    """
    if len(just) == 1:
        return [Figure(metric, 0.0, 0, "1e-3") for metric in ("f_mmd", "f_mmd_unbiased")]
    figures: list[Figure] = []
    forms: tuple[tuple[str, Estimator], ...] = (("f_mmd", "v"), ("f_mmd_unbiased", "u-paired"))
    for metric, estimator in forms:
        estimates = [jackknife(x, y, estimator, paired=True) for x, y in zip(just[:-1], final[:-1], strict=True)]
        figures += [_figure(metric, e, j) for j, e in enumerate(estimates, 1)]
        figures.append(_figure(metric, mean_of(estimates), None))
    return figures


def floor_figures(real: Sequence[Array], reconstructed: Sequence[Array]) -> list[Figure]:
    """What no method can beat: halves of the real images against each other, and the VAE's reconstructions."""
    halves = [noise_floor(x) for x in real]
    figures: list[Figure] = []
    if np.isfinite(halves).all():
        figures.append(Figure("noise_floor", float(np.mean(halves)) * SCALE, len(halves), "1e-3"))
    codec = [mmd(x, y, "v") for x, y in zip(real, reconstructed, strict=True)]
    figures.append(Figure("codec_floor", float(np.mean(codec)) * SCALE, len(codec), "1e-3"))
    return figures


def training_figures(trainings: Sequence[Mapping[str, Any]], unet_parameters: int) -> list[Figure]:
    """N_param, plasticity distance, mask density, residual norm and seconds, per task (and layer) and in all."""
    share = 100.0 * trainings[-1]["measures"]["trained_parameters"] / unet_parameters
    figures = [Figure("n_param", share, 1, "%")]
    units = {"plasticity_distance": "1", "residual_norm": "1", "mask_density": "fraction", "train_seconds": "s"}
    for metric, unit in units.items():
        values = [t["measures"][metric] for t in trainings if metric in t["measures"]]
        matrices = len(trainings[0]["layer_distance"])
        n = 1 if metric == "train_seconds" else matrices
        figures += [Figure(metric, value, n, unit, j) for j, value in enumerate(values, 1)]
        if values:  # the distance is a state: its cell's figure is the last one; the others are per task
            whole = values[-1] if metric == "plasticity_distance" else float(np.mean(values))
            figures.append(Figure(metric, whole, matrices if metric == "plasticity_distance" else len(values), unit))
    for j, training in enumerate(trainings, 1):
        layers: Mapping[str, float] = training["layer_distance"]
        figures += [Figure("plasticity_distance", v, 1, "1", j, layer=name) for name, v in layers.items()]
    return figures
