"""Where modules may come from: never from the current folder unless it was named, and this program's own from its home.

Importing this module imports this program's packages, whose names are common ones, from beside each other.

Python puts the current folder, or '', before everything else for `python -m` and `python -c`, and so for each process
that multiprocessing starts. What lies beside a user's photographs would be run then.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Final

from harness.sources.collisions import spoilt
from harness.sources.home import HOME, PACKAGES

SAFE: Final = "PYTHONSAFEPATH"  # Python 3.11 and later: nothing is put before the path


def named_folders(environment: Mapping[str, str]) -> list[str]:
    """What PYTHONPATH names. An empty part, as in PYTHONPATH=$PYTHONPATH:/x, names nothing."""
    return [part for part in environment.get("PYTHONPATH", "").split(os.pathsep) if part]


def without_current_folder(path: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The import path without the current folder, unless PYTHONPATH names that, or this program lies there.

    It stays where a distribution that is installed in place put it, which is behind the standard library.
    """
    try:
        here = os.path.realpath(os.getcwd())
    except FileNotFoundError:  # it was deleted
        return [part for part in path if os.path.isabs(part)]
    if here in {os.path.realpath(part) for part in [*named_folders(environment), str(HOME)]}:
        return list(path)
    standard = os.path.dirname(os.__file__)
    end = path.index(standard) if standard in path else len(path)
    kept = [part for part in path[:end] if os.path.realpath(part or here) != here]
    after = list(path[end:])
    # Python adds nothing twice: what was there in front is not there again, though it was installed
    if len(kept) < end and here not in map(os.path.realpath, after) and _installed_in_place(here, after):
        after.append(here)
    return kept + after


def _installed_in_place(folder: str, path: Sequence[str]) -> bool:
    """Whether a path file (`*.pth`) in one of the path's folders names a folder."""
    for file in [file for part in path for file in sorted(Path(part).glob("*.pth"))]:
        try:
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        if any(os.path.realpath(file.parent / line.strip()) == folder for line in lines if line.strip()):
            return True
    return False


def leave_current_folder() -> None:
    """Take the current folder off this process's import path, and keep it off those of the processes that it starts."""
    sys.path[:] = without_current_folder(sys.path, os.environ)
    if "PYTHONPATH" in os.environ:
        os.environ["PYTHONPATH"] = os.pathsep.join(named_folders(os.environ))
    os.environ[SAFE] = "1"


@contextmanager
def starting_processes() -> Iterator[None]:
    """Python processes that start in it do not have the current folder on their import path by default.

    Nor do those of multiprocessing run the main module again, as they would: workers need nothing of it, and a script
    that calls `run` without `if __name__ == "__main__"` would call it in each of them.
    """
    before = os.environ.get(SAFE)
    os.environ[SAFE] = "1"
    main = vars(sys.modules["__main__"])  # it would be found by these two
    hidden: dict[str, Any] = {name: main[name] for name in ("__file__", "__spec__") if name in main}
    main.pop("__file__", None)
    main["__spec__"] = None
    try:
        yield
    finally:
        main.update(hidden)
        if before is None:
            os.environ.pop(SAFE, None)
        else:
            os.environ[SAFE] = before


def import_from_home(name: str) -> None:
    """Import one of this program's packages from its home, wherever else the import path has one of that name.

    Raises:
        ImportError: another one of that name is imported already, or this one is not there, or not whole.
    """
    folder = HOME / name
    module = sys.modules.get(name)
    if module is not None:
        place = _place_of(module)
        if place is None or place.resolve() != folder.resolve():
            raise ImportError(
                f"{place or 'a module without a file'} is imported as '{name}', which is the name of a package of "
                f"stamina-bench ({folder}), too; give it another name, or uninstall its distribution."
            )
        return
    spec = spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=[str(folder)])
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ImportError(spoilt(name, error)) from error


def _place_of(module: Any) -> Path | None:
    """The folder of a package, the file of a module."""
    file = getattr(module, "__file__", None)
    if file is not None:
        return Path(file).parent if Path(file).name == "__init__.py" else Path(file)
    folders = list(getattr(module, "__path__", ()))
    return Path(folders[0]) if folders else None


def packages_from_home() -> None:
    """Import this program's packages from beside each other, whatever lies on the import path before them.

    Raises:
        ImportError: another one of such a name is imported already, or one is not there, or not whole.
    """
    for name in PACKAGES:
        import_from_home(name)


packages_from_home()
