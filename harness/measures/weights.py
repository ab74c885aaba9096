"""A folder of weights that a user named for a metric: looked at before anything of it is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.backbones.checks import refuse_pointers
from harness.errors import UsageError, first_line


def check_weights(folder: Path, metric: str, needed: str, files: Sequence[str]) -> None:
    """That it has these files, and not what stands for them before a download.

    Raises:
        UsageError: it has not.
    """
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        raise UsageError(
            f"The weights of the metric '{metric}': {folder} has no {' and no '.join(missing)}; name {needed}."
        )
    refuse_pointers([folder / name for name in files], folder, str(folder))


def unusable(folder: Path, metric: str, needed: str, error: Exception) -> UsageError:
    """What to say where a library cannot load them."""
    return UsageError(
        f"The weights of the metric '{metric}': {folder} cannot be loaded ({first_line(error)}); name {needed}."
    )
