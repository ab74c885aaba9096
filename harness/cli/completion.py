"""What a shell offers behind a tab: registered names, also behind the commas of a list. Imports no plugin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def benchmarks(incomplete: str) -> list[str]:
    """Names of benchmarks; a shell has folders of its own."""
    from harness import registry

    return [name for name in registry.benchmarks().names() if name.startswith(incomplete)]


def methods(incomplete: str) -> list[str]:
    """Names of methods of any setting, the last of a list that is typed."""
    from harness import registry

    known = {name for setting in registry.setting_names() for name in registry.methods(setting).names()}
    return list(_last(incomplete, sorted(known)))


def metrics(incomplete: str) -> list[str]:
    """Names of metrics, the last of a list that is typed."""
    from harness import registry

    return list(_last(incomplete, registry.metrics().names()))


def plugins(incomplete: str) -> list[str]:
    """Names of methods and of metrics."""
    return [*methods(incomplete), *metrics(incomplete)]


def _last(incomplete: str, names: Iterable[str]) -> Iterator[str]:
    before, comma, begun = incomplete.rpartition(",")
    taken = before.split(",")
    return (before + comma + name for name in names if name.startswith(begun) and name not in taken)
