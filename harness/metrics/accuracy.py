"""The scores of the classification setting, from the matrix a_{i,j}: both readings of A_n, both of forgetting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.metrics.scores import Figure

Z = 1.959963985  # 97.5 % quantile of the normal distribution


def accuracy_matrix(hits: Sequence[Sequence[NDArray[np.bool_]]]) -> NDArray[np.float64]:
    """a_{i,j} in %, (N, N), nan above the diagonal.

    Args:
        hits: `hits[i][j]` (from 0; j <= i) says of each test image of task j whether it was recognised after task i.
    """
    matrix = np.full((len(hits), len(hits)), np.nan)
    for i, row in enumerate(hits):
        matrix[i, : len(row)] = [100.0 * float(np.mean(each)) for each in row]
    return matrix


def average_accuracy(matrix: NDArray[np.float64], n: int) -> float:
    """A_n: the mean of a_{n,j} over j <= n (1-based)."""
    return float(np.mean(matrix[n - 1, :n]))


def forgetting_max(matrix: NDArray[np.float64], j: int) -> float:
    """The highest of a_{i,j}, i < N, less a_{N,j}, below 0 if it only rose (as in L2P, DualPrompt, mammoth). j < N."""
    return float(np.max(matrix[j - 1 : -1, j - 1]) - matrix[-1, j - 1])


def forgetting_step(matrix: NDArray[np.float64], t: int) -> float:
    """What learning task t cost the earlier ones: the mean over j < t of a_{t-1,j} - a_{t,j}. 1 < t <= N.

    Its mean over t is the forgetting of CODA-Prompt and of C-LoRA's authors.
    """
    return float(np.mean(matrix[t - 2, : t - 1] - matrix[t - 1, : t - 1]))


def class_figures(hits: Sequence[Sequence[NDArray[np.bool_]]]) -> list[Figure]:
    """Every figure of accuracy and forgetting, in %.

    Args:
        hits: as for `accuracy_matrix`.
    """
    matrix, last = accuracy_matrix(hits), len(hits)
    figures = [
        Figure("accuracy", matrix[i, j], len(hits[i][j]), "%", j + 1, *wilson(hits[i][j]), after=i + 1)
        for i in range(last)
        for j in range(i + 1)
    ]
    learned = [float(matrix[j, j]) for j in range(last)]
    figures += [
        Figure("learned_accuracy", value, len(hits[j][j]), "%", j + 1, *wilson(hits[j][j]))
        for j, value in enumerate(learned)
    ]
    figures.append(Figure("learned_accuracy", float(np.mean(learned)), last, "%", None, *interval(_diagonal(hits))))
    averages = [average_accuracy(matrix, n) for n in range(1, last + 1)]
    figures += [Figure("a_n", value, n, "%", n, *interval(hits[n - 1])) for n, value in enumerate(averages, 1)]
    figures.append(Figure("a_n", averages[-1], last, "%", None, *interval(hits[-1])))
    figures.append(Figure("a_n_mean", float(np.mean(averages)), last, "%"))
    return [
        *figures,
        *_forgetting("forgetting_max", {j: forgetting_max(matrix, j) for j in range(1, last)}),
        *_forgetting("forgetting_step", {t: forgetting_step(matrix, t) for t in range(2, last + 1)}),
    ]


def joint_figures(hits: Sequence[NDArray[np.bool_]]) -> list[Figure]:
    """A_N alone, of a model that learnt all tasks at once: `hits[j]` is of the test images of task j + 1."""
    last, values = len(hits), [100.0 * float(np.mean(each)) for each in hits]
    return [
        *(
            Figure("accuracy", value, len(each), "%", j, *wilson(each), after=last)
            for j, (value, each) in enumerate(zip(values, hits, strict=True), 1)
        ),
        Figure("a_n", float(np.mean(values)), last, "%", last, *interval(hits)),
        Figure("a_n", float(np.mean(values)), last, "%", None, *interval(hits)),
    ]


def _forgetting(metric: str, values: Mapping[int, float]) -> list[Figure]:
    """Per task, and their mean; with one task there is nothing to forget: 0."""
    figures = [Figure(metric, value, 1, "%", task) for task, value in values.items()]
    return [*figures, Figure(metric, float(np.mean(list(values.values()))) if values else 0.0, len(values), "%")]


def _diagonal(hits: Sequence[Sequence[NDArray[np.bool_]]]) -> list[NDArray[np.bool_]]:
    return [row[i] for i, row in enumerate(hits)]


def wilson(hits: NDArray[np.bool_]) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, in %: the test images as draws, the model as it is."""
    n, share = len(hits), float(np.mean(hits))
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * float(np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)))
    return 100 * max(0.0, centre - half), 100 * min(1.0, centre + half)


def interval(hits: Sequence[NDArray[np.bool_]]) -> tuple[float, float]:
    """95 % interval of the mean over tasks of their shares, in %: each task's test images as draws (stratified)."""
    shares = [float(np.mean(each)) for each in hits]
    variances = [s * (1 - s) / max(1, len(each) - 1) for s, each in zip(shares, hits, strict=True)]
    mean, half = float(np.mean(shares)), Z * float(np.sqrt(np.sum(variances))) / len(hits)
    return 100 * max(0.0, mean - half), 100 * min(1.0, mean + half)
