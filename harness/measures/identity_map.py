"""Confusion of concepts as a ranking: how early a generated image finds its own concept's real images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.measures.cosine import similarities
from harness.metric import Metric, TaskImages, Values


class IdentityMap(Metric):
    """mAP of generated images as queries: all tasks' real images by cosine, those of the own concept being right."""

    name = "identity_map"
    title = "identity mAP"
    summary = (
        "Mean average precision with which a task's generated images, by cosine of features, find their own concept's "
        "real images among those of all concepts of the run."
    )
    unit = "fraction"
    higher = True

    def of_tasks(self, tasks: Sequence[TaskImages]) -> Sequence[Values]:
        """(n,) of each task: of each generated image, the mean precision at the ranks of its concept's real images."""
        real = np.concatenate([task.real.features for task in tasks])
        concept = np.repeat(np.arange(len(tasks)), [len(task.real) for task in tasks])
        return [
            average_precision(similarities(task.generated.features, real), concept == place)
            for place, task in enumerate(tasks)
        ]


def average_precision(likeness: NDArray[np.float64], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(n,): for each of n queries, the mean over right items of the share of right ones among all at least as alike.

    Args:
        likeness: (n, m), of each query to each of m items. right: (m,), the same for all queries.
    """
    # no more than n x m at a time: the rank of an item is how many are at least as alike, ties counted against it
    found = np.empty(len(likeness))
    for row, alike in enumerate(likeness):
        all_sorted, right_sorted = np.sort(alike), np.sort(alike[right])
        rank = len(alike) - np.searchsorted(all_sorted, right_sorted, side="left")
        hits = len(right_sorted) - np.searchsorted(right_sorted, right_sorted, side="left")
        found[row] = (hits / rank).mean()
    return found
