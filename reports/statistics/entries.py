"""One label of one run, from finished cells or from committed reference results: what a comparison of runs works on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.results import CellResult, Measure, Metric, Row, measures_of
from harness.spec import SettingName
from reports.cells.apart import own_name, told_apart
from reports.cells.lines import by_label, groups, is_partial
from reports.reference import read_protocol, read_reference
from reports.tables.columns import printed
from reports.tables.summary import ranges


@dataclass(frozen=True)
class Entry:
    """One label of one run: its figures by run seed, and what it was made by.

    `whole`: metric -> seed -> figure of the whole cell; `curves`: metric -> seed -> figures of tasks in order; both in
    the units of the printed columns. `protocols` holds one mapping for each different protocol. `cells`: seed -> cell,
    where there are cells.
    """

    benchmark: str
    tier: str
    backbone: str
    label: str
    method: str
    tasks: tuple[int, ...]
    tasks_total: int
    partial: bool
    options: Mapping[str, Any]
    variant: str
    protocols: Sequence[Mapping[str, str]]
    whole: Mapping[Metric, Mapping[int, float]]
    curves: Mapping[Metric, Mapping[int, list[float]]]
    cells: Mapping[int, CellResult] = field(default_factory=dict)
    setting: SettingName = "customization"
    own_name: str = ""  # the benchmark's, without what tells it apart
    content: str = ""
    backbone_content: str = ""
    extractor: str = ""
    measures: tuple[Measure, ...] = ()

    @property
    def name(self) -> str:
        """'stamina on mixed50 (mini)', with the tasks where it is partial."""
        return f"{self.label} on {self.benchmark} ({self.tier}{f', tasks {ranges(self.tasks)}' * self.partial})"


def from_cells(cells: Sequence[CellResult]) -> list[Entry]:
    """The labels of all cells, as the results tables have them; see `reports.cells.apart`."""
    named = told_apart(cells)
    return [_of_cells(label, found) for group in groups(named) for label, found in by_label(group).items()]


def from_reference(folder: Path) -> list[Entry]:
    """The labels of committed reference results; there are no images, hence no intervals over these.

    Raises:
        UsageError: the folder holds none, or damaged ones.
    """
    reference = read_protocol(folder)
    rows: dict[tuple[str, str], list[Row]] = {}
    for row in read_reference(folder):
        rows.setdefault((row.benchmark, row.method), []).append(row)
    return [
        Entry(
            name, reference.tier, record.backbone, label, method.method, tuple(range(1, record.tasks + 1)),
            record.tasks, False, method.options, method.variant, [{**record.protocol, **method.protocol}],
            *_figures(rows[name, label]), setting=record.setting, content=record.content, extractor=record.extractor,
            backbone_content=record.backbone_content,
        )
        for name, record in sorted(reference.benchmarks.items())
        for label, method in record.methods.items()
    ]  # fmt: skip


def _of_cells(label: str, cells: Sequence[CellResult]) -> Entry:
    first = cells[0]
    protocols: list[Mapping[str, str]] = []
    for cell in cells:
        if dict(cell.protocol) not in protocols:
            protocols.append(dict(cell.protocol))
    return Entry(
        first.benchmark, first.tier, first.backbone, label, first.method,
        tuple(sorted(task.index for task in first.tasks)), first.tasks_total, is_partial(first), first.options,
        first.variant, protocols, *_figures([row for cell in cells for row in cell.rows]),
        cells={cell.seed: cell for cell in cells}, setting=first.setting,
        own_name=own_name(first),
        content=first.content, backbone_content=first.made_by.backbone, extractor=first.made_by.extractor,
        measures=measures_of(cells),
    )  # fmt: skip


_Whole = dict[Metric, dict[int, float]]
_Curves = dict[Metric, dict[int, list[float]]]


def _figures(rows: Iterable[Row]) -> tuple[_Whole, _Curves]:
    found: dict[Metric, dict[int, dict[int | None, float]]] = {}
    for row in rows:
        if not row.detail and math.isfinite(row.value):
            value = printed(row.value, row.unit, row.metric)
            found.setdefault(row.metric, {}).setdefault(row.seed, {})[row.task] = value
    whole: _Whole = {}
    curves: _Curves = {}
    for metric, seeds in found.items():
        whole[metric] = {seed: tasks[None] for seed, tasks in sorted(seeds.items()) if None in tasks}
        by_task = {
            s: [v for _, v in sorted((t, v) for t, v in tasks.items() if t is not None)] for s, tasks in seeds.items()
        }
        curves[metric] = {seed: values for seed, values in sorted(by_task.items()) if values}
    return {metric: seeds for metric, seeds in whole.items() if seeds}, curves
