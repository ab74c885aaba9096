"""What a file imports, and where that lies: found by reading, without running or importing anything."""

from __future__ import annotations

import ast
import importlib.util
import pkgutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

BY_NAME: Final = ("import_module", "__import__")  # import what their first argument names
# run or load code that only the running program knows: last part of the call's name -> what is said of it
UNKNOWN: Final = {
    "exec": "runs code with exec", "execfile": "runs code with execfile", "run_path": "runs a file with run_path",
    "run_module": "runs a module with run_module", "spec_from_file_location": "loads a module from a file",
    "SourceFileLoader": "loads a module from a file", "CDLL": "loads a library with ctypes",
    "LoadLibrary": "loads a library with ctypes", "load_library": "loads a compiled library",
    "load_inline": "compiles code when it runs",
}  # fmt: skip


@dataclass(frozen=True)
class Imports:
    """What a text imports, anywhere in it.

    names: dotted names that are modules, or may be: of `from a import b` both 'a' and 'a.b'.
    unknown: (line, what it does) where it imports what cannot be told from the text.
    texts: (line, text) of each short string in it.
    """

    names: frozenset[str]
    unknown: tuple[tuple[int, str], ...]
    texts: tuple[tuple[int, str], ...]


def parsed(source: bytes) -> ast.Module | None:
    """A source file's syntax tree; None where it is no Python that this Python reads."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the user's file: Python says it at import
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def imports(source: bytes, package: str) -> Imports:
    """What a source file imports; nothing where it is no Python that this Python reads.

    Args:
        package: the name of the package that the file belongs to, for relative imports; '' for none.
    """
    tree = parsed(source)
    if tree is None:
        return Imports(frozenset(), (), ())
    names: set[str] = set()
    unknown: list[tuple[int, str]] = []
    texts: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute("." * node.level + (node.module or ""), package)
            names.update([base] if base else [])
            names.update(f"{base}.{alias.name}" for alias in node.names if base and alias.name != "*")
        elif isinstance(node, ast.Call):
            called = _last_name(node.func)
            literal = _literal(node)
            if called in BY_NAME and literal is not None:
                names.add(_absolute(literal, package))
            elif called == "exec" and literal is not None:
                names |= imports(literal.encode(), package).names
            elif called in BY_NAME:
                unknown.append((node.lineno, f"imports a module that it names only when it runs ({called})"))
            elif called in UNKNOWN:
                unknown.append((node.lineno, UNKNOWN[called]))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and 0 < len(node.value) < 200:
            texts.append((node.lineno, node.value))
    names.discard("")
    return Imports(frozenset(names), tuple(sorted(unknown)), tuple(sorted(texts)))


def _absolute(name: str, package: str) -> str:
    try:
        return importlib.util.resolve_name(name, package or None)
    except ImportError:  # a relative import outside of a package, or beyond the top: it fails when it runs, too
        return ""


def _last_name(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _literal(call: ast.Call) -> str | None:
    first = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "name"), None)
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def with_parents(name: str) -> Iterator[str]:
    """'a', 'a.b', 'a.b.c' of 'a.b.c': importing a module runs the packages above it."""
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        yield ".".join(parts[:count])


@dataclass(frozen=True)
class Place:
    """Where a module lies.

    file: its source, compiled file or place in an archive; None for a folder without `__init__.py`, and for what is
        part of Python itself. folders: where its submodules are, if it is a package. loader: reads what is no file.
    """

    name: str
    file: str | None
    folders: tuple[str, ...] | None
    loader: Any

    @property
    def package(self) -> str:
        """The package that its relative imports start from."""
        return self.name if self.folders is not None else self.name.rpartition(".")[0]

    def read(self) -> bytes:
        """Its bytes.

        Raises:
            OSError: they cannot be read.
        """
        if self.file is None:
            return b""
        path = Path(self.file)
        if path.is_file() or not hasattr(self.loader, "get_data"):
            return path.read_bytes()
        return bytes(self.loader.get_data(self.file))


def find_module(name: str) -> Place | None:
    """Where a module lies, imported or not; None where there is none of that name."""
    if name in sys.modules:
        module = sys.modules[name]
        if module is None:
            return None
        folders = getattr(module, "__path__", None)
        return Place(
            name, getattr(module, "__file__", None), None if folders is None else tuple(folders),
            getattr(module, "__loader__", None),
        )  # fmt: skip
    parent, _, _ = name.rpartition(".")
    if not parent:
        return _place(name, _top_level(name))
    above = find_module(parent)
    return _place(name, _inside(name, above.folders)) if above is not None and above.folders is not None else None


def _top_level(name: str) -> Any:
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        try:
            spec = find(name, None) if find is not None else None
        except (ImportError, ValueError):
            continue
        if spec is not None:
            return spec
    return None


def _inside(name: str, folders: Sequence[str]) -> Any:
    """`PathFinder` does the same, but wants a package's own package to be imported where that is a plain folder."""
    portions: list[str] = []
    for folder in folders:
        finder: Any = pkgutil.get_importer(folder)
        spec = finder.find_spec(name) if finder is not None else None
        if spec is None:
            continue
        if spec.loader is not None:
            return spec
        portions += spec.submodule_search_locations or []
    return portions or None


def _place(name: str, found: Any) -> Place | None:
    if found is None:
        return None
    if isinstance(found, list):
        return Place(name, None, tuple(found), None)
    folders = found.submodule_search_locations
    return Place(
        name, found.origin if found.has_location else None, None if folders is None else tuple(folders), found.loader
    )
