"""How a setting's results are printed: its columns, their units, and the sentences under a table. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.formats.figure_text import DIGITS

MISSING = "n/a"
NO_SPREAD = "—"
VARIANTS = "kernel variants"  # what a score's protocol calls the kernels of `Presentation.variants`
DOWN, UP = "↓", "↑"


@dataclass(frozen=True)
class Column:
    """One column of a results table.

    Attributes:
        metric: The metric's name in result rows.
        unit: The unit of the printed value.
        title: The heading where there is room, `short` where there is not, `latex` on two lines.
        digits: Digits after the decimal point.
        interval: Whether its 95 % interval is printed.
        compact: Whether the narrow text table has it.
        higher: Whether higher is better.
        score: Whether a change of it is for the better or the worse; of others a comparison says only that it changed.
        by_task: Whether the cell's figure is the mean of its tasks', which are the same tasks under every seed.
    """

    metric: str
    unit: str
    title: str
    short: str
    latex: tuple[str, str]
    digits: int = DIGITS
    interval: bool = False
    compact: bool = True
    higher: bool = False
    score: bool = False
    by_task: bool = False

    @property
    def arrow(self) -> str:
        """Which way is better."""
        return UP if self.higher else DOWN

    @property
    def heading(self) -> str:
        """The title with the arrow that says which way is better."""
        return f"{self.title} {self.arrow}"


@dataclass(frozen=True)
class Plots:
    """What the figures of a setting show.

    Attributes:
        unit: The unit of accuracies: '1e-3' (MMD times 1000, lower is better) or '%' (0 to 100, higher is better).
        mean: What `a_n` is, as in 'mean MMD'.
        matrix: The metric of the task matrix, what it is in words, and what it is of in task j.
        learned: The metric of what was just learned, and what it is in words.
        forgotten: The metric of what was then lost, and what it is in words.
    """

    unit: str
    mean: str
    matrix: tuple[str, str, str]
    learned: tuple[str, str]
    forgotten: tuple[str, str]

    @property
    def percent(self) -> bool:
        """Whether its figures lie between 0 and 100 and higher is better."""
        return self.unit == "%"


@dataclass(frozen=True)
class Presentation:
    """How results are printed.

    Attributes:
        columns: The columns of a results table.
        more: Metrics that no results table prints, and that the CSV file and the LaTeX macros have beside the columns.
        variants: The headline's metrics by other kernels, which a table of their own shows; also in CSV and macros.
        spread: What the mean and ± of a table are over, in sentences.
        legend: What the columns mean, in sentences.
        units: The columns' units, in a sentence; under the narrow table.
        interval: What the intervals are, in sentences.
        trials: What one run seed is, in the plural: 'seeds', or 'class orders'.
        per_trial: Whether a seed draws which classes a task has, so that only the same trial compares task by task.
        headline: The metrics that the page's first table shows.
        plots: What its figures show; None for none but those of the weights.
        adapted: What the trained residuals lie on, as in 'K/V'.
        whole: What `n_param` is a share of, as in 'U-Net'.
        meanings: Metric -> what it is, in a sentence, for the results page.
    """

    columns: tuple[Column, ...]
    more: tuple[Column, ...] = ()
    variants: tuple[Column, ...] = ()
    spread: str = "Mean over run seeds. ±: sample standard deviation (n - 1) over run seeds; none of one seed."
    legend: str = ""
    units: str = ""
    interval: str = ""
    trials: str = "seeds"
    per_trial: bool = False
    headline: tuple[str, ...] = ()
    plots: Plots | None = None
    adapted: str = "weights"
    whole: str = "model"
    meanings: Mapping[str, str] = field(default_factory=dict)

    @property
    def every(self) -> tuple[Column, ...]:
        """The columns, and what only files hold."""
        return (*self.columns, *self.more, *self.variants)
