"""A folder of weights that a user named for a metric."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from harness.backbones.checks import refuse_pointers
from harness.errors import UsageError, first_line
from harness.metric import Metric

FILES = ("config.json", "model.safetensors")


@contextmanager
def loading(folder: Path, metric: type[Metric]) -> Iterator[None]:
    """Look at the folder before anything of it is loaded, and say what a library could not load.

    Raises:
        UsageError: it lacks one of `FILES`, has what stands for it before a download, or cannot be loaded.
    """
    which = f"The weights of the metric '{metric.name}': {folder}"
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise UsageError(f"{which} has no {' and no '.join(missing)}; name {metric.weights_needed}.")
    refuse_pointers([folder / name for name in FILES], folder, str(folder))
    try:
        yield
    except (OSError, RuntimeError, TypeError, ValueError, KeyError) as error:
        raise UsageError(f"{which} cannot be loaded ({first_line(error)}); name {metric.weights_needed}.") from error


def timm_network(folder: Path) -> Any:
    """The network of a timm folder without its head; to be called while `loading`."""
    import timm

    with torch.random.fork_rng(devices=[]):  # weights are drawn before they are read
        return timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=0)
