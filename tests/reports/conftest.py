"""Tiny cells whose figures can be checked by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
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
