"""Where this program's packages lie, and what they are called. Imports nothing but the standard library."""

from __future__ import annotations

from pathlib import Path
from typing import Final

HOME: Final = Path(__file__).parent.parent.parent  # the folder that this program's packages lie in
METHODS: Final = "methods"  # whose source is part of their results' keys: see Method.source_hash
VERSIONED: Final = ("harness", "benchmarks", "reports")  # whose steps have versions
PACKAGES: Final = (*VERSIONED, METHODS)
FRONT_DOOR: Final = "stamina_bench"  # the module beside them: the console script, and their public names


def is_ours(path: Path) -> bool:
    """Whether a file is one of this program's, of its packages or the module beside them."""
    return any(path.is_relative_to(HOME / each) for each in (*PACKAGES, f"{FRONT_DOOR}.py"))


def is_built_in(cls: type) -> bool:
    """Whether a class is one of this program's own methods, whose behaviour its tests know."""
    return cls.__module__.partition(".")[0] == METHODS
