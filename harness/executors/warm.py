"""What steps import, read once before workers are forked; and what keeps it from being imported, if anything does.

The process that workers are forked from must survive a library that does not import: it and each worker keep the
sentence, and the first who asks is told. `python -m harness.executors.warm MODULE ...` prints it, for each module.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from multiprocessing.connection import Connection

from harness.errors import LibraryError
from harness.machine.libraries import as_failure

_failed: list[LibraryError] = []


@contextmanager
def importing() -> Iterator[None]:
    """Imports that may fail: `check` then says so."""
    try:
        yield
    except Exception as error:  # a library may raise anything while it is imported
        _failed.append(as_failure(error))


def check() -> None:
    """Make sure that everything was imported in this process, or the one that it was forked from.

    Raises:
        LibraryError: it was not.
    """
    if _failed:
        raise _failed[0]


def tell(where: Connection) -> None:
    """Send what keeps things from being imported, or None: the first thing that the first forked process does."""
    where.send(_failed[0] if _failed else None)
    where.close()


def main(modules: list[str]) -> None:
    """Print of each module, as a line of JSON, what keeps it from being imported."""
    for module in modules:
        before = len(_failed)
        import_module(module)
        print(json.dumps({module: str(_failed[-1]) if len(_failed) > before else ""}), flush=True)


if __name__ == "__main__":
    import faulthandler

    from harness.executors import warm  # what is imported below tells that module, not this one named __main__

    faulthandler.enable()
    warm.main(sys.argv[1:])
