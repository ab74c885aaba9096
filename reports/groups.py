"""Which cells one figure or picture may show together, and how its file's name ends."""

from __future__ import annotations

from collections.abc import Sequence

from harness.results import CellResult
from reports.summary import comparable, is_partial


def groups(cells: Sequence[CellResult]) -> list[list[CellResult]]:
    """The cells that may be compared with each other, in the order of first appearance."""
    found: dict[tuple[object, ...], list[CellResult]] = {}
    for cell in cells:
        found.setdefault(comparable(cell), []).append(cell)
    return list(found.values())


def suffix(cell: CellResult) -> tuple[str, ...]:
    """The last part of a file's name: ('partial',) for less than the whole benchmark, else nothing."""
    return ("partial",) if is_partial(cell) else ()
