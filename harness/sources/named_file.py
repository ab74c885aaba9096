"""A plugin in a file that the user names by its path: imported under the file's own name, with what lies beside it."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from harness.errors import UsageError

_FOLDERS: dict[str, str] = {}  # module -> the folder of the file that it was named by


def names_file(name: str) -> bool:
    """Whether it is 'FILE.py:Class'."""
    return name.partition(".py:")[2].isidentifier()


def whole_name(name: str) -> str:
    """The same, from whatever folder it is read again; other names stay as they are."""
    file, _, attribute = name.rpartition(":")
    return f"{Path(file).expanduser().absolute()}:{attribute}" if names_file(name) else name


def module_name(name: str) -> str:
    """'my_method:Mine' of 'path/to/my_method.py:Mine', which can be imported then; other names stay as they are.

    Raises:
        UsageError: as of `module_of`.
    """
    file, _, attribute = name.rpartition(":")
    return f"{module_of(Path(file))}:{attribute}" if names_file(name) else name


def folders_of(names: Iterable[str]) -> tuple[str, ...]:
    """Where the files lie that methods were named by, of 'my_method:Mine'; of others there is nothing to know."""
    modules = (name.partition(":")[0] for name in names)
    return tuple(dict.fromkeys(_FOLDERS[module] for module in modules if module in _FOLDERS))


def by_file(name: str, folders: Iterable[str]) -> str:
    """The opposite of `module_name`, where one of the folders has the file; other names stay as they are."""
    module, _, attribute = name.partition(":")
    files = [Path(folder, f"{module}.py") for folder in folders] if attribute else []
    return next((f"{file}:{attribute}" for file in files if file.is_file()), name)


def importable(folders: Iterable[str]) -> None:
    """Put folders last on the import path, where they are not on it."""
    for folder in folders:
        if folder not in sys.path:
            sys.path.append(folder)
            importlib.invalidate_caches()


def module_of(file: Path) -> str:
    """The name of the module in a file, which can be imported then: its folder comes last on the import path.

    Raises:
        UsageError: there is no such file, its name is none of a module's, or another module has it.
    """
    file = file.expanduser().absolute()
    if not file.is_file():
        raise UsageError(f"There is no file {file}; name one as FILE.py:Class.")
    if not file.stem.isidentifier():
        raise UsageError(
            f"{file} cannot be imported under its name; use letters, digits and '_' only, as in my_file.py."
        )
    importable([str(file.parent)])
    loaded = sys.modules.get(file.stem)
    spec = find_spec(file.stem) if loaded is None else loaded.__spec__
    origin = spec.origin if spec is not None else None
    if origin is None or os.path.realpath(origin) != os.path.realpath(file):
        what = f"is {origin}" if origin else "is part of Python"
        raise UsageError(f"{file} has the name of another module, '{file.stem}', which {what}; rename the file.")
    _FOLDERS[file.stem] = str(file.parent)
    return file.stem
