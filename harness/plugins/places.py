"""Where something is that goes on from call to call: a counter, an iterator, a generator of random numbers."""

from __future__ import annotations

import io
import itertools
import operator
import random
from collections.abc import Iterator

import numpy as np
import torch

from harness.formats.comparable import comparable


def place_of(value: object) -> object | None:
    """What tells by `==` whether it went on; None where nothing does."""
    if isinstance(value, itertools.count):
        return repr(value)
    if isinstance(value, torch.Generator):
        return comparable(value.get_state())
    if isinstance(value, np.random.Generator):
        return comparable(value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return comparable(value.get_state(legacy=False))
    if type(value) is random.Random:
        return value.getstate()
    if isinstance(value, Iterator) and not isinstance(value, io.IOBase):
        left = operator.length_hint(value, -1)  # of a list, a range or a dict
        return None if left < 0 else left
    return None


def is_untold_iterator(value: object) -> bool:
    """Whether it goes on, and nothing tells how far it is (`cycle`, `map`, a generator)."""
    return isinstance(value, Iterator) and not isinstance(value, io.IOBase) and place_of(value) is None
