"""A folder that a command writes for the user: new, and there by one rename, so that it is whole or not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import UsageError
from harness.store.store import sync, usual_mode


def check_new(folder: Path) -> None:
    """Make sure that nothing would be written over, before the work whose outcome the folder is for.

    Raises:
        UsageError: the folder holds something, or is none.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists already; name a new folder to export to.")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Fill the folder that this yields; on a clean exit it becomes `folder`, which is new or empty, else it vanishes.

    Raises:
        UsageError: `folder` holds something, or cannot be written.
    """
    folder = Path(os.path.abspath(folder))
    check_new(folder)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        for path in temporary.rglob("*"):
            if path.is_file():
                usual_mode(path)
            sync(path)
        os.rename(temporary, folder)
        sync(folder.parent)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{folder} cannot be written ({reason}); export to another place.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
