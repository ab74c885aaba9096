"""Frechet distance of the features of all images of a run (Heusel et al., 2017), by torchmetrics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from harness.metric import Metric, TaskImages


class Fid(Metric):
    """FID with the run's extractor in place of Inception-v3, over the real and the generated images of all tasks.

    A task alone has too few images for a covariance. Biased upwards with few images: to be compared between runs of the
    same tasks, with as many images.
    """

    name = "fid"
    title = "FID"
    summary = (
        "Frechet distance between the features of all tasks' real images and of all generated ones, with the run's "
        "extractor; to be compared at equal numbers of images only."
    )
    citation = "Heusel et al., NeurIPS 2017 (arXiv 1706.08500)"

    def of_run(self, tasks: Sequence[TaskImages]) -> float:
        """One number, from float64 moments of all features."""
        from torchmetrics.image.fid import FrechetInceptionDistance

        distance = FrechetInceptionDistance(_AsTheyAre(tasks[0].real.features.shape[1]))
        for task in tasks:
            for features, real in ((task.real.features, True), (task.generated.features, False)):
                distance.update(torch.from_numpy(features.astype(np.float64)), real=real)
        return float(distance.compute())


class _AsTheyAre(torch.nn.Module):
    """What torchmetrics takes for the network: its images are the features."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """The same."""
        return features
