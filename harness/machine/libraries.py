"""Libraries that cannot be imported: in one sentence which one, in what version, what it is at odds with, the remedy.

Most of them import each other, many only when a name is asked for: what reaches the caller is a chain of errors, and
the sentence is about the innermost one. A module's top level that was running is what was being imported.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from types import FrameType

from harness.errors import LibraryError, reason
from harness.machine.limits import about_memory, memory_limit

PROJECT = "stamina-bench"
PIP_NAMES = {"PIL": "pillow", "yaml": "pyyaml", "open_clip": "open_clip_torch", "sklearn": "scikit-learn"}
PATIENCE_S = 600.0  # for importing everything from a slow disk
LONGEST = 200  # characters of an error's message
DOCTOR = "`stamina-bench doctor` says more"


@dataclass(frozen=True)
class Library:
    """An installed package, by the module that is imported of it."""

    module: str
    package: str

    @property
    def version(self) -> str:
        try:
            return metadata.version(self.package)
        except metadata.PackageNotFoundError:
            return "of an unknown version"

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


def library_failure(error: BaseException, plugin: str = "") -> LibraryError | None:
    """The sentence for an error if it comes from importing an installed library, else None. The error is its cause.

    Args:
        plugin: name of the module of a plugin that was being loaded: what that does wrong itself is no library's fault.
    """
    own = plugin.partition(".")[0]
    from harness.sources.collisions import missing_part

    for inner in reversed(list(_chain(error))):
        told = missing_part(inner) or _told(inner, own)
        if told is not None:
            failure = LibraryError(told)
            failure.__cause__ = error
            return failure
    return None


def as_failure(error: BaseException) -> LibraryError:
    """The sentence for any error of importing what steps need.

    The traceback goes along as a note, which other processes get, too.
    """
    failure = library_failure(error) or LibraryError(
        f"What steps need cannot be imported ({_reason(error)}); {DOCTOR}."
    )
    failure.__cause__ = None
    failure.add_note("".join(traceback.format_exception(error)))
    return failure


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, outermost first.

    What was merely being handled at the time counts where it all happened during an import.
    """
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        handled = None if following.__suppress_context__ or not _of_import(following) else following.__context__
        following = following.__cause__ or handled


def _of_import(error: BaseException) -> bool:
    running = (frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__))
    return isinstance(error, ImportError) or "<module>" in running


def _told(error: BaseException, own: str) -> str | None:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    importing = next((i for i in reversed(range(len(frames))) if frames[i].f_code.co_name == "<module>"), None)
    if importing is None and not isinstance(error, ImportError):
        return None
    place = frames[importing] if importing is not None else frames[-1] if frames else None
    at_work = _module(place) if place is not None else ""
    wanted = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
    for name in (at_work, wanted):
        if name and (told := _in_the_way(name, error)):
            return told
    importer = _library(at_work)
    if importer is None or (at_work == own and importer.package != PROJECT):
        return None
    if isinstance(error, ModuleNotFoundError) and wanted != at_work and _library(wanted) is None:
        package = PIP_NAMES.get(wanted, wanted)
        return f"{package} is not installed, which {importer} needs; {_install([package])}."
    other = _library(wanted) if wanted != at_work else None
    if importer.package == PROJECT and other is None:
        return None  # a mistake of our own
    if other is None and importing is not None:
        other = next(
            (found for f in frames[importing + 1 :] if (found := _library(m := _module(f))) and m != at_work), None
        )
    asked = _at_odds(importer, other)
    if asked is not None and other is None:
        other = asked[0]
    why = _reason(error)
    if about_memory(why) or isinstance(error, MemoryError):
        remedy = memory_limit() or "free memory, and try again"
        return f"{importer} cannot be imported ({why}): there is too little memory; {remedy}."
    if other is None:
        return f"{importer} cannot be imported ({why}); {_install([importer.package], again=True)}."
    needs = f", as it needs {asked[1]}" if asked is not None else ""
    packages = [library.package for library in (importer, other) if library.package != PROJECT]
    return f"{importer} does not go with {other}{needs} ({why}); {_install(packages)}."


