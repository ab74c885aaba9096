"""Measures as a run names them: registered names, 'module:Class', 'FILE.py:Class', with '=FOLDER', or classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from harness import registry
from harness.errors import UsageError
from harness.front.method_names import class_reference
from harness.plugins.metric_weights import split
from harness.sources.named_file import whole_name

MetricLike: TypeAlias = str | type[Any]


def _all() -> list[str]:
    """Every registered one that needs nothing which only some benchmarks have, and neither weights nor packages."""
    known = {name: registry.metrics().get(name) for name in registry.metrics().names()}
    return [name for name, metric in known.items() if not (metric.needs or metric.weights_needed or metric.packages)]


def wanted_metrics(metrics: MetricLike | Sequence[MetricLike] | None) -> tuple[str, ...]:
    """The measures of a run, by names that hold in any folder.

    Args:
        metrics: 'clip_i,my_metric.py:MeanColour,dino=FOLDER', 'all' for every registered one that suits any benchmark
            and has no weights or packages of its own, or a list of such names and classes.

    Raises:
        UsageError: one is unknown or cannot be used, its weights are not there, or two have the same name.
    """
    given: Sequence[MetricLike] = [metrics] if isinstance(metrics, str | type) else metrics or []
    names: list[str] = []
    for each in given:
        if isinstance(each, type):
            names.append(class_reference(each, registry.metrics(), "metric"))
        elif isinstance(each, str):
            parts = [part.strip() for part in each.split(",") if part.strip()]
            if not parts:
                raise UsageError(f"--metrics names no metric; known: {', '.join(registry.metrics().names())}.")
            names += [name for part in parts for name in (_all() if part == "all" else [part])]
        else:
            raise UsageError(f"{each!r} cannot be used as a metric: give its name or its class.")
    found: dict[str, str] = {}
    for name in dict.fromkeys(map(_whole, names)):
        metric = registry.metric(name)
        if metric.name in found:
            raise UsageError(
                f"'{found[metric.name]}' and '{name}' both call their figures '{metric.name}'; rename one."
            )
        found[metric.name] = name
    return tuple(found.values())


def _whole(named: str) -> str:
    """The same, from whatever folder it is read again."""
    name, folder = split(named)
    return whole_name(name) + (f"={Path(folder).expanduser().absolute()}" if folder else "")
