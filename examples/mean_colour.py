"""Mean colour: how far the mean colour of what is drawn is from that of the real images.

    stamina-bench score runs --metrics examples/mean_colour.py:MeanColour

That measures finished runs, and trains nothing. `run` takes `--metrics`, too.
"""

from __future__ import annotations

import numpy as np

from stamina_bench import Metric, TaskImages


class MeanColour(Metric):
    """0 for images of the same mean colour; 441.7 between black and white."""

    name, title, unit, digits = "mean_colour", "mean colour", "level", 1
    summary = "Distance of mean colours, in levels of 0 to 255."

    def of_task(self, task: TaskImages) -> float:
        """One number of a task: of all its images together."""
        real, drawn = (each.images.mean(axis=(0, 1, 2)) for each in (task.real, task.generated))
        return float(np.linalg.norm(real - drawn))