def _install(packages: Sequence[str], *, again: bool = False) -> str:
    options = "--force-reinstall " if again else ""
    return f"in {PROJECT}'s folder, `pip install {options}-c constraints.txt {' '.join(packages)}`"


def _reason(error: BaseException) -> str:
    """The error's first line, without the path that Python puts at the end of some."""
    text = re.sub(r" \((?:[^()]*[/\\][^()]*|unknown location)\)$", "", reason(error))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


@cache
def _packages() -> dict[str, list[str]]:
    return {module: list(names) for module, names in metadata.packages_distributions().items()}


def _library(module: str) -> Library | None:
    names = _packages().get(module)
    return Library(module, names[0]) if names else None


def _at_odds(importer: Library, other: Library | None) -> tuple[Library, str] | None:
    """The first package, or the other one alone, whose version is not what the importer asks for; and what that is."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        lines = metadata.requires(importer.package) or []
    except metadata.PackageNotFoundError:
        return None
    for line in lines:
        try:
            needs = Requirement(line)
            if needs.marker is not None and not needs.marker.evaluate({"extra": ""}):
                continue
            if other is not None and canonicalize_name(needs.name) != canonicalize_name(other.package):
                continue
            if not needs.specifier.contains(metadata.version(needs.name), prereleases=True):
                found = Library(needs.name, needs.name)
                return found, f"{needs.name}{needs.specifier}"
        except (InvalidRequirement, metadata.PackageNotFoundError):
            continue
    return None


def _in_the_way(name: str, error: BaseException) -> str | None:
    """The sentence if a module is not the installed library's or Python's own, but a file of that name elsewhere."""
    module = sys.modules.get(name)
    paths = [str(getattr(module, "__file__", None) or "")] if module is not None else []
    # a module that failed is no longer among those imported
    paths += [f.f_code.co_filename for f, _ in traceback.walk_tb(error.__traceback__) if _module(f) == name]
    path = next((Path(p).resolve() for p in paths if p and os.path.isabs(p)), None)
    if path is None:
        return None
    if name in sys.stdlib_module_names:
        if any(path.is_relative_to(Path(place).resolve()) for place in {os.path.dirname(os.__file__), sys.prefix}):
            return None
        title = f"Python's own module {name}"
    else:
        library = _library(name)
        if library is None or library.package == PROJECT:
            return None
        package = metadata.distribution(library.package)
        if '"editable": true' in (package.read_text("direct_url.json") or ""):
            return None
        if path.is_relative_to(Path(str(package.locate_file(""))).resolve()):
            return None
        title = f"the installed {library}"
    folder = path.parent.parent if path.name == "__init__.py" else path.parent
    return (
        f"{path} is imported in place of {title} ({_reason(error)}); give it another name, or take {folder} off "
        "PYTHONPATH."
    )


# ------------------------------------------------------------------------------------------------ in another process


def try_imports(modules: Sequence[str]) -> dict[str, str]:
    """Import modules in a process of their own, as workers do: of each what keeps it from being imported, else ''.

    Whatever they do to that process, crash it or print, is nothing to this one.
    """
    command = [sys.executable, "-P", "-m", "harness.executors.warm", *modules]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, timeout=PATIENCE_S
        )
    except subprocess.TimeoutExpired:
        return dict.fromkeys(modules, f"they are not imported after {PATIENCE_S / 60:.0f} minutes")
    except OSError as error:
        return dict.fromkeys(modules, f"no process can be started to import them ({reason(error)})")
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        try:
            found |= json.loads(line)
        except (ValueError, TypeError):  # a library's own words
            continue
    return {module: found[module] if module in found else _crashed(done) for module in modules}


def _crashed(done: subprocess.CompletedProcess[str]) -> str:
    """What ended the process: its signal, and whose module was the innermost that was running."""
    code = done.returncode
    how = signal.strsignal(-code) if code < 0 else f"exit code {code}"
    places = re.findall(r'File ".*?[/\\]site-packages[/\\](\w+)', done.stderr)
    library = _library(places[0] if code < 0 else places[-1]) if places else None
    what, packages = (str(library), [library.package]) if library is not None else ("a library", ["torch"])
    remedy = memory_limit() or _install(packages, again=True)
    return f"{what} ends the process that imports it ({how}); {remedy}."
