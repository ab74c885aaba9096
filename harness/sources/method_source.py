"""The source that a method is written in: all that it imports and that can change under the same name and version."""

from __future__ import annotations

import hashlib
import sys
import warnings
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from harness.errors import UncountedSourceWarning, UsageError
from harness.sources.as_written import changed_since
from harness.sources.distributions import distribution_of, is_standard, normal, ours
from harness.sources.home import FRONT_DOOR, HOME, METHODS, PACKAGES
from harness.sources.hook_texts import hook_notes
from harness.sources.imports import Imports, Place, find_module, imports, with_parents
from harness.sources.metric_texts import metric_notes
from harness.sources.option_texts import option_notes, unused_options
from harness.sources.replaced_hooks import replaced_notes, replaced_terms
from harness.sources.source_notes import text_notes
from harness.sources.typed_in import TypedIn, lines_of


@dataclass(frozen=True)
class MethodSource:
    """What a class of methods is written in, as it was when the class was first asked for.

    digest: SHA-256 over it, in hexadecimal. files: those counted, sorted. notes: sentences on what may be part of it
    and cannot be counted, and on what its text shows to be a likely mistake.
    """

    digest: str
    files: tuple[Path, ...]
    notes: tuple[str, ...]


_KNOWN: WeakKeyDictionary[type, MethodSource] = WeakKeyDictionary()
_READ: dict[int, tuple[ModuleSpec, bytes]] = {}  # by the identity of a module's spec, which a reload replaces


def method_source(cls: type[Any], base: type[Any]) -> MethodSource:
    """What a method is written in. It is read once, when a class is first asked for, right after its import.

    Args:
        cls: the method. base: what all methods descend from.

    Raises:
        UsageError: a class has no source that could be read, or is not what that says any more, or a file that it names
            as data is not there.
    """
    for ancestor in _methods(cls, base):
        _check_as_written(ancestor)
    # what a class that was typed in refers to may be something else each time
    if cls not in _KNOWN or any(not _file_of(ancestor) for ancestor in _methods(cls, base)):
        _KNOWN[cls] = _Reading(cls, base).whole()
    return _KNOWN[cls]


def _methods(cls: type[Any], base: type[Any]) -> list[type[Any]]:
    """The classes that make a method, itself first."""
    return [c for c in cls.__mro__ if issubclass(c, base) and c is not base]


def _file_of(ancestor: type[Any]) -> str:
    """The file that a class is written in; empty where it was typed in."""
    module, place = sys.modules.get(ancestor.__module__), find_module(ancestor.__module__)
    return "" if module is None or place is None or place.file is None else place.file


def _check_as_written(ancestor: type[Any]) -> None:
    """Once it has results, a class must stay what its file says, or those would be taken for its own.

    Raises:
        UsageError: a function or value of the class, or of its module, was exchanged for another one.
    """
    file = _file_of(ancestor)
    place = find_module(ancestor.__module__)
    if not file.endswith(".py") or place is None:
        return
    if name := changed_since(ancestor, vars(sys.modules[ancestor.__module__]), file, _read(place)):
        raise UsageError(
            f"{name} is not what {file} says: something else was assigned to it in Python, and results are keyed by "
            "that file; derive a class of your own and define it there."
        )


def warn_of_uncounted(name: str, plugin: type[Any], kind: str = "Method") -> None:
    """Warn of what there is to say of a plugin's source; once, however often a run is planned."""
    for text in plugin.source_notes():
        warnings.warn(f"{kind} '{name}': {text}", UncountedSourceWarning, stacklevel=2)


