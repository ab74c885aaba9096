"""CLIP-I: how alike generated and real images are to the feature extractor (Ruiz et al., 2023, Section 4.2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.measures.cosine import similarities
from harness.metric import Metric, TaskImages, Values


class ClipI(Metric):
    """Mean cosine of each generated image's features with those of all the task's real images."""

    name = "clip_i"
    title = "CLIP-I"
    summary = "Mean cosine of the features of generated and real images of a task, over all pairs of them."
    citation = "Ruiz et al., DreamBooth, CVPR 2023 (arXiv 2208.12242)"
    higher = True

    def of_task(self, task: TaskImages) -> Values:
        """(n,): of each generated image."""
        found: NDArray[np.float64] = similarities(task.generated.features, task.real.features).mean(axis=1)
        return found
