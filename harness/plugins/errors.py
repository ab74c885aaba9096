"""What is said of a plugin that fails: which one, of which distribution, why, and where in its own files."""

from __future__ import annotations

import traceback
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError

from harness.errors import BenchError, PluginError, UsageError, nearest, reason
from harness.machine.libraries import library_failure
from harness.method import Method
from harness.sources.distributions import is_standard, site_folders
from harness.sources.home import PACKAGES
from harness.sources.replaced_hooks import replaces, used_names


def line_in_plugin(error: BaseException, module: str) -> str:
    """'FILE, line N' of the last call that the plugin's own files, or other files of the user's, made; '' for none.

    Args:
        module: a dotted name of the plugin's: what is of the same top-level package is its own, installed or not.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    top = module.partition(".")[0]
    found = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        file, home = frame.f_code.co_filename, str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if home == top or (home not in PACKAGES and not _of_libraries(file)):
            found = f"{file}, line {line}"
    return found


def explained(error: Exception, module: str) -> Exception:
    """An error that a step ended with, as it is told: in a sentence, with the traceback in `trace`.

    Args:
        module: of the plugin whose step it is; empty where it is nobody's.

    Returns:
        A `PluginError` that ends with file and line if a line of the plugin's was under way, else a `BenchError`. What
        is told in a sentence already stays what it is, and so does what the system could not do.
    """
    where = line_in_plugin(error, module) if module else ""
    if isinstance(error, BenchError) or (isinstance(error, OSError) and not where):
        told: Exception = error
    elif begun := _not_begun(error):
        told = PluginError(begun)
    elif (failure := library_failure(error, module)) is not None:  # what a method alone imports is no other's concern
        told = BenchError(str(failure))
    elif where:
        told = PluginError(f"{_said(error)} ({where})")
    else:
        *_, (frame, line) = traceback.walk_tb(error.__traceback__)
        place = f"{frame.f_code.co_filename}, line {line}"
        told = BenchError(f"unexpected {type(error).__name__}: {reason(error)} ({place})")
    if isinstance(told, BenchError) and not told.trace:
        told.trace = "".join(traceback.format_exception(error))
    return told


def _not_begun(error: Exception) -> str:
    """What to say of an attribute that a base's `begin_task` sets, where a plugin's own never calls that."""
    if not isinstance(error, AttributeError) or not isinstance(error.obj, Method):
        return ""
    found = replaces(type(error.obj), Method, "begin_task")
    if found is None or error.name is None or error.name not in used_names(found[1].begin_task.__code__):
        return ""
    own, other = found
    return (
        f"{other.__name__}.begin_task() sets self.{error.name}, which its other hooks need, and "
        f"{own.__name__}.begin_task() "
        "replaces that and never calls it; begin with super().begin_task(model, generator), or define those hooks, too."
    )


def _said(error: Exception) -> str:
    if isinstance(error, ValidationError):  # its first line only counts
        first = error.errors()[0]
        if first["type"] == "frozen_instance":
            return (
                f"the option '{first['loc'][0]}' is changed, though results are keyed and reported with the options as "
                "they were given; keep what is worked out of them in an attribute of the method's"
            )
        return f"{error.title}: '{'.'.join(map(str, first['loc']))}': {first['msg'].lower()}"
    return f"{type(error).__name__}: {reason(error)}"


def _of_libraries(file: str) -> bool:
    installed = any(file.startswith(f"{folder}/") for folder in site_folders())
    return file.startswith("<") or is_standard(file) or installed or "/site-packages/" in file


def not_loaded(kind: str, name: str, point: EntryPoint | None, error: BaseException) -> UsageError:
    """What to say of a plugin that cannot be imported.

    Args:
        kind: 'method', say. point: its entry point, where it is registered; else its name is 'package.module:Class'.
    """
    module = point.module if point is not None else name.partition(":")[0]
    dist = point.dist if point is not None else None
    whose = f" of {dist.name} {dist.version} ({point.value})" if point is not None and dist is not None else ""
    where = line_in_plugin(error, module)
    cause = f"{_cause(error)}, in {where}" if where else _cause(error)
    told = f"The {kind} '{name}'{whose} cannot be loaded ({cause})"
    if isinstance(error, AttributeError) and isinstance(error.obj, ModuleType) and error.name is not None:
        own = [n for n, value in vars(error.obj).items() if getattr(value, "__module__", "") == error.obj.__name__]
        if close := nearest(error.name, own):
            return UsageError(f"{told}; did you mean {' or '.join(close)}?")
    return UsageError(f"{told}; {_remedy(module, point, error)}.")


def _cause(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "it ends the program"
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg}"
    told = reason(error)
    plain = isinstance(error, ImportError | AttributeError) or told == type(error).__name__
    return told if plain else f"{type(error).__name__}: {told}"


def _remedy(module: str, point: EntryPoint | None, error: BaseException) -> str:
    top = module.partition(".")[0]
    lacking = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
    if point is not None:
        gone = lacking and f"{module}.".startswith(f"{lacking}.")
        return "install its distribution again, or uninstall it" if gone else "fix or uninstall it"
    if lacking != top:
        return "fix it"
    if top and any(Path(top + suffix).exists() for suffix in ("", ".py")):
        return f"it lies in the current folder, which is not on the import path; name its file, ./{top}.py:NAME"
    return "name its file, FILE.py:NAME, or put PYTHONPATH=FOLDER before the command, with the folder that it lies in"
