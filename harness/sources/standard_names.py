"""A file of the user's under the name of a module of Python's standard library, on a path that PYTHONPATH names."""

from __future__ import annotations

import os
import sys


def in_the_way() -> str:
    """A sentence on such files that were imported in place of Python's own; '' if there are none."""
    home = os.path.dirname(os.__file__) + os.sep  # nothing else is asked for: the standard library is not whole
    files = {name: getattr(sys.modules.get(name), "__file__", None) for name in sorted(sys.stdlib_module_names)}
    found = [f"{file} for '{name}'" for name, file in files.items() if file and not file.startswith(home)]
    if not found:
        return ""
    return (
        f"Python imports {' and '.join(found)}, the name of a module of its own, because PYTHONPATH names that folder; "
        "rename the file, or name another folder."
    )
