"""CMMD: squared MMD of unit-norm features by a Gaussian kernel (Jayasumana et al., 2024, Section 4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.measures.cosine import similarities
from harness.metric import Metric, TaskImages, Values

SIGMA = 10.0
SCALE = 1000.0


class Cmmd(Metric):
    """1000 times the V statistic of MMD^2 with k(x, y) = exp(-|x - y|^2 / (2 sigma^2)), sigma = 10.

    The paper's features are those of ViT-L/14 at 336 pixels; here they are the run's extractor's, so that figures
    compare within one extractor only.
    """

    name = "cmmd"
    title = "CMMD"
    summary = (
        "1000 x MMD^2 between real and generated images, of unit-norm features by a Gaussian kernel of width 10, with "
        "the run's own feature extractor; biased estimator."
    )
    citation = "Jayasumana et al., Rethinking FID, CVPR 2024 (arXiv 2401.09603)"
    unit = "1e-3"
    digits = 3

    def of_task(self, task: TaskImages) -> Values:
        """One number."""
        x, y = task.real.features, task.generated.features
        return SCALE * float(_kernel(x, x).mean() + _kernel(y, y).mean() - 2 * _kernel(x, y).mean())


def _kernel(x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.float64]:
    # |x - y|^2 = 2 - 2 x.y of unit vectors; 1 - x.y as expm1 below, as all kernel values are close to 1
    values: NDArray[np.float64] = np.expm1(-(1 - similarities(x, y)) / SIGMA**2)
    return values
