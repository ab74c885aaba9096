"""The values of an option's range, and those by which it is widened where its best value lies at its edge. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

FURTHEST = 3  # values by which a range may be widened at each end
COARSE = 2.5  # of steps of that factor or more, one significant digit is kept; of finer ones two


def widened(values: Sequence[Any], places: int, side: int) -> list[Any]:
    """The values beyond an end of a range, nearest first: the range's own steps at that end, as factors, go on.

    0.003, 0.01 is widened upwards by 0.03, 0.1, 0.4; whole numbers stay whole. Only ranges of at least two positive
    numbers that rise or fall all the way can be widened: of others, of words and of yes and no, there are none.

    Args:
        values: the range. places: how many values. side: -1 for before its first value, 1 for after its last.
    """
    if not is_numbers(values) or len(values) < 2 or min(values) <= 0:
        return []
    if list(values) not in (sorted(values), sorted(values, reverse=True)):
        return []
    end, next_to_it = (values[0], values[1]) if side < 0 else (values[-1], values[-2])
    factor = end / next_to_it
    digits = 1 if max(factor, 1 / factor) >= COARSE else 2
    found: list[Any] = []
    for place in range(1, places + 1):
        exact = end * factor**place
        whole = all(isinstance(one, int) for one in values)
        value: Any = round(exact) if whole else rounded(exact, digits)
        if value <= 0 or value in found or value in values:
            break
        found.append(value)
    return found


def rounded(value: float, digits: int) -> float:
    """To so many significant digits."""
    return round(value, digits - 1 - math.floor(math.log10(value)))


def is_numbers(values: Sequence[Any]) -> bool:
    """Whether all are numbers, so that there is an edge."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def allowed(values: Sequence[Any], valid: Callable[[Any], bool]) -> list[Any]:
    """The values up to the first that an option cannot have."""
    found: list[Any] = []
    for value in values:
        if not valid(value):
            break
        found.append(value)
    return found
