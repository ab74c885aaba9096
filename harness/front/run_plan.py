"""What a run would do: its steps, those that the store has, and what the others would take."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from harness.api import Prepared
from harness.estimates.history import duration
from harness.formats.figure_text import counted

if TYPE_CHECKING:
    import pandas as pd

    from harness.estimates.estimate import Cost


class RunPlan:
    """A run that was planned and not begun; a notebook shows its steps.

    Attributes:
        prepared: the plan itself, as `prepare` gives it.

    Example:
        >>> planned = sb.plan("mixed50", ["stamina"], limit=2)
        >>> planned.pending, planned.seconds
    """

    def __init__(self, prepared: Prepared) -> None:
        """Of a prepared run."""
        self.prepared = prepared

    @property
    def cells(self) -> list[str]:
        """The cells: label and seed of each.

        Example:
            >>> sb.plan("mixed50", ["stamina"], seeds=[0, 1]).cells
            ['stamina seed 0', 'stamina seed 1']
        """
        return [f"{cell.label} seed {cell.seed}" for cell in self.prepared.plan.cells]

    @property
    def steps(self) -> int:
        """How many steps it has."""
        return len(self.prepared.plan.steps)

    @property
    def cached(self) -> int:
        """How many of them are in the store."""
        return len(self.prepared.progress.cached)

    @property
    def pending(self) -> int:
        """How many of them would be made."""
        return len(self.prepared.progress.pending)

    @property
    def cautions(self) -> tuple[str, ...]:
        """What to know before the work, in whole sentences."""
        from harness.front.beforehand import lines_beforehand, unequal_training

        uneven = unequal_training(self.prepared.plan)
        return (*lines_beforehand(self.prepared), *([uneven] if uneven else []))

    @cached_property
    def cost(self) -> Cost:
        """The estimate: `seconds` of wall time on `jobs` workers, `megabytes` of disk, and its `basis`.

        Example:
            >>> sb.plan("mixed50").cost.basis
        """
        from harness.estimates.estimate import estimate

        cost = estimate(self.prepared)
        assert cost is not None  # unless asked for cheaply
        return cost

    @property
    def seconds(self) -> float:
        """Estimated wall time."""
        return self.cost.seconds

    @property
    def frame(self) -> pd.DataFrame:
        """Kinds of steps, with how many of each are cached and pending."""
        import pandas as pd

        return pd.DataFrame(self.counts(), columns=["step", "cached", "pending"])

    def counts(self) -> list[tuple[str, int, int]]:
        """(kind, cached, pending) of each kind of step, in the order of the plan."""
        progress = self.prepared.progress
        kinds = dict.fromkeys(step.kind for step in self.prepared.plan.steps.values())
        parts = (progress.cached, progress.pending)
        return [(kind, *(sum(step.kind == kind for step in part) for part in parts)) for kind in kinds]  # type: ignore[misc]

    @property
    def summary(self) -> str:
        """One line on steps, time and disk."""
        context, cost = self.prepared.plan.context, self.cost
        return (
            f"{counted(len(self.cells), 'cell')}, {counted(self.steps, 'step')}: {self.cached} "
            f"cached, {self.pending} pending; about "
            f"{duration(cost.seconds)} on {counted(cost.jobs, 'worker')}, {cost.megabytes:.0f} MB "
            f"of disk ({cost.basis}); "
            f"{context.said}"
        )

    def __repr__(self) -> str:
        lines = [f"  {kind:<10} {cached:>7} cached {pending:>7} pending" for kind, cached, pending in self.counts()]
        return "\n".join([f"<Plan of {self.prepared.spec.benchmark}: {self.summary}>", *lines])

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(self.summary)}</p>{self.frame.to_html(index=False, border=0)}"
