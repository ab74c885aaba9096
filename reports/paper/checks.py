"""Three checks that the benchmark discriminates: an upper bound, forgetting, and saturated plasticity."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from harness.results import Metric
from harness.settings.presentation import MISSING
from reports.statistics.intervals import over_seeds, paired_over_tasks
from reports.statistics.wording import bounds, mean_and_spread, signed, yes_no
from reports.tables.measured import Measured
from reports.tables.sheets import Grid, Sheet

TIMES = 10  # cd is expected to forget at least so many times as much as stamina
LAST = 10  # tasks at the end whose residuals are averaged
WATCHED = ("clora", "lora", "stamina", "cd")


def three_checks(ours: Measured, benchmarks: Sequence[str]) -> Sheet:
    """The checks on each of the benchmarks that has what they need; a check that cannot be made says so."""
    parts = (_upper_bound, _forgetting, _plasticity)
    grids: list[Grid] = []
    notes: list[str] = []
    for part in parts:
        grid, note = part(ours, benchmarks)
        if grid.rows:
            grids.append(grid)
            notes.append(note)
        else:
            notes.append(f"{grid.title} Open: what this compares was not run.")
    notes.append("Figures are mean ± sample standard deviation over seeds; without ± where there is one seed only.")
    return Sheet(
        title=f"Three checks, {ours.tier} tier, {ours.backbone}",
        caption="Whether the benchmark tells methods apart as it is meant to.",
        grids=tuple(grids),
        notes=tuple(notes),
    )


def _upper_bound(ours: Measured, benchmarks: Sequence[str]) -> tuple[Grid, str]:
    rows: list[tuple[str, ...]] = []
    for name in benchmarks:
        bound, tokens = (over_seeds(ours.whole(name, m, "a_mmd").values()) for m in ("ub", "ti++"))
        if bound is not None and tokens is not None:
            cells = [f"{mean_and_spread(x)} {bounds(x)}" for x in (bound, tokens)]
            gap = paired_over_tasks(*(ours.curve(name, m, "a_mmd") for m in ("ti++", "ub")))
            over_tasks = MISSING if gap is None else f"{signed(gap.mean)} {bounds(gap)}"
            below = None if gap is None or gap.low is None else gap.low > 0
            rows.append((name, *cells, yes_no(bound.below(tokens)), over_tasks, yes_no(below)))
    head = (
        "benchmark", "ub A_mmd (x10^3) [95 %]", "ti++ A_mmd (x10^3) [95 %]", "apart", "ti++ less ub [95 %]", "above 0"
    )  # fmt: skip
    title = "(a) Is the upper bound clearly below tokens alone?"
    return Grid(head, tuple(rows), title=title), (
        "(a) Brackets of the two scores: 95 % t intervals over seeds, 'apart' if all of ub's lies below that of ti++ "
        "(with two seeds t has one degree of freedom, and few figures are). Brackets of the difference: over tasks."
    )


def _forgetting(ours: Measured, benchmarks: Sequence[str]) -> tuple[Grid, str]:
    rows: list[tuple[str, ...]] = []
    forms: tuple[tuple[Metric, str], ...] = (("f_mmd", "F_mmd"), ("f_mmd_unbiased", "F_mmd unbiased"))
    for name in benchmarks:
        for metric, words in forms:
            cd, full = ours.whole(name, "cd", metric), ours.whole(name, "stamina", metric)
            seeds = sorted(cd.keys() & full.keys())
            if seeds:
                # A quotient by zero, or by an unbiased estimate below zero, says nothing.
                ratios = {s: cd[s] / full[s] if full[s] > 0 else math.nan for s in seeds}
                each = "; ".join(f"{s}: {'not defined' if math.isnan(r) else f'{r:.1f}'}" for s, r in ratios.items())
                mean = over_seeds(ratios.values()) if all(map(math.isfinite, ratios.values())) else None
                verdict = "open" if mean is None else yes_no(mean.mean >= TIMES)
                rows.append((name, words, each, mean_and_spread(mean, "not defined", digits=1), verdict))
    head = ("benchmark", "score", "cd / stamina, per seed", "mean ratio", f"≥ {TIMES}")
    title = f"(b) Does sequential Custom Diffusion forget at least {TIMES} times as much as STAMINA?"
    return Grid(head, tuple(rows), title=title), (
        "(b) The ratio is not defined where stamina's estimate is not above zero."
    )


def _plasticity(ours: Measured, benchmarks: Sequence[str]) -> tuple[Grid, str]:
    rows: list[tuple[str, ...]] = []
    lengths: set[int] = set()
    for name in benchmarks:
        for method in WATCHED:
            distances = ours.curve(name, method, "plasticity_distance")
            if not distances or min(map(len, distances.values())) < 2:
                continue
            residuals = ours.curve(name, method, "residual_norm")
            lengths |= set(map(len, distances.values()))
            parts = [*_over(distances, _first_fifth, _last_fifth), *_over(residuals, _first, _last)]
            rows.append((name, method, *parts))
    head = (
        "benchmark", "method", "growth, first fifth", "growth, last fifth", "last / first", "residual, task 1",
        f"residual, last {LAST}", "last / first",
    )  # fmt: skip
    unrelated = "; ".join(f"{_unrelated(n):.2f} for {n} tasks" for n in sorted(lengths))
    return Grid(head, tuple(rows), title="(c) Does C-LoRA's plasticity flatten?"), (
        "(c) Growth: mean increase of the plasticity distance per task, from 0 before task 1. Residual: norm of what "
        f"one task adds, of task 1 and as a mean over the last {LAST} tasks (without task 1). A sum of equally large, "
        f"unrelated residuals flattens, too: its last / first is {unrelated}; saturated plasticity shows as a lower "
        "one, and in residuals that shrink."
    )


_Part = Callable[[Sequence[float]], float]


def _over(curves: dict[int, list[float]], first: _Part, last: _Part) -> list[str]:
    """Both parts and their quotient, each over seeds."""
    pairs = [(first(values), last(values)) for values in curves.values() if len(values) > 1]
    quotients = [b / a for a, b in pairs if a > 0]
    columns = ([a for a, _ in pairs], [b for _, b in pairs], quotients)
    return [
        mean_and_spread(over_seeds(column), digits=digits) for column, digits in zip(columns, (3, 3, 2), strict=True)
    ]


def _fifth(values: Sequence[float]) -> int:
    return max(1, len(values) // 5)


def _first_fifth(values: Sequence[float]) -> float:
    count = _fifth(values)
    return values[count - 1] / count


def _last_fifth(values: Sequence[float]) -> float:
    count = _fifth(values)
    return (values[-1] - values[-1 - count]) / count


def _first(values: Sequence[float]) -> float:
    return values[0]


def _last(values: Sequence[float]) -> float:
    later = values[1:][-LAST:]
    return sum(later) / len(later)


def _unrelated(tasks: int) -> float:
    """Last / first of a distance that grows like the square root of the number of tasks."""
    curve = [math.sqrt(task) for task in range(1, tasks + 1)]
    return _last_fifth(curve) / _first_fifth(curve)
