"""The Vendi score: how many different images a set holds (Friedman and Dieng, 2023)."""

from __future__ import annotations

import numpy as np

from harness.measures.cosine import similarities
from harness.metric import Metric, TaskImages, Values


class Vendi(Metric):
    """exp of the entropy of the eigenvalues of K / n, K being the cosines of n generated images' features.

    1 if all are the same, n if all are orthogonal to each other. It knows nothing of the real images: a model that
    draws anything at all scores high.
    """

    name = "vendi"
    title = "Vendi"
    summary = "Effective number of different images among a task's generated ones (1 to n); it ignores the real ones."
    citation = "Friedman and Dieng, The Vendi Score, TMLR 2023 (arXiv 2210.02410)"
    higher = True

    def of_task(self, task: TaskImages) -> Values:
        """One number."""
        drawn = task.generated.features
        values = np.linalg.eigvalsh(similarities(drawn, drawn) / len(drawn))
        positive = values[values > 1e-12]
        return float(np.exp(-(positive * np.log(positive)).sum()))
