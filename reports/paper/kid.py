"""The paper's tables by KID: the same layouts, of accuracy and of forgetting. Its main text gives no such figures."""

from __future__ import annotations

from collections.abc import Mapping

from harness.formats.figure_text import number
from harness.results import Metric
from harness.settings.presentation import MISSING, NO_SPREAD
from reports.paper.layouts import BELOW, BOUND, FULL, NOT_RUN, Layout, extras, layouts_of, seeds_note
from reports.statistics.intervals import Interval, over_seeds, paired, paired_over_tasks
from reports.statistics.wording import bounds, mean_and_spread, signed
from reports.tables.columns import DOWN
from reports.tables.measured import Measured
from reports.tables.sheets import Grid, Sheet, ranked

SCORES: tuple[Metric, ...] = ("kid", "f_kid")
NAMES: Mapping[Metric, str] = {"kid": "KID", "f_kid": "F_KID"}


def kid_sheets(ours: Measured) -> list[Sheet]:
    """Those of the paper's tables that can be made with KID; 'not run' stands for what was not measured."""
    return [_sheet(layout, ours) for layout in layouts_of(ours) if layout.can_be_made(ours, "kid")]


def _sheet(layout: Layout, ours: Measured) -> Sheet:
    shown = (*layout.methods, *extras(layout, ours))
    seeds = {method: tuple(ours.whole(layout.benchmark, method, "kid")) for method in shown}
    notes = [
        f"{seeds_note(seeds)} Lower is better in every column; bold marks the lowest, underlined the next number of a "
        "column as printed, and claims no significance.",
        "KID: the unbiased MMD of eq. 9 with the tier's extractor instead of Inception's, mean over tasks; it may fall "
        "below zero where the truth is near zero. F_KID: the same of eq. 10, image by image from the same seeds.",
    ]
    if layout.kind == "ablation":
        grids = (_scores(layout, ours, share=False), *(_differences(layout, ours, metric) for metric in SCORES))
        notes.append(
            "Brackets: 95 % t intervals of the paired difference, over tasks (each averaged over the seeds first; how "
            f"far it would hold for other concepts) and over seeds ({NO_SPREAD} where there is one only)."
        )
    elif layout.kind == "bound":
        grids = (_bound(layout, ours),)
        notes.append(
            f"95 %: t interval over seeds; {NO_SPREAD} where there is one only. Less {BOUND}: the mean paired "
            "difference over the seeds that both have, its 95 % t intervals over tasks and over seeds."
        )
    else:
        grids = (_scores(layout, ours, share=True),)
    return Sheet(
        title=f"Table {layout.number} of the paper by KID: {layout.benchmark}, {ours.tier} tier, {ours.backbone}",
        caption="Ours alone: the paper's main text gives no KID.",
        grids=grids,
        notes=tuple(notes),
    )


def _scores(layout: Layout, ours: Measured, share: bool) -> Grid:
    def line(method: str) -> tuple[str, ...]:
        def mean(metric: Metric) -> Interval | None:
            return over_seeds(ours.whole(layout.benchmark, method, metric).values())

        trained = mean("n_param")
        own = (NOT_RUN if trained is None else number(trained.mean, 2),) if share else ()
        return (method, *own, *(mean_and_spread(mean(metric), NOT_RUN) for metric in SCORES))

    head = ("method", *((f"N_param (%) {DOWN}",) if share else ()), *(f"{NAMES[m]} (x10^3) {DOWN}" for m in SCORES))
    below = tuple(map(line, extras(layout, ours)))
    return ranked(Grid(head, tuple(map(line, layout.methods)), BELOW, below), *range(1, len(head)))


def _compared(layout: Layout, ours: Measured, method: str, other: str, metric: Metric) -> tuple[str, str, str]:
    """Mean difference method - other, and its intervals over tasks and seeds, in words."""
    found = paired(*(ours.whole(layout.benchmark, name, metric) for name in (method, other)))
    if found is None:
        return NOT_RUN, MISSING, MISSING
    tasks = paired_over_tasks(*(ours.curve(layout.benchmark, name, metric) for name in (method, other)))
    return signed(found.mean), MISSING if tasks is None else bounds(tasks), bounds(found)


def _differences(layout: Layout, ours: Measured, metric: Metric) -> Grid:
    rows = ((method, *_compared(layout, ours, method, FULL, metric)) for method in layout.methods if method != FULL)
    return Grid(
        ("ablation", f"{NAMES[metric]} (x10^3)", "95 % over tasks", "95 % over seeds"),
        tuple(rows),
        title=f"{NAMES[metric]} of each ablation less {FULL}'s: mean paired difference",
    )


def _bound(layout: Layout, ours: Measured) -> Grid:
    def line(method: str) -> tuple[str, ...]:
        mean = over_seeds(ours.whole(layout.benchmark, method, "kid").values())
        if mean is None:
            return (method, *[NOT_RUN] * 5)
        score = (mean_and_spread(mean), bounds(mean))
        if method == BOUND:
            return (method, *score, "0", "", "")
        return (method, *score, *_compared(layout, ours, method, BOUND, "kid"))

    head = ("method", f"KID (x10^3) {DOWN}", "95 %", f"less {BOUND}", "95 % over tasks", "95 % over seeds")
    return ranked(Grid(head, tuple(map(line, layout.methods))), 1)
