"""What the names in a text stand for."""

from __future__ import annotations

import ast
from collections.abc import Mapping


def imported_names(tree: ast.Module) -> dict[str, str]:
    """Local name -> what it stands for: 'np' -> 'numpy', 'default_rng' -> 'numpy.random.default_rng'."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def dotted(func: ast.expr, names: Mapping[str, str]) -> str:
    """'numpy.random.default_rng' of `np.random.default_rng`; what is no name becomes '?'."""
    if isinstance(func, ast.Name):
        return names.get(func.id, func.id)
    if isinstance(func, ast.Attribute):
        return f"{dotted(func.value, names)}.{func.attr}"
    return "?"
