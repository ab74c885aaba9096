"""CLIP-T: how well images fit their prompt, to the feature extractor's two towers (Ruiz et al., 2023, Section 4.2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.measures.cosine import similarities
from harness.metric import Metric, TaskImages, Values


class ClipT(Metric):
    """Mean cosine of each generated image's features with those of its prompt, the custom token left out."""

    name = "clip_t"
    title = "CLIP-T"
    summary = "Mean cosine of the features of generated images with those of their prompt without the custom token."
    citation = "Ruiz et al., DreamBooth, CVPR 2023 (arXiv 2208.12242)"
    higher = True

    def of_task(self, task: TaskImages) -> Values:
        """(n,): of each generated image."""
        found: NDArray[np.float64] = similarities(task.generated.features, task.text[None])[:, 0]
        return found
