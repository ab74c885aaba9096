"""What fine-tuning did to the rest of the model: how far images of prompts without a custom token moved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.measures.cosine import unit
from harness.metric import BaseImages, Metric, Values


class BaseDrift(Metric):
    """1 less the cosine of the features of the same noise drawn by theta_0 and by theta_N; 0 of an unchanged model."""

    name = "base_drift"
    title = "base drift"
    summary = (
        "Mean of 1 less the cosine of features of 'a photo of a X', X the run's category words, drawn from the same "
        "noise before all tasks and after the last: 0 where no weight was changed."
    )

    def of_base(self, drawn: BaseImages) -> Values:
        """(n,): of each pair of images."""
        before, after = unit(drawn.before.features), unit(drawn.after.features)
        # as half the squared distance of unit vectors: exactly 0 for equal ones, and 1 - cosine otherwise
        found: NDArray[np.float64] = ((before - after) ** 2).sum(axis=1) / 2
        return found
