"""An exception from code that is not ours, as one sentence that ends with its file and line; the traceback is kept."""

from __future__ import annotations

import os
import traceback
from types import FrameType

from harness.errors import BenchError, PluginError, reason


def explained(error: Exception, module: str) -> Exception:
    """An error that a step ended with, as it is told: in a sentence, with the traceback in `trace`.

    Args:
        module: of the plugin whose step it is; empty where it is nobody's.

    Returns:
        A `PluginError` if a line of the plugin's package was under way, else a `BenchError`. What is told in a
        sentence already stays what it is, and so does what the system could not do.
    """
    where = _place(error, module.partition(".")[0]) if module else ""
    if isinstance(error, BenchError) or (isinstance(error, OSError) and not where):
        told: Exception = error
    elif where:
        told = PluginError(f"{type(error).__name__}: {reason(error)} ({where})")
    else:
        told = BenchError(f"unexpected {type(error).__name__}: {reason(error)} ({_place(error, '')})")
    if isinstance(told, BenchError) and not told.trace:
        told.trace = "".join(traceback.format_exception(error))
    return told


def _place(error: BaseException, package: str) -> str:
    """File and line of the innermost frame of that package, or of any; empty if there is none."""
    place, step = "", error.__traceback__
    while step is not None:
        if not package or _package(step.tb_frame) == package:
            place = f"{_shown(step.tb_frame.f_code.co_filename)}, line {step.tb_lineno}"
        step = step.tb_next
    return place


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _shown(path: str) -> str:
    """A path as the user would write it: relative where it lies under the current folder."""
    here = os.path.realpath(os.curdir) + os.sep
    return os.path.realpath(path).removeprefix(here)
