"""How far results depend on the order of the tasks: means of each order, and their spread over orders."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from harness.results import CellResult, Metric
from harness.settings.presentation import NO_SPREAD
from reports.cells.apart import told_apart
from reports.cells.lines import is_partial, variant_of
from reports.statistics.intervals import over_seeds
from reports.statistics.wording import bounds, mean_and_spread
from reports.tables.columns import DOWN, every
from reports.tables.measured import full_rows, measured
from reports.tables.sheets import Grid, Sheet, ranked
from reports.tables.summary import join

METRICS: tuple[Metric, ...] = ("a_mmd", "f_mmd", "kid", "f_kid")
NOT_RUN = "not run"


def order_sheets(cells: Sequence[CellResult]) -> list[Sheet]:
    """A sheet for each (base, tier, backbone) in which a method ran in at least two orders; partial cells stay out."""
    groups: dict[tuple[str, str, str], list[CellResult]] = {}
    for cell in told_apart(cells):
        if not is_partial(cell):
            groups.setdefault((cell.base or cell.benchmark, cell.tier, cell.backbone), []).append(cell)
    sheets = [_sheet(base, tier, backbone, group) for (base, tier, backbone), group in groups.items()]
    return [sheet for sheet in sheets if sheet.grids]


def _sheet(base: str, tier: str, backbone: str, cells: Sequence[CellResult]) -> Sheet:
    newest = {cell.label: variant_of(cell) for cell in cells}
    older = dict.fromkeys(f"{c.label} ({_name(c.order)})" for c in cells if variant_of(c) != newest[c.label])
    cells = [cell for cell in cells if variant_of(cell) == newest[cell.label]]  # a mean over orders is of one method
    benchmarks = {cell.order: cell.benchmark for cell in sorted(cells, key=lambda cell: cell.order)}
    values: dict[Metric, dict[str, dict[int, list[float]]]] = {metric: {} for metric in METRICS}
    seeds: dict[int, set[int]] = {order: set() for order in benchmarks}
    for ours in measured(full_rows(cells)[0]):  # one at most: the cells share tier and backbone
        for order, benchmark in benchmarks.items():
            for label, metric in itertools.product(ours.methods(benchmark), METRICS):
                if whole := ours.whole(benchmark, label, metric):
                    values[metric].setdefault(label, {})[order] = list(whole.values())
                    seeds[order] |= set(whole)
    grids = [grid for metric in METRICS if (grid := _grid(metric, values[metric], tuple(benchmarks))).rows]
    ran = "; ".join(f"{_name(order)}: {join(sorted(found), ', ')}" for order, found in seeds.items() if found)
    return Sheet(
        title=f"Orders of tasks: {base}, {tier} tier, {backbone}",
        caption="The same tasks learned in different orders.",
        grids=tuple(grids),
        notes=(
            "Under each order: mean ± sample standard deviation over its run seeds "
            f"({NO_SPREAD} where there is one only). Run seeds: {ran}.",
            "Over orders: each order's mean over run seeds first, then their mean ± sample standard deviation and 95 % "
            "t interval over orders, shuffled ones and the benchmark's own alike. Concepts are the same in all: what "
            "another order would change, together with what is left of the spread over seeds.",
            "Lower is better; bold marks the lowest, underlined the next number of a column as printed, and claims no "
            "significance.",
            *([f"Left out, as made otherwise than what was asked for last: {join(older, ', ')}."] if older else []),
        ),
    )


def _grid(metric: Metric, values: Mapping[str, Mapping[int, Sequence[float]]], orders: Sequence[int]) -> Grid:
    title = next(column.title for column in every() if column.metric == metric)
    rows: list[tuple[float, tuple[str, ...]]] = []
    for label, found in values.items():
        if len(found) < 2:
            continue
        each = {order: over_seeds(figures) for order, figures in found.items()}
        overall = over_seeds(interval.mean for interval in each.values() if interval is not None)
        assert overall is not None
        cells = [mean_and_spread(each.get(order), NOT_RUN) for order in orders]
        line = (label, *cells, mean_and_spread(overall), bounds(overall), str(overall.n))
        rows.append((overall.mean, line))
    head = ("method", *(f"{_name(order)} {DOWN}" for order in orders), f"over orders {DOWN}", "95 %", "orders")
    grid = Grid(head, tuple(line for _, line in sorted(rows)), title=title)
    return ranked(grid, *range(1, len(orders) + 2))


def _name(order: int) -> str:
    return f"order {order}" if order else "own order"