@dataclass
class _Reading:
    """One walk from a class along everything that its file, and what that imports, imports.

    outside: label -> content, of all that is not this program's: the same wherever the files lie. loaded: modules that
    are imported whenever the class is, whatever else this process has imported. closed: packages to look no further in.
    texts: the Python files that are not this program's. whole_text: whether they are all that the classes are made of.
    """

    cls: type[Any]
    base: type[Any]
    own: set[Path] = field(default_factory=set)
    outside: dict[str, bytes] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    loaded: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    texts: dict[Path, bytes] = field(default_factory=dict)
    whole_text: bool = True

    def whole(self) -> MethodSource:
        methods = _methods(self.cls, self.base)
        for ancestor in methods:
            self.find_loaded(ancestor.__module__)
        for index, ancestor in enumerate(methods):
            self.begin_task(index, ancestor)
        for other in self.cls.__mro__:
            if not issubclass(other, self.base):
                self.follow(other.__module__)
        for index, ancestor in enumerate(methods):
            self.add_data(index, ancestor)
        for file, content in sorted(self.texts.items()):
            self.notes.extend(text_notes(file, content, data_named=any(map(_data_files, self.cls.__mro__))))
        self.notes.extend(replaced_notes(self.cls, self.base))
        self.notes.extend(replaced_terms(self.cls, self.base))
        if self.texts and self.whole_text and hasattr(self.base, "begin_task"):  # a metric has no options
            self.notes.extend(hook_notes(self.cls, self.base))
            self.notes.extend(unused_options(self.cls, self.base))
            self.notes.extend(option_notes(self.cls, self.texts, sorted(self.own)))
        if hasattr(self.base, "higher"):
            self.notes.extend(metric_notes(self.cls, self.base))
        digest = hashlib.sha256()
        for path in sorted(self.own):
            digest.update(path.name.encode() + path.read_bytes())
        for label, content in sorted(self.outside.items()):
            digest.update(f"\n{label} {len(content)}\n".encode() + content)
        return MethodSource(digest.hexdigest(), tuple(sorted(self.own | self.files)), tuple(dict.fromkeys(self.notes)))

    def find_loaded(self, name: str) -> None:
        """Modules that the global names of a module stand for or come from, and theirs in turn."""
        if name in self.loaded or (place := find_module(name)) is None or place.file is None:
            return
        if _is_ours(place) or is_standard(place.file) or distribution_of(name, place.file):
            return
        self.loaded.add(name)
        for other in _names_of(sys.modules[name]):
            self.find_loaded(other)

    def begin_task(self, index: int, ancestor: type[Any]) -> None:
        """One of the classes that make the method: its file counts whatever it belongs to."""
        name = ancestor.__module__
        module, place = sys.modules.get(name), find_module(name)
        if module is None or place is None or place.file is None:
            self.add_typed_in(index, ancestor)
            return
        if _is_ours(place):
            self.own.update(own_files(module))
            return
        if self.code_without_text(ancestor):
            self.notes.append(f"{place.file} makes hooks of {ancestor.__qualname__} that have no text (exec, perhaps).")
        if self.follow_distribution(place):
            self.whole_text = False
            self.outside |= {f"class {index}: {path.name}": path.read_bytes() for path in own_files(module)}
        self.seen.add(name)
        # by the file's name, as it may be imported under several
        self.add(place, f"class {index}: {Path(place.file).name}")
        self.follow(name)  # the packages above it

    def code_without_text(self, ancestor: type[Any]) -> list[FunctionType]:
        hooks = [value for name, value in vars(ancestor).items() if hasattr(self.base, name) and name[0] != "_"]
        functions = [value for value in hooks if isinstance(value, FunctionType)]
        return [f for f in functions if f.__code__.co_filename.startswith("<") and not lines_of(f)]

    def add_typed_in(self, index: int, ancestor: type[Any]) -> None:
        """A class of a notebook or a prompt: as much as Python remembers of its text, and of what it refers to."""
        self.whole_text = False
        found = TypedIn.of(ancestor)
        texts = sorted(found.texts)
        if not texts or found.lost:
            raise UsageError(
                f"The class {ancestor.__qualname__} of '{ancestor.__module__}' has no file, as it was typed in or made "
                "by exec: an edit of it would go unnoticed; put it into a file."
            )
        for name in sorted(found.unknown):
            self.notes.append(
                f"{ancestor.__qualname__} was typed in and refers to {name}, whose value cannot be counted: a change "
                "of that would go unnoticed."
            )
        for number, text in enumerate(texts):
            self.outside[f"class {index}: text {number}"] = text.encode()
            for name in imports(text.encode(), "").names:
                self.follow(name)
        for name, value in found.values.items():
            self.outside[f"class {index}: value of {name}"] = value.encode()
        for name in sorted(found.modules):
            self.follow(name)

    def follow(self, name: str) -> None:
        """Count a module that is imported, or may be, with the packages above it, and what they import in turn."""
        for part in with_parents(name):
            if part in self.closed:
                return
            if part in self.seen:
                continue
            self.seen.add(part)
            place = find_module(part)
            if place is None:
                return
            if _is_ours(place):
                self.add_own(place)
            elif place.file is not None:
                if is_standard(place.file) or self.follow_distribution(place):
                    self.closed.add(part)
                    return
                self.add(place, f"module {part}")

    def follow_distribution(self, place: Place) -> bool:
        """Count the distribution that a module belongs to, if it does."""
        found = distribution_of(place.name, place.file or "")
        if found is not None and normal(found[0]) not in ours():
            self.outside[f"distribution {normal(found[0])}"] = found[1].encode()
        return found is not None

    def add_own(self, place: Place) -> None:
        """What another's method takes of this program's methods: their shared parts, or one of their files.

        Through the front door it may take the parts, by whatever expression, and so they count.
        """
        top, _, inside = place.name.partition(".")
        if top == FRONT_DOOR:
            self.follow(f"{METHODS}.parts")
        if top != METHODS or not inside:
            return
        file = Path(place.file or "")
        if file.parent != HOME / METHODS:
            self.own.update(file.parent.glob("*.py"))
            return
        self.own.add(file)
        for name in imports(_read(place), place.package).names:
            if name.partition(".")[0] == METHODS:
                self.follow(name)

    def add(self, place: Place, label: str) -> None:
        file = Path(place.file or "")
        try:
            content = _read(place)
        except OSError as error:
            raise UsageError(f"The source {file} cannot be read ({error.strerror or error}); check the file.") from None
        self.outside[label] = content
        self.files.add(file)
        if file.suffix == ".py":
            self.texts[file] = content
            found = imports(content, place.package)
            self.tell(file, found)
            for name in sorted(found.names):
                self.follow(name)
        if place.name not in self.loaded:
            return
        for name in sorted(_names_of(sys.modules[place.name])):
            self.follow(name)
        if vars(sys.modules[place.name]).get("__method_source__", False):
            for path in sorted(file.parent.glob("*.py")):
                self.follow(f"{place.package}.{path.stem}" if path.stem != "__init__" else place.package)

    def tell(self, file: Path, found: Imports) -> None:
        """What cannot be counted of a file: code that it gets at when it runs, and what it seems to read."""
        for line, what in found.unknown:
            self.notes.append(f"{file}, line {line}, {what}: an edit of that would go unnoticed.")
        counted = {name for ancestor in self.cls.__mro__ for name in _data_of(ancestor)}
        for line, text in found.texts:
            beside = file.parent / text
            if text in (".", "..") or Path(text).is_absolute() or Path(text).suffix == ".py" or text in counted:
                continue
            counted.add(text)
            try:
                named = beside.is_file()
            except (OSError, ValueError):
                named = False
            if named:
                self.notes.append(
                    f"{file}, line {line}, names '{text}' beside it, and an edit of that would go unnoticed: if the "
                    "method reads it, add it to the class's data_files."
                )

    def add_data(self, index: int, ancestor: type[Any]) -> None:
        home = _home(ancestor)
        for name in _data_of(ancestor):
            try:
                self.outside[f"data {index}: {Path(name).as_posix()}"] = (home / name).read_bytes()
            except OSError as error:
                raise UsageError(
                    f"{ancestor.__qualname__}.data_files names '{name}', and {home / name} cannot be read "
                    f"({(error.strerror or str(error)).lower()}); name files beside the method's own."
                ) from None
            self.files.add(home / name)


