"""A plugin in a file that the user names by its path: imported under the file's own name, with what lies beside it."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from harness.errors import UsageError


def names_file(name: str) -> bool:
    """Whether it is 'FILE.py:Class'."""
    return name.partition(".py:")[2].isidentifier()


def whole_name(name: str) -> str:
    """The same, from whatever folder it is read again; other names stay as they are."""
    file, _, attribute = name.rpartition(":")
    return f"{Path(file).expanduser().absolute()}:{attribute}" if names_file(name) else name


def module_of(file: Path) -> str:
    """The name of the module in a file, which can be imported then: its folder comes last on the import path.

    Raises:
        UsageError: there is no such file, its name is none of a module's, or another module has it.
    """
    if not file.is_file():
        raise UsageError(f"There is no file {file}; name one as FILE.py:Class.")
    if not file.stem.isidentifier():
        raise UsageError(
            f"{file} cannot be imported under its name; use letters, digits and '_' only, as in my_file.py."
        )
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
        importlib.invalidate_caches()
    loaded = sys.modules.get(file.stem)
    spec = find_spec(file.stem) if loaded is None else loaded.__spec__
    origin = spec.origin if spec is not None else None
    if origin is None or os.path.realpath(origin) != os.path.realpath(file):
        what = f"is {origin}" if origin else "is part of Python"
        raise UsageError(f"{file} has the name of another module, '{file.stem}', which {what}; rename the file.")
    return file.stem
