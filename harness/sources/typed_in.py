"""What a class of a notebook or a prompt is written in: its cell, and whatever of other cells its code refers to.

Such a class has no file. Python remembers the text of each cell that defined a function (`linecache`), and what a
function refers to can be seen: other functions and classes count by their cells, plain values by what they are.
"""

from __future__ import annotations

import dis
import linecache
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

PLAIN = (bool, int, float, complex, str, bytes, type(None))


@dataclass
class TypedIn:
    """One walk from a class along what its code refers to.

    Attributes:
        module: where it was typed in, such as `__main__`.
        texts: the cells that it and what it refers to were typed in.
        values: name -> repr, of plain values that are referred to.
        modules: names of other modules that are.
        unknown: names whose values cannot be told by a text: tensors, open files.
        lost: whether some function's text is not remembered.
    """

    module: str
    texts: set[str] = field(default_factory=set)
    values: dict[str, str] = field(default_factory=dict)
    modules: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    lost: bool = False
    seen: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, typed: type[Any]) -> TypedIn:
        """All that belongs to a class."""
        found = cls(typed.__module__)
        found.add_class(typed)
        return found

    def add_class(self, typed: type[Any]) -> None:
        """Its functions, and the values of its attributes."""
        if id(typed) in self.seen:
            return
        self.seen.add(id(typed))
        for name, value in vars(typed).items():
            functions = list(functions_of(value))
            for function in functions:
                self.add_function(function)
            # what is written in the class itself is part of the text; a value may come from elsewhere all the same
            if not functions and not (name.startswith("__") or name == "_abc_impl" or hasattr(value, "__get__")):
                self.add(f"{typed.__qualname__}.{name}", value)

    def add_function(self, function: FunctionType) -> None:
        """Its cell, and what it refers to."""
        if id(function) in self.seen:
            return
        self.seen.add(id(function))
        if function.__module__ != self.module:
            self.modules.add(function.__module__)
            return
        text = lines_of(function)
        self.lost = self.lost or not text
        self.texts.add(text)
        for name in _globals_of(function.__code__):
            if name in function.__globals__:
                self.add(name, function.__globals__[name])
        for index, given in enumerate((*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())):
            self.add(f"{function.__qualname__} default {index}", given)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            if name != "__class__":  # of `super()`
                self.add(f"{function.__qualname__} {name}", cell.cell_contents)

    def add(self, name: str, value: Any) -> None:
        """A value that is referred to."""
        if isinstance(value, ModuleType):
            self.modules.add(value.__name__)
        elif isinstance(value, FunctionType):
            self.add_function(value)
        elif isinstance(value, type):
            self.add_class(value) if value.__module__ == self.module else self.modules.add(value.__module__)
        elif isinstance(value, BuiltinFunctionType):
            self.modules.add(str(value.__module__ or "builtins"))
        elif is_plain(value):
            self.values[name] = repr(sorted(value, key=repr) if isinstance(value, set | frozenset) else value)
        else:
            self.unknown.add(name)


def lines_of(function: FunctionType) -> str:
    """The text of the file or cell that a function was defined in; empty where Python does not remember it."""
    return "".join(linecache.getlines(function.__code__.co_filename))


def functions_of(value: Any) -> Iterator[FunctionType]:
    """The functions of a class's attribute: a method, a static or class method, or a property."""
    for inner in (value, *(getattr(value, part, None) for part in ("__func__", "fget", "fset", "func"))):
        if isinstance(inner, FunctionType):
            yield inner


def _globals_of(code: CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals_of(constant)


def is_plain(value: Any) -> bool:
    """Whether a value is told by its repr: a number, a text, and what is made of them."""
    if isinstance(value, Mapping):
        return type(value) is dict and all(is_plain(part) for pair in value.items() for part in pair)
    if isinstance(value, tuple | list | set | frozenset):
        return all(map(is_plain, value))
    return type(value) in PLAIN
