"""Files that a method's hooks write and read: another worker may not find the one, and the other is in no key.

Python tells of each file that is opened by an audit event. A listener cannot be removed, so it is added once, when a
hook is first looked at, and does nothing between hooks. Files that libraries open in compiled code are not told of.
"""

from __future__ import annotations

import os
import site
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from harness.method import Method
from harness.sources.home import HOME, PACKAGES
from harness.sources.method_source import method_source

# thread that runs a hook -> which one, as the subject of a sentence
_RUNNING: dict[int, str] = {}
_WRITTEN: dict[str, str] = {}
_READ: dict[str, str] = {}
_WRITES = os.O_WRONLY | os.O_RDWR
_CODE = (".py", ".pyc", ".so", ".pyd")
# of Python, its libraries, and this program
_INSTALLED = (sys.prefix, sys.base_prefix, *site.getsitepackages(), *(str(HOME / each) for each in PACKAGES))
_HOMES = tuple({os.path.realpath(each) for each in _INSTALLED})


@contextmanager
def files_watched(who: str) -> Iterator[None]:
    """Note the files that this thread opens within, for `file_notes`."""
    _listen()
    thread = threading.get_ident()
    _RUNNING[thread] = who
    try:
        yield
    finally:
        del _RUNNING[thread]


def file_notes(method: Method[Any]) -> list[str]:
    """A sentence on the first file that each hook wrote, or read and that is no part of its key, since asked last."""
    written, read = dict(_WRITTEN), dict(_READ)
    _WRITTEN.clear()
    _READ.clear()
    notes = [
        f"{who} writes {path}, which another process or machine may not find, nor a run that takes this task from its "
        "store; return what the next task needs from end_task()"
        for who, path in _firsts(written)
    ]
    if not read:
        return notes
    counted = {os.path.realpath(path) for path in method_source(type(method), Method).files}
    uncounted = {path: who for path, who in read.items() if path not in written and not _known(path, counted)}
    return notes + [
        f"{who} reads {path}, which is not part of its results' keys: an edit of it would go unnoticed; name it in the "
        "class's data_files, or give what it holds as an option"
        for who, path in _firsts(uncounted)
    ]


def _firsts(found: dict[str, str]) -> list[tuple[str, str]]:
    """(who, path): the first path of each."""
    return list({who: (who, path) for path, who in reversed(found.items())}.values())[::-1]


def _known(path: str, counted: set[str]) -> bool:
    """Whether a file is part of the key, of Python, or of an installed library."""
    real = os.path.realpath(path)
    return real in counted or not os.path.isfile(real) or real.startswith(tuple(f"{home}{os.sep}" for home in _HOMES))


@cache
def _listen() -> None:
    sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open" or not _RUNNING:
        return
    path, _, flags = arguments
    who = _RUNNING.get(threading.get_ident())
    if who is None or not isinstance(flags, int) or not isinstance(path, str | bytes):
        return
    name = os.fsdecode(path)
    if "__pycache__" not in name and not name.startswith(("/dev/", "/proc/", "/sys/")) and not name.endswith(_CODE):
        (_WRITTEN if flags & _WRITES else _READ).setdefault(os.path.abspath(name), who)
