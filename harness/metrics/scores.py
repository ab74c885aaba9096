"""The scores of a cell: A_mmd (eq. 9), F_mmd (eq. 10), KID, and the figures of its trainings, as tidy rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.metrics.interference import Change
from harness.metrics.mmd import Estimate, Estimator, jackknife, kid, mean_of, mmd, noise_floor

Array = NDArray[np.floating]
# what every training measures, and what has a column of its own
KNOWN = frozenset(
    {"plasticity_distance", "residual_norm", "mask_density", "trained_parameters", "final_loss", "unet_parameters",
     "backbone_parameters"}
)  # fmt: skip
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
    after: int | None = None


def _figure(metric: str, estimate: Estimate, task: int | None, after: int | None = None) -> Figure:
    finite = np.isfinite(estimate.error)
    low, high = (estimate.low * SCALE, estimate.high * SCALE) if finite else (None, None)
    return Figure(metric, estimate.value * SCALE, estimate.n, "1e-3", task, low, high, after=after)


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


def learned_figures(real: Sequence[Array], just: Sequence[Array]) -> list[Figure]:
    """MMD(F(X_{D,j}), F(X_{j,j})) per task and its mean over tasks: how well each was learnt, whatever came after."""
    estimates = [jackknife(x, y, "v") for x, y in zip(real, just, strict=True)]
    figures = [_figure("learned_mmd", e, j) for j, e in enumerate(estimates, 1)]
    return [*figures, _figure("learned_mmd", mean_of(estimates), None)]


def matrix_figures(real: Sequence[Array], images: Mapping[tuple[int, int], Array]) -> list[Figure]:
    """MMD(F(X_{D,j}), F(X_{i,j})) for every (i, j) with i >= j, and A_n, its mean over j <= n, for every n.

    Args:
        real: per task, (n, d) features. images: (i, j), 1-based -> (n, d) features of X_{i,j}, all of them.
    """
    estimates = {(i, j): jackknife(real[j - 1], y, "v") for (i, j), y in images.items()}
    means = {n: mean_of([estimates[n, j] for j in range(1, n + 1)]) for n in range(1, len(real) + 1)}
    return [
        *(_figure("mmd", e, j, after=i) for (i, j), e in sorted(estimates.items())),
        *(_figure("a_n", mean, n) for n, mean in means.items()),
    ]


def forgetting_figures(just: Sequence[Array], final: Sequence[Array]) -> list[Figure]:
    """F_mmd = mean over tasks j < N of MMD(F(X_{j,j}), F(X_{N,j})) (eq. 10), per task and in all; and by KID.

    The image sets come from the same seeds, hence the paired estimator. With one task there is nothing to forget: 0.
    """
    if len(just) == 1:
        return [*(Figure(m, 0.0, 0, "1e-3") for m in ("f_mmd", "f_mmd_unbiased")), Figure("f_kid", 0.0, 0, "1")]
    figures: list[Figure] = []
    forms: tuple[tuple[str, Estimator], ...] = (("f_mmd", "v"), ("f_mmd_unbiased", "u-paired"))
    for metric, estimator in forms:
        estimates = [jackknife(x, y, estimator, paired=True) for x, y in zip(just[:-1], final[:-1], strict=True)]
        figures += [_figure(metric, e, j) for j, e in enumerate(estimates, 1)]
        figures.append(_figure(metric, mean_of(estimates), None))
    kids = [kid(x, y, paired=True) for x, y in zip(just[:-1], final[:-1], strict=True)]
    figures += [Figure("f_kid", value, len(final[0]), "1", j) for j, value in enumerate(kids, 1)]
    figures.append(Figure("f_kid", float(np.mean(kids)), len(kids), "1"))
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
    """N_param, plasticity distance, mask density and residual norm, per task (and layer) and in all."""
    share = 100.0 * trainings[-1]["measures"]["trained_parameters"] / unet_parameters
    figures = [Figure("n_param", share, 1, "%")]
    units = {"plasticity_distance": "1", "residual_norm": "1", "mask_density": "fraction"}
    for metric, unit in units.items():
        values = [t["measures"][metric] for t in trainings if metric in t["measures"]]
        matrices = len(trainings[0]["layer_distance"])
        figures += [Figure(metric, value, matrices, unit, j) for j, value in enumerate(values, 1)]
        if values:  # the distance is a state: its cell's figure is the last one; the others are per task
            whole = values[-1] if metric == "plasticity_distance" else float(np.mean(values))
            figures.append(Figure(metric, whole, matrices if metric == "plasticity_distance" else len(values), unit))
    for j, training in enumerate(trainings, 1):
        layers: Mapping[str, float] = training["layer_distance"]
        figures += [Figure("plasticity_distance", v, 1, "1", j, layer=name) for name, v in layers.items()]
    return figures


def own_figures(trainings: Sequence[Mapping[str, Any]], method: str) -> list[Figure]:
    """What a method measures of itself (`Method.measures`) and no other does, as METHOD.NAME: per task, and the mean.

    Args:
        method: its name.
    """
    figures: list[Figure] = []
    for name in dict.fromkeys(name for training in trainings for name in training["measures"] if name not in KNOWN):
        values = [(j, t["measures"][name]) for j, t in enumerate(trainings, 1) if name in t["measures"]]
        figures += [Figure(f"{method}.{name}", value, 1, "1", j) for j, value in values]
        figures.append(Figure(f"{method}.{name}", float(np.mean([value for _, value in values])), len(values), "1"))
    return figures


def memory_figures(sizes: Sequence[int]) -> list[Figure]:
    """What a method keeps between tasks, `memory` in MB (10^6 bytes), after each task and after the last one.

    `memory_growth` is by how much it grows with a task, in MB, as a mean over the second half of the tasks: 0 for what
    is of one size whatever the number of tasks. None of a single task.

    Args:
        sizes: bytes after each task.
    """
    megabytes = [size / 1e6 for size in sizes]
    figures = [Figure("memory", value, 1, "MB", j) for j, value in enumerate(megabytes, 1)]
    figures.append(Figure("memory", megabytes[-1], 1, "MB"))
    steps = len(megabytes) // 2
    if steps:
        figures.append(Figure("memory_growth", (megabytes[-1] - megabytes[-1 - steps]) / steps, steps, "MB"))
    return figures


def time_figures(seconds: Sequence[float]) -> list[Figure]:
    """Seconds of training per task, and their mean; none of none."""
    if not seconds:
        return []
    figures = [Figure("train_seconds", value, 1, "s", j) for j, value in enumerate(seconds, 1)]
    return [*figures, Figure("train_seconds", float(np.mean(seconds)), len(seconds), "s")]


def change_figures(changes: Sequence[Change]) -> list[Figure]:
    """Interference, overlap and the share of entries changed, per task (and layer) and in all."""
    figures: list[Figure] = []
    matrices = len(changes[0].layer_density)
    series: dict[str, tuple[list[float | None], str]] = {
        "interference": ([c.interference for c in changes], "fraction"),
        "overlap": ([c.overlap for c in changes], "1"),
        "change_density": ([*(c.density for c in changes)], "fraction"),
    }
    for metric, (values, unit) in series.items():
        found = [(j, value) for j, value in enumerate(values, 1) if value is not None]
        figures += [Figure(metric, value, matrices, unit, j) for j, value in found]
        if found:
            figures.append(Figure(metric, float(np.mean([value for _, value in found])), len(found), unit))
    for j, one in enumerate(changes, 1):
        figures += [Figure("change_density", v, 1, "fraction", j, layer=name) for name, v in one.layer_density.items()]
    return figures