def _home(ancestor: type[Any]) -> Path:
    return Path(getattr(sys.modules.get(ancestor.__module__), "__file__", None) or ".").parent


def _data_files(cls: type[Any]) -> tuple[str, ...]:
    named = vars(cls).get("data_files", ())
    return (named,) if isinstance(named, str) else tuple(map(str, named))


def _data_of(cls: type[Any]) -> list[str]:
    """The files that a class names; of a pattern, those that there are.

    Raises:
        UsageError: there is none for a pattern.
    """
    home, names = _home(cls), list[str]()
    for name in _data_files(cls):
        pattern = bool(set(name) & set("*?[")) and not (home / name).exists()
        found = [path.relative_to(home).as_posix() for path in home.glob(name) if path.is_file()] if pattern else [name]
        if not found:
            raise UsageError(f"{cls.__qualname__}.data_files names '{name}', and there is no such file in {home}.")
        names += sorted(found)
    return names


def own_files(module: ModuleType) -> set[Path]:
    """A built-in method's file, what it imports of the same folder, and every package that says `__method_source__`."""
    file = Path(module.__file__ or "")
    paths = {file}
    named = list(vars(module).values())
    for used in [v if isinstance(v, ModuleType) else sys.modules.get(getattr(v, "__module__", "")) for v in named]:
        home = Path(getattr(used, "__file__", None) or "")
        if getattr(used, "__method_source__", False):
            paths.update(home.parent.glob("*.py"))
        elif home.suffix == ".py" and home.parent == file.parent:
            paths.add(home)
    return paths


def _is_ours(place: Place) -> bool:
    top = place.name.partition(".")[0]
    if top == FRONT_DOOR:
        return Path(place.file or "") == HOME / f"{FRONT_DOOR}.py"
    return top in PACKAGES and Path(place.file or "").is_relative_to(HOME / top)


def _read(place: Place) -> bytes:
    """A module's bytes, as near to its import as can be: what was edited since does not count until it is reloaded."""
    spec = getattr(sys.modules.get(place.name), "__spec__", None)
    if spec is None:
        return place.read()
    if id(spec) not in _READ:
        _READ[id(spec)] = (spec, place.read())
    return _READ[id(spec)][1]


def _names_of(module: ModuleType) -> set[str]:
    """Modules that a module's global names stand for or come from: what it imported by a name made when it ran, too.

    Not its own submodules, which anyone may have imported, nor what a package loads when it is first asked for: the
    same in each process, whatever else that has loaded.
    """
    values = dict(vars(module))
    if "__getattr__" in values:
        return set()
    names: set[str] = set()
    for value in values.values():
        try:
            home = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        except Exception:  # an object that imports or computes when it is asked for anything
            continue
        if isinstance(home, str) and home in sys.modules and not home.startswith(f"{module.__name__}."):
            names.add(home)
    return names
