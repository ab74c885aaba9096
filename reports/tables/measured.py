"""Tidy rows of full cells by what a comparison asks of them: a figure's seeds, a curve's tasks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.results import CellResult, Metric, Row
from reports.cells.apart import told_apart
from reports.cells.lines import by_label, groups, is_partial
from reports.tables.columns import printed
from reports.tables.summary import registered_name

Protocols = Mapping[tuple[str, str, str], Mapping[str, Sequence[Mapping[str, str]]]]
"""(benchmark, tier, backbone) -> label -> the protocols of its cells."""


@dataclass(frozen=True)
class Measured:
    """What was measured at one tier with one backbone; only full figures, in the units of
    `reports.tables.columns.units`.

    `registered`: the benchmarks by the names they have here -> those under which they are registered, '' for others.
    """

    tier: str
    backbone: str
    values: Mapping[tuple[str, str, Metric], Mapping[int, Mapping[int | None, float]]]
    registered: Mapping[str, str]

    def named(self, registered: str) -> tuple[str, ...]:
        """What a registered benchmark is called here; more than one name where there are results that do not mix."""
        return tuple(name for name, own in self.registered.items() if own == registered)

    def methods(self, benchmark: str) -> tuple[str, ...]:
        """Labels of the methods that ran on the benchmark, sorted."""
        return tuple(sorted({label for name, label, _ in self.values if name == benchmark}))

    def whole(self, benchmark: str, label: str, metric: Metric) -> dict[int, float]:
        """Seed (ascending) -> the figure of the whole cell; empty if it was not measured."""
        seeds = self.values.get((benchmark, label, metric), {})
        return {seed: seeds[seed][None] for seed in sorted(seeds) if None in seeds[seed]}

    def curve(self, benchmark: str, label: str, metric: Metric) -> dict[int, list[float]]:
        """Seed (ascending) -> the figures of tasks 1, 2, ... in order; empty if there are none."""
        seeds = self.values.get((benchmark, label, metric), {})
        found = {s: [v for _, v in sorted((t, v) for t, v in seeds[s].items() if t is not None)] for s in sorted(seeds)}
        return {seed: values for seed, values in found.items() if values}


def measured(rows: Iterable[Row], registered: Mapping[str, str] | None = None) -> list[Measured]:
    """One for each tier and backbone, in the order of first appearance.

    Args:
        registered: a benchmark's name -> that under which it is registered, or ''; by default all have their own.

    Partial figures, those of single layers or of X_{i,j} and those that are not finite stay out. Of several rows the
    last counts.
    """
    groups: dict[tuple[str, str], dict[tuple[str, str, Metric], dict[int, dict[int | None, float]]]] = {}
    for row in rows:
        if not row.partial and not row.detail and math.isfinite(row.value):
            group = groups.setdefault((row.tier, row.backbone), {})
            seeds = group.setdefault((row.benchmark, row.method, row.metric), {})
            seeds.setdefault(row.seed, {})[row.task] = printed(row.value, row.unit, row.metric)
    known = registered or {}
    found: list[Measured] = []
    for (tier, backbone), values in groups.items():
        names = dict.fromkeys(name for name, _, _ in values)
        found.append(Measured(tier, backbone, values, {name: known.get(name, name) for name in names}))
    return found


def registered_names(cells: Sequence[CellResult]) -> dict[str, str]:
    """A benchmark's name in a report -> that under which it is registered, '' where it only has such a name."""
    return {cell.benchmark: registered_name(cell) for cell in told_apart(cells)}


def full_rows(cells: Sequence[CellResult]) -> tuple[list[Row], Protocols]:
    """The rows of all full cells, without those of single layers and of X_{i,j}, and the cells' protocols.

    `benchmark`, `backbone` and `method` are those of the results tables: see `reports.cells.apart`.
    """
    rows: list[Row] = []
    protocols: dict[tuple[str, str, str], dict[str, list[Mapping[str, str]]]] = {}
    for group in groups(cell for cell in told_apart(cells) if not is_partial(cell)):
        first = group[0]
        methods = protocols.setdefault((first.benchmark, first.tier, first.backbone), {})
        for label, members in by_label(group).items():
            methods[label] = [cell.protocol for cell in members]
            rows += [r.model_copy(update={"method": label}) for c in members for r in c.rows if not r.detail]
    return rows, protocols
