"""The one schema of results: tidy rows, and the cells they belong to.

Every table, figure and file that the project prints is made from these rows. Schema version 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from harness.spec import Frozen

SCHEMA_VERSION = 1

Metric = Literal[
    "a_mmd",
    "a_mmd_unbiased",
    "f_mmd",
    "f_mmd_unbiased",
    "kid",
    "n_param",
    "plasticity_distance",
    "mask_density",
    "residual_norm",
    "train_seconds",
    "noise_floor",
    "codec_floor",
]


class Row(Frozen, allow_inf_nan=True):  # a figure that came out as nan is reported as it is
    """One figure with its protocol.

    `task` is 1-based, or None for a figure of the whole cell. `layer` names the K/V matrix for per-layer figures.
    `low` and `high` bound a 95 % interval where one can be given. `n` is the number of images, tasks or matrices that
    the value averages over. `unit`: '1e-3' (MMD scores times 1000, lower is better), '1' (a plain number),
    '%' (share of the U-Net), 's' (seconds), 'fraction' (0 to 1).
    """

    benchmark: str
    tier: str
    backbone: str
    method: str
    seed: int
    task: int | None = None
    metric: Metric
    value: float
    low: float | None = None
    high: float | None = None
    n: int
    unit: str
    partial: bool
    layer: str | None = None


class TaskResult(Frozen):
    """Where the images of one task lie: folders of PNG files named 00.png, 01.png, ..."""

    index: int = Field(ge=1)
    name: str
    category: str
    real: Path
    generated: Path  # X_{N,j}: by the model after the last task


class CellResult(Frozen):
    """One finished cell: (benchmark, tier, backbone, method, seed) with its options, rows and pictures.

    `label` is the method's name, followed by its changed options in brackets where they differ from the tier's
    defaults. `variant` tells apart what options do not: cells of different sources or checkpoints are not averaged.
    `tasks_total` is the benchmark's length, `tasks` holds those that were run. `protocol` records kernel,
    extractor, estimators, sampler and so on as plain text values.
    """

    benchmark: str
    title: str
    tier: str
    backbone: str
    method: str
    label: str
    seed: int
    options: Mapping[str, Any]
    variant: str = ""
    partial: bool
    tasks_total: int
    tasks: tuple[TaskResult, ...]
    protocol: Mapping[str, str]
    rows: tuple[Row, ...]
