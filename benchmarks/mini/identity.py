"""Whether what was drawn is who was taught: the embedded tier's world is procedural, so that the truth is known.

Both metrics read factors from the features of generated images with linear probes (`benchmarks.mini.probes`), and
compare them with the identity's own. They hold for the extractor that the probes were fitted for, and no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.mini.probes import Probe, load_probes
from harness.errors import UsageError
from harness.metric import Metric, TaskImages

VARIANCE = 1 / 12  # of a continuous factor over identities: they are uniform in [0, 1]


@cache
def _probes() -> tuple[str, dict[str, Probe]]:
    return load_probes()


def read_factors(task: TaskImages) -> tuple[dict[str, NDArray[np.float64]], dict[str, list[str]]]:
    """The factors of a task's generated images, (n,) each: numbers by name, and levels by name.

    Raises:
        UsageError: the probes are not for the run's extractor.
    """
    extractor, probes = _probes()
    if task.extractor != extractor:
        raise UsageError(
            "The metrics identity and attributes read factors with probes of the mini tier's own extractor, which this "
            "run's is not; leave them out of --metrics, or --extractor out of the run."
        )
    return probes[task.category].read(task.generated.features)


class Factors(Metric):
    """A mean over an identity's factors, which `parts_of_task` gives."""

    higher = True
    digits = 2
    needs: ClassVar[tuple[str, ...]] = ("truth",)
    data_files: ClassVar[tuple[str, ...]] = ("checkpoints/probes.safetensors",)

    def of_task(self, task: TaskImages) -> NDArray[np.float64]:
        """(n,): of each generated image the mean over its factors."""
        found: NDArray[np.float64] = np.stack(list(self.parts_of_task(task).values())).mean(axis=0)
        return found

    def parts_of_task(self, task: TaskImages) -> Mapping[str, NDArray[np.float64]]:
        """Factor -> (n,)."""
        raise NotImplementedError


class Identity(Factors):
    """Mean R^2 of continuous factors: 1 less the squared error by the factor's variance over identities.

    1 where every image shows exactly the identity, 0 for images that show the average one, and -1 on average for images
    of another identity.
    """

    name = "identity"
    title = "identity R^2"
    summary = (
        "R^2 of the identity's continuous factors as probes read them from generated images, mean over factors: 1 less "
        "the squared error by the variance over identities. 0: the average identity; -1 on average: another one."
    )

    def parts_of_task(self, task: TaskImages) -> Mapping[str, NDArray[np.float64]]:
        """Factor -> (n,)."""
        values, _ = read_factors(task)
        return {name: 1 - (found - float(task.truth[name])) ** 2 / VARIANCE for name, found in values.items()}


class Attributes(Factors):
    """Share of discrete factors (hair colour, glasses, number of streams, ...) that images show as they are."""

    name = "attributes"
    title = "attributes"
    summary = (
        "Share of the identity's discrete factors (hair colour, glasses, number of streams, ...) that probes read "
        "rightly from generated images."
    )
    unit = "fraction"

    def parts_of_task(self, task: TaskImages) -> Mapping[str, NDArray[np.float64]]:
        """Factor -> (n,): 1 where it is shown, else 0."""
        _, levels = read_factors(task)
        return {name: np.array([float(level == task.truth[name]) for level in found]) for name, found in levels.items()}
