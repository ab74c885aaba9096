"""Where modules may come from: never from the current folder unless it was named, and this program's own from its home.

Python puts the current folder, or '', before everything else for `python -m` and `python -c`, and so for each process
that multiprocessing starts. What lies beside a user's photographs would be run then.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

HOME: Final = Path(__file__).parent.parent  # the folder that this program's packages lie in
METHODS: Final = "methods"  # whose source is part of their results' keys: see Method.source_hash
VERSIONED: Final = ("harness", "benchmarks", "reports")  # whose steps have versions
PACKAGES: Final = (*VERSIONED, METHODS)
SAFE: Final = "PYTHONSAFEPATH"  # Python 3.11 and later: nothing is put before the path


def named_folders(environment: Mapping[str, str]) -> list[str]:
    """What PYTHONPATH names. An empty part, as in PYTHONPATH=$PYTHONPATH:/x, names nothing."""
    return [part for part in environment.get("PYTHONPATH", "").split(os.pathsep) if part]


def without_current_folder(path: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The import path without the current folder, unless PYTHONPATH names that, or this program lies there."""
    here = os.path.realpath(os.getcwd())
    kept = {os.path.realpath(part) for part in [*named_folders(environment), str(HOME)]}
    return [part for part in path if here in kept or os.path.realpath(part or here) != here]


def leave_current_folder() -> None:
    """Take the current folder off this process's import path, and keep it off those of the processes that it starts."""
    sys.path[:] = without_current_folder(sys.path, os.environ)
    if "PYTHONPATH" in os.environ:
        os.environ["PYTHONPATH"] = os.pathsep.join(named_folders(os.environ))
    os.environ[SAFE] = "1"


@contextmanager
def starting_processes() -> Iterator[None]:
    """Python processes that start in it do not have the current folder on their import path by default."""
    before = os.environ.get(SAFE)
    os.environ[SAFE] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(SAFE, None)
        else:
            os.environ[SAFE] = before
