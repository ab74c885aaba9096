"""Seconds of training per task, and relative to TI++, as the paper reports them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.formats.figure_text import number
from harness.settings.presentation import MISSING, NO_SPREAD
from harness.settings.shared_columns import SPREAD
from reports.statistics.intervals import over_seeds
from reports.statistics.wording import mean_and_spread
from reports.tables.columns import DOWN
from reports.tables.measured import Measured
from reports.tables.published import published_time
from reports.tables.sheets import Grid, Sheet, ranked

AGAINST = "ti++"


def time_sheets(ours: Measured, benchmarks: Sequence[str]) -> list[Sheet]:
    """One sheet with a grid for each benchmark on which a time was measured; none if there is none."""
    grids = [grid for name in benchmarks if (grid := _grid(ours, name)).rows]
    if not grids:
        return []
    notes = (
        f"Seconds of wall-clock time to train one task, mean over tasks. {SPREAD}",
        f"Relative: the mean over seeds of the quotient by the seconds of {AGAINST} under the same seed; {NO_SPREAD} "
        f"after ± where there is one seed only, {MISSING} where {AGAINST} did not run.",
        "Times compare only within one machine and one run: another machine, a busy one, or trainings side by side "
        f"change them. The paper states a {100 * (published_time()['stamina'] - 1):.1f} % longer training for STAMINA "
        "than for TI++, measured on GPUs at full size, and no other times.",
    )
    return [
        Sheet(
            title=f"Time of training, {ours.tier} tier, {ours.backbone}",
            caption=f"Seconds per task, and relative to {AGAINST}.",
            grids=tuple(grids),
            notes=notes,
        )
    ]


def _grid(ours: Measured, benchmark: str) -> Grid:
    reference = ours.whole(benchmark, AGAINST, "train_seconds")
    rows: list[tuple[float, tuple[str, ...]]] = []
    for method in ours.methods(benchmark):
        seconds = ours.whole(benchmark, method, "train_seconds")
        mean = over_seeds(seconds.values())
        if mean is not None:
            shared = [seed for seed in seconds if reference.get(seed, 0.0) > 0]
            relative = over_seeds(seconds[seed] / reference[seed] for seed in shared)
            paper = {AGAINST: 1.0, **published_time()}.get(method)
            cells = (mean_and_spread(mean), mean_and_spread(relative, digits=3))
            rows.append((mean.mean, (method, *cells, MISSING if paper is None else number(paper, 3))))
    head = ("method", f"s/task {DOWN}", f"relative to {AGAINST} {DOWN}", "paper, relative")
    return ranked(Grid(head, tuple(row for _, row in sorted(rows)), title=benchmark), 1, 2)
