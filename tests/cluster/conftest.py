"""The cluster that these tests run on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from one_node_slurm import NEEDED, one_node


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Slurm's commands work."""
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    if lacking or os.geteuid() != 0:
        pytest.skip(f"needs Slurm and munge; there is no {', '.join(lacking)}" if lacking else "needs root")
    with one_node(tmp_path_factory.mktemp("slurm")):
        yield
