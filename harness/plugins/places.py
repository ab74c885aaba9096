"""Where something is that goes on from call to call: a counter, an iterator, a generator of random numbers."""

from __future__ import annotations

import io
import itertools
import operator
from collections.abc import Iterator

import numpy as np
import torch

from harness.formats.comparable import comparable


class _Drawn:
    """How far a generator of torch is; equal to another one's place where it was seeded anew, as a task may do."""

    def __init__(self, generator: torch.Generator) -> None:
        self.seed, self.state = generator.initial_seed(), comparable(generator.get_state())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Drawn) and (self.seed != other.seed or self.state == other.state)

    __hash__ = None  # type: ignore[assignment]


def place_of(value: object) -> object | None:
    """What tells by `==` whether it went on; None where nothing does."""
    if isinstance(value, itertools.count):
        return repr(value)
    if isinstance(value, torch.Generator):
        return _Drawn(value)
    if isinstance(value, np.random.Generator):
        return comparable(value.bit_generator.state)
    if isinstance(value, Iterator) and not isinstance(value, io.IOBase):
        left = operator.length_hint(value, -1)  # of a list, a range or a dict
        return None if left < 0 else left
    return None


def is_untold_iterator(value: object) -> bool:
    """Whether it goes on, and nothing tells how far it is (`cycle`, `map`, a generator)."""
    return isinstance(value, Iterator) and not isinstance(value, io.IOBase) and place_of(value) is None
