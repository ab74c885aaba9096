"""A metric with weights of its own, that a user names: `--metrics dino=FOLDER`, or with packages of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.backbones.hashes import Fingerprints
from harness.errors import UsageError
from harness.metric import Metric
from harness.sources.named_file import names_file

_HASHES = Fingerprints()  # of this process: a file is hashed once


def split(named: str) -> tuple[str, str]:
    """A metric's name, and the folder of its weights, empty if none is named."""
    name, _, folder = (named, "", "") if names_file(named) else named.partition("=")
    return name.strip(), folder.strip()


def with_weights(metric: type[Metric], name: str, folder: str) -> type[Metric]:
    """The metric, knowing its folder, if it needs one: a class whose source hash is of the weights, too.

    Raises:
        UsageError: it needs weights and none are named, or the other way round; or there is no such folder.
    """
    if metric.weights_needed and not folder:
        raise UsageError(f"The metric '{name}' needs {metric.weights_needed}; name it: --metrics {name}=FOLDER.")
    if folder and not metric.weights_needed:
        raise UsageError(f"The metric '{name}' has no weights of its own; name it without ={folder}.")
    if not folder:
        return metric
    place = Path(folder)
    if not place.is_dir():
        raise UsageError(f"The weights of the metric '{name}': there is no folder {folder}.")

    return _also_of(metric, lambda: _HASHES.folder(place), weights=place)


def with_packages(metric: type[Metric], name: str) -> type[Metric]:
    """The metric, if what it imports is installed: a class whose source hash is of those packages' versions, too.

    Raises:
        UsageError: one of its packages is not installed.
    """
    if not metric.packages:
        return metric
    for module, wanted in metric.packages.items():
        if find_spec(module) is None:
            raise UsageError(
                f"The metric '{name}' needs {module}, which is not installed; run `pip install '{wanted}'`."
            )
    return _also_of(metric, lambda: ", ".join(sorted(f"{d} {version(d)}" for d in _distributions(metric.packages))))


def _distributions(modules: Iterable[str]) -> set[str]:
    known = packages_distributions()
    return {distribution for module in modules for distribution in known.get(module, ())}


def _also_of(metric: type[Metric], what: Callable[[], str], **attributes: Any) -> type[Metric]:
    """The same class, but its source hash is of something else, too."""

    def source_hash(cls: type[Metric]) -> str:
        return hashlib.sha256(f"{metric.source_hash()} {what()}".encode()).hexdigest()

    own = {
        "__module__": metric.__module__, "__doc__": metric.__doc__, **attributes,
        "source_hash": classmethod(source_hash), "source_notes": classmethod(lambda cls: metric.source_notes()),
    }  # fmt: skip
    return type(metric.__name__, (metric,), own)
