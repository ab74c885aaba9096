"""What is asked for, on the command line or in Python, turned into a run's spec and the benchmark that it names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from harness.errors import UsageError
from harness.front.beforehand import require_whole
from harness.front.method_names import Methods, wanted_methods
from harness.front.metric_names import MetricLike, wanted_metrics
from harness.front.option_values import known_dtype, known_setting, known_tier, parse_seeds
from harness.overrides import Assignment, assigned, assignments, protocol_changes
from harness.spec import Benchmark, RunSpec, parse_tasks

if TYPE_CHECKING:
    from harness.data.selection import Watch


@dataclass(frozen=True)
class Request:
    """A run's spec, and the benchmark that it names."""

    spec: RunSpec
    benchmark: Benchmark


def make_request(
    benchmark: str | Path, *, methods: Methods | None = None,
    options: Mapping[str, Any] | Iterable[str | Assignment] = (), seeds: str | int | Iterable[int] = 0,
    tier: str = "mini", limit: int | None = None, tasks: str | int | None = None, setting: str | None = None,
    split_into: int | None = None, class_order: int | None = None, min_side: int | None = None,
    dtype: str | None = None, device: str | Sequence[str] = "auto", output: str | Path = "runs",
    backbone: str | Path | None = None, extractor: str | Path | None = None, strict: bool = False,
    watch: Watch | None = None, holdout: int | None = None,
    metrics: MetricLike | Sequence[MetricLike] | None = None, **rest: Any,
) -> Request:  # fmt: skip
    """Check what is asked for, in the order in which a user would mend it.

    Args:
        benchmark: A registered name, or a folder.
        methods: See `harness.front.method_names.wanted_methods`.
        options: Changed options; see `harness.overrides.assignments`.
        seeds: Run seeds, as a list or as '0,1,2'.
        tier: The tier's name.
        limit: Only the first so many tasks.
        tasks: The same as '1-N'; one of the two at most.
        setting: Of a folder of images.
        split_into: Of a folder of classes: into how many tasks.
        class_order: Classification: one class order for every seed.
        min_side: Pixels that an image's shorter side needs in a folder.
        dtype: 'float32', 'bfloat16' or 'float16'.
        device: As `--device` has it, or a list of devices.
        output: The results folder.
        backbone: Instead of the tier's.
        extractor: Instead of the tier's.
        strict: Refuse a folder of images of which something is not used, or odd (docs/data.md).
        watch: Shows how far the reading of a folder's images is.
        holdout: So many photographs of each concept are kept out of training, and measured against.
        metrics: Measures beside the setting's own figures; see `harness.front.metric_names.wanted_metrics`.
        rest: Other fields of `RunSpec`.

    Raises:
        UsageError: a name, option or value cannot be used.
    """
    from harness import api

    changes = assignments(options)
    precision = known_dtype(dtype)
    if limit is not None and tasks is not None:
        raise UsageError("Give --limit or --tasks, not both.")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise UsageError(f"--limit {limit} cannot be used; give a whole number of 1 or more.")
    seed_values = parse_seeds(seeds)
    kind = known_setting(setting)
    named = str(benchmark)
    found = api.find_benchmark(named, known_tier(tier), kind, split_into, class_order, watch, min_side, holdout)
    if strict:
        require_whole(found, tier)
    total = len(found.tasks(tier))
    chosen = tuple(range(1, min(limit, total) + 1)) if limit else None
    if tasks is not None:
        chosen = parse_tasks(str(tasks), total)
    fields: dict[str, Any] = {
        "benchmark": named, "tier": tier, "seeds": seed_values, "tasks": chosen, "dtype": precision,
        "methods": assigned(wanted_methods(methods, found.setting), changes, found.setting),
        "backbone": _text(backbone), "extractor": _text(extractor),
        "device": device if isinstance(device, str) else ",".join(device), "output": Path(output),
        "setting": kind, "split_into": split_into, "class_order": class_order, "min_side": min_side,
        "holdout": holdout, "metrics": wanted_metrics(metrics),
        **protocol_changes(changes), **rest,
    }  # fmt: skip
    try:
        return Request(RunSpec(**fields), found)
    except ValidationError as error:
        first = error.errors()[0]
        name = "-".join(str(first["loc"][0]).split("_")) if first["loc"] else "option"
        raise UsageError(f"--{name} cannot be {first['input']!r}: {first['msg'].lower()}.") from None


def _text(place: str | Path | None) -> str | None:
    return None if place is None else str(place)
