"""What is installed: benchmarks, methods, tiers and metrics, with their settings and where each comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from harness import registry

if TYPE_CHECKING:
    import pandas as pd

FIELDS = ("name", "settings", "summary", "origin")


def listed() -> Iterator[dict[str, Any]]:
    """Every plugin: {kind, name, settings, summary, origin, licence, citation}; a method of both settings once.

    The last two are empty where a plugin says nothing of them.

    Raises:
        UsageError: a plugin cannot be loaded.
    """

    def row(kind: str, name: str, settings: Sequence[str], plugins: registry.Registry[Any]) -> dict[str, Any]:
        plugin, origin = plugins.get(name), plugins.origin(name)
        terms = {field: getattr(plugin, field, "") for field in ("licence", "citation")}
        return {
            "kind": kind, "name": name, "settings": list(settings), "summary": plugin.summary, "origin": origin, **terms
        }  # fmt: skip

    benchmarks, tiers = registry.benchmarks(), registry.tiers()
    for name in benchmarks.names():
        yield row("benchmark", name, [benchmarks.get(name).setting], benchmarks)
    known = map(registry.methods, registry.setting_names())
    for name in sorted({name for methods in known for name in methods.names()}):
        settings = registry.settings_of(name)
        yield row("method", name, settings, registry.methods(settings[0]))
    for name in tiers.names():
        tier = tiers.get(name)
        served = [name for name in registry.setting_names() if registry.setting(name).models(tier, None)]
        yield row("tier", name, served, tiers)
    metrics = registry.metrics()
    for name in metrics.names():
        yield row(
            "metric", name, [each for each in registry.setting_names() if registry.setting(each).measures], metrics
        )


def list_methods() -> pd.DataFrame:
    """The registered methods.

    Returns:
        A frame with the columns name, settings (comma-separated), summary and origin ('distribution: module:Class').

    Raises:
        UsageError: a plugin cannot be loaded.

    Example:
        >>> sb.list_methods().query("settings.str.contains('classification')").name.tolist()
    """
    return _frame("method")


def list_benchmarks() -> pd.DataFrame:
    """The registered benchmarks.

    Returns:
        A frame with the columns name, settings, summary and origin.

    Raises:
        UsageError: a plugin cannot be loaded.

    Example:
        >>> "mixed50" in set(sb.list_benchmarks().name)
        True
    """
    return _frame("benchmark")


def list_metrics() -> pd.DataFrame:
    """The registered measures that a run may be asked for beside its setting's own figures.

    Returns:
        A frame with the columns name, settings, summary and origin.

    Raises:
        UsageError: a plugin cannot be loaded.

    Example:
        >>> sb.list_metrics().name.tolist()
    """
    return _frame("metric")


def _frame(kind: str) -> pd.DataFrame:
    import pandas as pd

    rows = [{**row, "settings": ", ".join(row["settings"])} for row in listed() if row["kind"] == kind]
    return pd.DataFrame(rows, columns=list(FIELDS))
