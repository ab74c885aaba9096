"""State that a task leaves where the next one may not find it: in the class, its module, or the options."""

from __future__ import annotations

import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import numpy as np
from torch import Tensor, nn

from harness.errors import PluginError
from harness.formats.comparable import comparable
from harness.method import Method

# kinds whose content tells whether they changed; of anything else it cannot be told
_VALUES = frozenset({
    list, dict, set, bytearray, np.ndarray, Tensor, nn.Parameter, defaultdict, OrderedDict, Counter, deque,
    bool, int, float, complex, str, bytes, type(None), tuple, frozenset,
})  # fmt: skip


@contextmanager
def no_hidden_state(method: Method[Any]) -> Iterator[None]:
    """Notice that a task changes what all instances share: the next task may be learnt in another process.

    Raises:
        PluginError: a value of the class or its module changed or is new, or the method's options changed.
    """
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


def _shared(method: Method[Any]) -> dict[str, object]:
    found: dict[str, object] = {}
    for kind in type(method).__mro__:
        if kind is Method:
            break
        module = sys.modules.get(kind.__module__)
        variables = (f"{{}}, a variable of {kind.__module__}", vars(module or object))
        for place, values in ((f"the class attribute {kind.__name__}.{{}}", vars(kind)), variables):
            named = {name: value for name, value in list(values.items()) if not name.startswith("__")}
            found |= {place.format(k): [comparable(v)] for k, v in named.items() if type(v) in _VALUES}
            found |= _defaults(kind, values)
    return found


def _defaults(kind: type, values: Mapping[str, object]) -> dict[str, object]:
    """Default arguments of a class's or its module's own functions: `history=[]` is one list for all calls."""
    found: dict[str, object] = {}
    for each in list(values.values()):
        function = getattr(each, "__func__", each)  # of a staticmethod or classmethod
        if not isinstance(function, FunctionType) or function.__module__ != kind.__module__:
            continue
        code = function.__code__
        positional = code.co_varnames[: code.co_argcount]
        given = function.__defaults__ or ()
        defaults = dict(zip(positional[len(positional) - len(given) :], given, strict=True))
        defaults |= function.__kwdefaults__ or {}
        place = f"the default argument {{}} of {function.__qualname__}()"
        found |= {place.format(k): [comparable(v)] for k, v in defaults.items() if type(v) in _VALUES}
    return found
