"""The columns of metrics that a run was asked for: a cell says what its are, whatever is installed here."""

from __future__ import annotations

from collections.abc import Iterable

from harness.metrics.measured import FORGOTTEN, LEARNED
from harness.results import Measure
from harness.settings.presentation import Column


def unit_of(measure: Measure) -> str:
    """' (x10^3)', as in headings; empty of a plain number."""
    return {"1": "", "1e-3": " (x10^3)"}.get(measure.unit, f" ({measure.unit})")


def columns_of(measure: Measure) -> tuple[Column, ...]:
    """After the last task, just after each, and what was lost in between; of other prompts once."""

    def column(metric: str, what: str, *, higher: bool) -> Column:
        title = f"{measure.title}{what}{unit_of(measure)}"
        return Column(
            metric, measure.unit, title, title, ("", ""), digits=measure.digits, interval=True, compact=False,
            higher=higher, score=True,
            by_task=measure.of != "base",
        )  # fmt: skip

    last = column(measure.name, "", higher=measure.higher)
    if measure.of != "concepts":
        return (last,)
    return (
        last,
        column(measure.name + LEARNED, " just learned", higher=measure.higher),
        column(measure.name + FORGOTTEN, " forgotten", higher=False),
    )


def sources_apart(measures: Iterable[Measure]) -> list[str]:
    """Names of metrics that are there from several sources."""
    sources: dict[str, set[str]] = {}
    for measure in measures:
        sources.setdefault(measure.name, set()).add(measure.source)
    return [name for name, found in sources.items() if len(found) > 1]
