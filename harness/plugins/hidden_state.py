"""State that a task leaves where the next one may not find it: in the class, its module, or the options."""

from __future__ import annotations

import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from torch import Tensor, nn

from harness.errors import PluginError
from harness.formats.comparable import comparable
from harness.method import Method
from harness.plugins.places import is_untold_iterator, place_of
from harness.sources.home import PACKAGES, is_ours
from harness.sources.method_source import method_source

# kinds whose content tells whether they changed; of anything else it cannot be told
VALUES = frozenset({
    list, dict, set, bytearray, np.ndarray, Tensor, nn.Parameter, defaultdict, OrderedDict, Counter, deque,
    bool, int, float, complex, str, bytes, type(None), tuple, frozenset,
})  # fmt: skip


@contextmanager
def no_hidden_state(method: Method[Any]) -> Iterator[None]:
    """Notice that a task changes what all instances share: the next task may be learnt in another process.

    Raises:
        PluginError: a value of the class or its module changed or is new, or the method's options changed.
    """
    for cache in _caches(method):  # another process would have none of them
        cache.cache_clear()
    before, options = _shared(method), comparable(method.options.model_dump())
    yield
    if comparable(method.options.model_dump()) != options:
        raise PluginError(
            f"A task of {type(method).__name__} changes self.options, though its results are keyed and reported with "
            "those that it was given; keep what is worked out of them in an attribute of another name."
        )
    for place, value in _shared(method).items():
        if place not in before or before[place] != value:
            raise PluginError(
                f"A task of {type(method).__name__} changes {place}, which the next task does not find when it is "
                "learnt by another process; return what it needs from end_task(), and find it in self.memory (what is "
                "the same for every task may be kept by functools.cache)."
            )


def iterator_notes(method: Method[Any]) -> list[str]:
    """A sentence on an iterator that all instances share, of which nothing tells whether a task went on with it."""
    return [
        f"{place.format(name)} is an iterator: it goes on from task to task in one process, and a task that another "
        "process learns begins it anew; make it in begin_task(), or tell the place from self.task_index"
        for _, place, values in shared_values(type(method), Method)
        for name, value in list(values.items())
        if is_untold_iterator(value)
    ]


def _shared(method: Method[Any]) -> dict[str, object]:
    return state_of(shared_values(type(method), Method))


def state_of(places: Iterable[tuple[str, str, Mapping[str, object]]]) -> dict[str, object]:
    """What tells of each of some `shared_values` whether it changed, by its place as a sentence names it."""
    found: dict[str, object] = {}
    for home, place, values in places:
        found |= _of(home, place, values)
    return found


def shared_values(plugin: type[Any], base: type[Any]) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    """The module, the place as a sentence names it, and what is there, for each class and module of a plugin.

    Args:
        base: what all plugins of its kind descend from.
    """
    modules: dict[str, ModuleType] = {}
    for kind in plugin.__mro__:
        if kind is base:
            break
        yield kind.__module__, f"the class attribute {kind.__name__}.{{}}", vars(kind)
        modules |= {kind.__module__: sys.modules[kind.__module__]} if kind.__module__ in sys.modules else {}
    for name, module in (modules | _helpers(plugin, base)).items():
        yield name, f"{{}}, a variable of {name}", vars(module)


def _caches(method: Method[Any]) -> list[Any]:
    """What `functools.cache` and `lru_cache` made in the plugin's modules and classes."""
    if method.__module__.partition(".")[0] in PACKAGES:
        return []
    kinds = [kind for kind in type(method).__mro__ if kind.__module__.partition(".")[0] not in PACKAGES]
    modules = [sys.modules[kind.__module__] for kind in kinds if kind.__module__ in sys.modules]
    places = [vars(place) for place in (*kinds, *modules, *_helpers(type(method), Method).values())]
    values = [getattr(value, "__func__", value) for place in places for value in list(place.values())]
    return [value for value in values if hasattr(value, "cache_clear") and hasattr(value, "cache_info")]


def _helpers(plugin: type[Any], base: type[Any]) -> dict[str, ModuleType]:
    """The plugin's own modules that it imports; this program's are looked at elsewhere (`process_state`)."""
    if plugin.__module__.partition(".")[0] in PACKAGES:
        return {}
    files = {str(path) for path in method_source(plugin, base).files if not is_ours(path)}
    loaded = [(name, getattr(module, "__file__", None), module) for name, module in list(sys.modules.items())]
    return {name: module for name, file, module in loaded if isinstance(file, str) and file in files}


def _of(home: str, place: str, values: Mapping[str, object]) -> dict[str, object]:
    """What of a class's or a module's values tells by its content whether it changed, by where it is."""
    found: dict[str, object] = {}
    for name, value in list(values.items()):
        if name.startswith("__") and name.endswith("__"):
            continue
        function = getattr(value, "__func__", value)  # of a staticmethod or classmethod
        if (content := _content(value)) is not None:
            found[place.format(name)] = content
        elif isinstance(function, FunctionType) and function.__module__ == home:
            found |= _of_function(function)
        elif type(value).__module__ == home and not isinstance(value, type):  # an object of the plugin's own
            state = getattr(value, "__dict__", {})
            plain = {key: content for key, each in list(state.items()) if (content := _content(each)) is not None}
            found |= {f"{place.format(name)}, its {key}": content for key, content in plain.items()}
    return found


def _content(value: object) -> list[object] | None:
    """What tells whether a value changed, in a list, as it may be None itself; None where nothing does."""
    if type(value) in VALUES:
        return [comparable(value)]
    place = place_of(value)
    return None if place is None else [place]


def _of_function(function: FunctionType) -> dict[str, object]:
    """A function's default arguments (`history=[]` is one list for all calls), closure and attributes."""
    code, called = function.__code__, function.__qualname__
    positional, given = code.co_varnames[: code.co_argcount], function.__defaults__ or ()
    defaults = dict(zip(positional[len(positional) - len(given) :], given, strict=True)) | (
        function.__kwdefaults__ or {}
    )
    closed: dict[str, object] = {}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            closed[name] = cell.cell_contents
        except ValueError:  # nothing yet
            continue
    places = (
        ("the default argument {} of " + called + "()", defaults),
        ("{}, a variable around " + called + "()", closed),
        ("the attribute {} of the function " + called + "()", vars(function)),
    )
    return {
        place.format(name): content
        for place, values in places
        for name, value in list(values.items())
        if (content := _content(value)) is not None
    }
