"""Files that a method's hooks write: what is kept in them is found neither by another worker nor by what is resumed.

Python tells of each file that is opened by an audit event. A listener cannot be removed, so it is added once, when a
hook is first looked at, and does nothing between hooks. Files that libraries open in compiled code are not told of.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

# thread that runs a hook -> which one, as the subject of a sentence
_RUNNING: dict[int, str] = {}
_WRITTEN: dict[str, str] = {}
_WRITES = os.O_WRONLY | os.O_RDWR


@contextmanager
def files_watched(who: str) -> Iterator[None]:
    """Note the files that this thread opens for writing within, for `written_notes`."""
    _listen()
    thread = threading.get_ident()
    _RUNNING[thread] = who
    try:
        yield
    finally:
        del _RUNNING[thread]


def written_notes() -> list[str]:
    """A sentence on the first file that each hook wrote since this was asked last."""
    firsts = {who: path for path, who in reversed(_WRITTEN.items())}
    _WRITTEN.clear()
    return [
        f"{who} writes {path}, which another process or machine may not find, nor a run that takes this task from its "
        "store; return what the next task needs from end_task()"
        for who, path in reversed(firsts.items())
    ]


@cache
def _listen() -> None:
    sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open" or not _RUNNING:
        return
    path, _, flags = arguments
    who = _RUNNING.get(threading.get_ident())
    if who is None or not isinstance(flags, int) or not flags & _WRITES or not isinstance(path, str | bytes):
        return
    name = os.fsdecode(path)
    if "__pycache__" not in name and not name.startswith(("/dev/", "/proc/")):
        _WRITTEN.setdefault(name, who)
