"""Tiny cells whose figures can be checked by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from PIL import Image

from harness.results import CellResult, Row, TaskResult

UNITS = {"kid": "1", "n_param": "%", "train_seconds": "s", "mask_density": "fraction", "plasticity_distance": "1"}


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., CellResult]:
    """A factory of cells; `whole` gives metric -> value or (value, low, high), `tasks` the number of tasks run."""

    def cell(
        label: str = "stamina",
        seed: int = 0,
        whole: Mapping[str, Any] | None = None,
        curves: Mapping[str, list[float]] | None = None,
        tasks: int = 3,
        total: int | None = None,
        benchmark: str = "toy",
        partial: bool = False,
        generated: int = 2,
        size: int = 64,
        **other: Any,
    ) -> CellResult:
        common: dict[str, Any] = {
            "benchmark": benchmark,
            "tier": "mini",
            "backbone": "tiny",
            "method": other.pop("method", label),
            "seed": seed,
            "partial": partial,
        }

        def row(metric: str, value: float, **extra: Any) -> Row:
            return Row(**common, metric=metric, value=value, n=3, unit=UNITS.get(metric, "1e-3"), **extra)  # type: ignore[arg-type]

        rows: list[Row] = []
        for metric, value in (whole or {}).items():
            if isinstance(value, tuple):
                rows.append(row(metric, value[0], low=value[1], high=value[2]))
            else:
                rows.append(row(metric, value))
        for metric, values in (curves or {}).items():
            rows += [row(metric, value, task=task) for task, value in enumerate(values, start=1)]
            rows.append(row(metric, 99.0, task=1, layer="mid.to_k"))
        results: list[TaskResult] = []
        for index in range(1, tasks + 1):
            real, made = tmp_path / f"{size}-real-{index}", tmp_path / f"{size}-{generated}-made-{index}"
            for folder, colour, count in ((real, (255, 0, 0), 2), (made, (0, 0, 255), generated)):
                folder.mkdir(exist_ok=True)
                for number in range(count):
                    Image.new("RGB", (size, size), colour).save(folder / f"{number:02d}.png")
            results.append(
                TaskResult(index=index, name=f"person {index}", category="person", real=real, generated=made)
            )
        return CellResult(
            **common,
            title=other.pop("title", "Toy sequence"),
            label=label,
            options=other.pop("options", {}),
            tasks_total=tasks if total is None else total,
            tasks=tuple(results),
            protocol=other.pop("protocol", {"kernel": "polynomial"}),
            rows=tuple(rows),
        )

    return cell


@pytest.fixture
def make_classes() -> Callable[..., CellResult]:
    """A factory of cells of the classification setting; `matrix` holds a_{i,j} in %, row i with i figures.

    A matrix of one row of several figures is that of a method which learns all classes at once.
    """

    def cell(
        label: str = "stamina",
        seed: int = 0,
        matrix: Sequence[Sequence[float]] = ((90.0,), (60.0, 80.0), (30.0, 50.0, 70.0)),
        whole: Mapping[str, tuple[float, str]] | None = None,
        total: int | None = None,
        benchmark: str = "objects",
        **other: Any,
    ) -> CellResult:
        last, joint = len(matrix[-1]), len(matrix) == 1 < len(matrix[0])
        common: dict[str, Any] = {
            "benchmark": benchmark, "tier": "mini", "backbone": other.pop("backbone", "tiny-vit"),
            "method": other.pop("method", label), "seed": seed, "partial": other.pop("partial", False),
        }  # fmt: skip
        rows: list[Row] = []

        def add(metric: str, value: float, n: int = 10, unit: str = "%", **extra: Any) -> None:
            rows.append(Row(**common, metric=metric, value=value, n=n, unit=unit, **extra))  # type: ignore[arg-type]

        a = {(last if joint else i): list(row) for i, row in enumerate(matrix, 1)}
        for i, row in a.items():
            for j, value in enumerate(row, 1):
                add("accuracy", value, task=j, after=i)
            add("a_n", fmean(row), i, task=i)
        add("a_n", fmean(a[last]), last, low=fmean(a[last]) - 2, high=fmean(a[last]) + 2)
        if not joint:
            add("a_n_mean", fmean(fmean(row) for row in a.values()), last)
            drops = {j: max(a[i][j - 1] for i in range(j, last)) - a[last][j - 1] for j in range(1, last)}
            costs = {n: fmean(a[n - 1][j] - a[n][j] for j in range(n - 1)) for n in range(2, last + 1)}
            learned = {j: a[j][j - 1] for j in a}
            for metric, values in (
                ("forgetting_max", drops), ("forgetting_step", costs), ("learned_accuracy", learned)
            ):  # fmt: skip
                for task, value in values.items():
                    add(metric, value, task=task)
                add(metric, fmean(values.values()) if values else 0.0, len(values))
        for metric, (value, unit) in (whole or {}).items():
            add(metric, value, unit=unit)
        return CellResult(
            **common, setting="classification", title=other.pop("title", "Objects in two steps"), label=label,
            options=other.pop("options", {}), tasks_total=last if total is None else total,
            tasks=tuple(TaskResult(index=j, name=f"classes {j}", category="cat, dog") for j in range(1, last + 1)),
            protocol=other.pop("protocol", {"accuracy": "arg-max"}), rows=tuple(rows), **other,
        )  # fmt: skip

    return cell
