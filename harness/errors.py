"""What can go wrong, and the exit code that says so. Every message names the culprit and the remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from enum import IntEnum
from typing import Any

# a password or token in a URL, and a token of the Hugging Face hub
_SECRET = re.compile(r"(?<=://)[^\s/@]+(?=@)|\bhf_[A-Za-z0-9]{16,}")


class ExitCode(IntEnum):
    """The exit codes of `stamina-bench`, documented in the README."""

    DONE = 0
    CELLS_FAILED = 1
    USAGE = 2
    REGRESSION = 3
    INTERRUPTED = 130


class BenchError(Exception):
    """Base of all errors meant for the user; printed as one line, without a traceback unless `--debug`."""

    exit_code: ExitCode = ExitCode.CELLS_FAILED
    trace: str = ""  # of the error behind it, where that is somebody else's: for --debug, and for the file of failures

    def __str__(self) -> str:
        return presentable(super().__str__())


class UsageError(BenchError):
    """A name, option, value, file or folder given by the user cannot be used."""

    exit_code = ExitCode.USAGE


class PluginError(BenchError):
    """A plugin's code is at fault: the sentence names its hook, parameter or penalty, and what is wrong with it."""


class MachineError(UsageError):
    """This machine, or a limit on the process, does not let the work begin: no worker can be started, say."""


class LibraryError(MachineError):
    """A library that steps need cannot be imported."""


class CellsFailedError(BenchError):
    """Cells of a run failed, and it was not to go on without them.

    Attributes:
        results: what is finished, a `reports.run_results.Results`.
    """

    def __init__(self, message: str, results: Any = None) -> None:
        super().__init__(message)
        self.results = results


class OutOfMemoryError(BenchError):
    """A device's memory was too small for a step, or for all that was on it at the time."""


class StoreError(BenchError):
    """The results folder cannot be read or written."""

    exit_code = ExitCode.USAGE


class UnwritableError(StoreError):
    """The results folder cannot be written: its disk is full, say. No step could be kept."""


class UncountedSourceWarning(UserWarning):
    """Of a method's source something cannot be counted, so that an edit of it would reuse results, or looks wrong."""


def presentable(text: str) -> str:
    """The text on one line, as a terminal or a log may show it.

    A space stands for each character that cannot be seen (escape sequences, line ends, changes of direction), an
    ellipsis for a password or token, `\\xe9` for a byte of a file's name that is no UTF-8.
    """
    shown = (c if c.isprintable() else f"\\x{ord(c) - 0xDC00:02x}" if _is_byte(c) else " " for c in text)
    return _SECRET.sub("…", "".join(shown))


def _is_byte(char: str) -> bool:
    """Whether Python has it for a byte of a file's name that it could not read."""
    return "\udc80" <= char <= "\udcff"


def shortened(name: object, most: int = 60) -> str:
    """A name or a path for a sentence: of each of its parts that is longer than `most`, the beginning and the end."""
    parts = str(name).split("/")
    return "/".join(part if len(part) <= most else f"{part[: most - 16]}…{part[-15:]}" for part in parts)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type's name."""
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__


def reason(error: BaseException) -> str:
    """The same as part of a sentence: without a full stop at its end."""
    return first_line(error).rstrip(".") or type(error).__name__


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Up to `count` known names closest to `name`, best first (empty where nothing is close)."""
    return difflib.get_close_matches(name.lower(), list(known), n=count, cutoff=0.45)


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for an unknown name: one sentence with the nearest names, or with all of them if none is near."""
    known = sorted(known)
    close = nearest(name, known)
    if close:
        return UsageError(f"Unknown {kind} '{name}'; did you mean {' or '.join(close)}?")
    return UsageError(f"Unknown {kind} '{name}'; known: {', '.join(known) or 'none'}.")
