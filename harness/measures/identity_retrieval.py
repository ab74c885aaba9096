"""Whether a generated image is nearest to its own concept: confusion of concepts, as a retrieval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.measures.cosine import unit
from harness.metric import Metric, TaskImages, Values


class IdentityRetrieval(Metric):
    """Share of generated images that are more alike to their own concept's real images than to any other's of the run.

    An image's likeness to a concept is the mean cosine of its features with those of the concept's real images. By
    chance it is 1 / N with N concepts that look alike.
    """

    name = "identity_retrieval"
    title = "identity retrieval"
    summary = (
        "Share of a task's generated images whose features are nearest to their own concept's real images among all "
        "concepts of the run (mean cosine)."
    )
    unit = "fraction"
    higher = True

    def of_tasks(self, tasks: Sequence[TaskImages]) -> Sequence[Values]:
        """(n,) of each task: 1 where the own concept is the nearest, else 0."""
        # the mean cosine with some images is the product with the mean of their unit vectors
        centres = np.stack([unit(task.real.features).mean(axis=0) for task in tasks])
        nearest = [(unit(task.generated.features) @ centres.T).argmax(axis=1) for task in tasks]
        return [(found == place).astype(np.float64) for place, found in enumerate(nearest)]
