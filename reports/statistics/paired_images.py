"""Paired differences in A_mmd between methods, from the features of their images, each with three intervals."""

from __future__ import annotations

import csv
import io
import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from harness.errors import StoreError
from harness.formats.csv_cells import harmless
from harness.metrics.mmd import Estimate, polynomial_kernel
from harness.metrics.paired import Form, LeaveOneOut, leave_one_out, mean_difference
from harness.results import CellResult
from harness.settings.presentation import NO_SPREAD
from reports.cells.apart import told_apart
from reports.cells.lines import by_label, groups, is_partial
from reports.statistics.intervals import Interval, over_seeds
from reports.statistics.wording import bounds, signed
from reports.tables.sheets import Grid, Sheet
from reports.tables.summary import join, ranges

FORMS: Mapping[Form, str] = {"v": "A_mmd", "u": "A_mmd unbiased"}
REFERENCE = "stamina"
SCALE = 1000.0
IMAGES, TASKS, SEEDS = "(prompt, seed)", "tasks", "seeds"
MEANING = (
    f"95 % over {IMAGES}: delete-one jackknife that leaves image k of a task out on both sides at once (both were made "
    "from the same noise), t; the tasks' errors combine as independent. Concepts, real images and trained models are "
    "held fixed: what other noise in sampling would change.",
    "95 % over tasks: t interval of the tasks' differences, each averaged over the run seeds first. Run seeds are held "
    "fixed and concepts taken as drawn at random, though one model learns them one after another: how far it would "
    "hold for other concepts.",
    "95 % over seeds: t interval of the run seeds' differences, each the mean over tasks. Concepts are held fixed: "
    f"what training and sampling anew would change; {NO_SPREAD} where there is one run seed only.",
)
_FIELDS = (
    "benchmark", "tier", "backbone", "tasks", "metric", "first", "second", "difference", "images_low", "images_high",
    "tasks_low", "tasks_high", "seeds_low", "seeds_high", "n_images", "n_tasks", "seeds", "unit",
)  # fmt: skip


@dataclass(frozen=True)
class Scored:
    """One cell: of each task its real images, as (number, mean of their kernel), and its leave-one-out values."""

    real: tuple[tuple[int, float], ...]
    values: Mapping[Form, tuple[LeaveOneOut, ...]]

    def same_real(self, other: Scored) -> bool:
        """Whether both were measured on the same real images, to the rounding of another machine."""
        return len(self.real) == len(other.real) and all(
            n == m and math.isclose(a, b, rel_tol=1e-5) for (n, a), (m, b) in zip(self.real, other.real, strict=True)
        )

    def pairs_with(self, other: Scored) -> bool:
        """Whether both have the same real images and as many generated ones, task by task."""
        sizes = [[len(value.without) for value in scored.values["v"]] for scored in (self, other)]
        return self.same_real(other) and sizes[0] == sizes[1]


@dataclass(frozen=True)
class Difference:
    """Mean over tasks and run seeds of MMD(real, first) - MMD(real, second), x 10^3, with its 95 % intervals.

    `images`: over (prompt, seed) with the real images fixed; `tasks` and `seeds`: None bounds where there is one only.
    """

    value: float
    images: Interval
    tasks: Interval
    seeds: Interval
    shared: tuple[int, ...]

    @property
    def intervals(self) -> dict[str, Interval]:
        """By what they are over, in the order of the columns."""
        return {IMAGES: self.images, TASKS: self.tasks, SEEDS: self.seeds}


@dataclass(frozen=True)
class Pairs:
    """The cells of one (benchmark, tier, backbone, tasks run) that have features: label -> run seed -> scores.

    `without` counts the cells that were left out, by reason.
    """

    benchmark: str
    tier: str
    backbone: str
    tasks: tuple[int, ...]
    partial: bool
    scored: Mapping[str, Mapping[int, Scored]]
    without: Mapping[str, int]


