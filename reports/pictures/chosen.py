"""Which cells stand side by side: one for each method, all of one seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from harness.results import CellResult
from reports.cells.lines import by_label


def one_seed(cells: Sequence[CellResult]) -> tuple[dict[str, CellResult], str]:
    """Label -> its cell at the lowest of the seeds that most methods have, and a note of who is left out for it.

    At one seed, picture k of a task comes from the same noise in every method.
    """
    lines = by_label(cells)
    counts = Counter(cell.seed for group in lines.values() for cell in group)
    if not counts:
        return {}, ""
    most = max(counts.values())
    seed = min(seed for seed, count in counts.items() if count == most)
    chosen = {label: cell for label, group in lines.items() for cell in group if cell.seed == seed}
    without = [label for label in lines if label not in chosen]
    return chosen, f" (without {', '.join(without)})" if without else ""


def any_cell(chosen: Mapping[str, CellResult]) -> CellResult:
    """The first of them: what they have in common can be read from it."""
    return next(iter(chosen.values()))