def read_pairs(cells: Sequence[CellResult]) -> list[Pairs]:
    """Read the features of all cells, one pass for each (cell, task); a group without any is left out.

    Raises:
        StoreError: a features file is damaged.
    """
    found: list[Pairs] = []
    real = Real()
    for group in groups(told_apart(cells)):
        scored: dict[str, dict[int, Scored]] = {}
        without: dict[str, int] = {}
        for label, members in by_label(group).items():
            for cell in members:
                result = score(cell, real)
                if isinstance(result, Scored):
                    scored.setdefault(label, {})[cell.seed] = result
                else:
                    without[result] = without.get(result, 0) + 1
        first = group[0]
        tasks = tuple(sorted(task.index for task in first.tasks))
        if scored:
            partial = is_partial(first)
            found.append(Pairs(first.benchmark, first.tier, first.backbone, tasks, partial, scored, without))
    return found


class Real:
    """The features of real images, each file read once."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[NDArray[np.floating], float]] = {}

    def read(self, path: Path) -> tuple[NDArray[np.floating], float]:
        """(n, d) features and the mean of their kernel, which tells real images apart."""
        if path not in self._known:
            features = read_features(path)
            self._known[path] = features, float(polynomial_kernel(features, features).mean())
        return self._known[path]


def score(cell: CellResult, real: Real) -> Scored | str:
    """The cell's leave-one-out values, or why there are none.

    Raises:
        StoreError: a features file is damaged.
    """
    last = max((task.index for task in cell.tasks), default=0)
    sets: list[tuple[int, float]] = []
    values: dict[Form, list[LeaveOneOut]] = {form: [] for form in FORMS}
    for task in sorted(cell.tasks, key=lambda task: task.index):
        final = task.features.get(last)
        if task.real_features is None or final is None or not (task.real_features.is_file() and final.is_file()):
            return "no features"
        x, mean = real.read(task.real_features)
        y = read_features(final)
        if len(x) < 2 or len(y) < 3 or x.shape[1] != y.shape[1]:
            return "too few images, or features of unequal width"
        sets.append((len(x), mean))
        for form, value in leave_one_out(x, y, tuple(FORMS)).items():
            values[form].append(value)
    if not sets:
        return "no tasks"
    return Scored(tuple(sets), {form: tuple(found) for form, found in values.items()})


def read_features(path: Path) -> NDArray[np.floating]:
    """(n, d) features of a folder's images.

    Raises:
        StoreError: the file cannot be read.
    """
    try:
        features: NDArray[np.floating] = load_file(str(path))["images"]
    except (OSError, KeyError, SafetensorError) as error:
        raise StoreError(f"{path} is damaged ({error}); delete its folder and run the command again.") from None
    return features


def compared(first: Mapping[int, Scored], second: Mapping[int, Scored], form: Form = "v") -> Difference | None:
    """The paired difference over the run seeds that both have; None if they share none, or no real images."""
    shared = tuple(s for s in sorted(first.keys() & second.keys()) if first[s].pairs_with(second[s]))
    if not shared:
        return None
    one, two = ([side[seed].values[form] for seed in shared] for side in (first, second))
    images = mean_difference(one, two)
    each = [[a.value - b.value for a, b in zip(x, y, strict=True)] for x, y in zip(one, two, strict=True)]
    tasks = over_seeds(SCALE * statistics.fmean(task) for task in zip(*each, strict=True))
    seeds = over_seeds(SCALE * statistics.fmean(run) for run in each)
    assert tasks is not None
    assert seeds is not None
    return Difference(SCALE * images.value, _interval(images), tasks, seeds, shared)


def _interval(estimate: Estimate) -> Interval:
    return Interval(SCALE * estimate.value, estimate.n, None, SCALE * estimate.low, SCALE * estimate.high)


def paired_sheets(pairs: Iterable[Pairs], reference: str = REFERENCE) -> list[Sheet]:
    """One sheet a group with at least two methods: every method against `reference`, or the first where it lacks."""
    return [_sheet(group, reference) for group in pairs if len(group.scored) > 1]


def zero_inside(difference: Difference) -> str:
    """Which intervals hold zero: 'no', or 'tasks; seeds'; a dash where there is no interval."""
    verdicts = {name: interval.holds_zero for name, interval in difference.intervals.items()}
    if all(verdict is None for verdict in verdicts.values()):
        return NO_SPREAD
    return join((name for name, verdict in verdicts.items() if verdict), "; ") or "no"


def _sheet(group: Pairs, reference: str) -> Sheet:
    against = reference if reference in group.scored else next(iter(group.scored))
    base = group.scored[against]
    grids: list[Grid] = []
    alone: list[str] = []
    seeds: dict[tuple[int, ...], list[str]] = {}
    for form, name in FORMS.items():
        lines: list[tuple[float, tuple[str, ...]]] = []
        for label, scored in group.scored.items():
            if label == against:
                continue
            found = compared(scored, base, form)
            if found is None:
                alone += [label] if form == "v" else []
                continue
            if form == "v":
                seeds.setdefault(found.shared, []).append(label)
            intervals = tuple(map(bounds, found.intervals.values()))
            lines.append((found.value, (label, signed(found.value), *intervals, zero_inside(found))))
        head = (
            "method",
            "difference (x10^3)",
            *(f"95 % over {over}" for over in (IMAGES, TASKS, SEEDS)),
            "zero inside",
        )
        title = f"{name} less {against}'s"
        grids.append(Grid(head, tuple(line for _, line in sorted(lines)), title=title))
    users = "; ".join(
        join(shared, ", ") + (f" ({', '.join(labels)})" if len(seeds) > 1 else "") for shared, labels in seeds.items()
    )
    notes = [
        "Difference: mean over tasks and run seeds; below zero the method is closer to the real images than "
        f"{against}. Run seeds that both have: {users or 'none'}.",
        *MEANING,
        "Zero inside: the intervals that hold zero. Nothing is corrected for the number of comparisons: of twenty "
        "differences that are truly zero, one interval is expected to leave zero out.",
    ]
    if alone:
        notes.append(
            f"Without a run seed, real images or number of images in common with {against}: {', '.join(alone)}."
        )
    notes += [f"Left out: {count} cell{'s' * (count > 1)} ({reason})." for reason, count in group.without.items()]
    scope = f"; partial: tasks {ranges(group.tasks)}" if group.partial else ""
    where = f"{group.benchmark}, {group.tier} tier, {group.backbone}{scope}"
    return Sheet(
        title=f"Paired differences in A_mmd against {against}: {where}",
        caption="Same concepts, real images, prompts and noise in both methods of a pair.",
        grids=tuple(grids),
        notes=tuple(notes),
    )


def pairwise_csv(pairs: Iterable[Pairs], more: Iterable[Sequence[object]] = ()) -> str:
    """Every pair of methods of every group, first less second, in both estimates; not rounded, x 10^3.

    `more`: further lines of the same fields, in their own units; None is an empty field.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_FIELDS)
    lines: list[Sequence[object]] = []
    for group in pairs:
        common = (group.benchmark, group.tier, group.backbone, ranges(group.tasks))
        for form, metric in (("v", "a_mmd"), ("u", "a_mmd_unbiased")):
            for first, second in itertools.combinations(group.scored, 2):
                found = compared(group.scored[first], group.scored[second], "v" if form == "v" else "u")
                if found is not None:
                    limits = [x for interval in found.intervals.values() for x in (interval.low, interval.high)]
                    size = len(group.scored[first][found.shared[0]].values["v"][0].without)
                    counts = (size, found.tasks.n, join(found.shared, " "), "1e-3")
                    lines.append((*common, metric, first, second, found.value, *limits, *counts))
    writer.writerows([harmless(value) for value in line] for line in (*lines, *more))
    return stream.getvalue()
