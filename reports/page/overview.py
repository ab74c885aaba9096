"""What was run: the facts at the top of the page."""

from __future__ import annotations

from collections.abc import Sequence

from harness.results import Unfinished
from reports.page.names import plain_names
from reports.page.views import View
from reports.tables.summary import join


def overview(views: Sequence[View], unfinished: Sequence[Unfinished]) -> list[tuple[str, str]]:
    """(name, text) pairs: benchmarks, tiers, backbones, methods, seeds, and how many cells there are."""
    tables = [view.table for view in views]
    labels = dict.fromkeys(label for view in views for label in view.cells)
    seeds = {cell.seed for view in views for cells in view.cells.values() for cell in cells}
    counts = [(sum(map(len, view.cells.values())), view.table.partial) for view in views]
    partial = sum(count for count, part in counts if part)
    names, changes = plain_names(list(labels))
    every = f"{join(names.values(), ', ')}{f' (all with {changes})' if changes else ''}"
    facts = [
        ("benchmarks", join((f"{table.title} ({table.benchmark}; {table.scope})" for table in tables), "; ")),
        ("tier", join(dict.fromkeys(table.tier for table in tables), ", ")),
        ("backbone", join(dict.fromkeys(table.backbone for table in tables), ", ")),
        ("methods", f"{len(labels)}: {every}" if labels else ""),
        ("seeds", join(sorted(seeds), ", ")),
        ("finished cells", f"{sum(n for n, _ in counts)}{f', {partial} of them partial' if partial else ''}"),
        ("unfinished cells", str(len(unfinished)) if unfinished else "none"),
    ]
    return [(name, text) for name, text in facts if text]


def state(cell: Unfinished) -> str:
    """'stopped', 'unfinished' or 'not started'."""
    if cell.reason:
        return "stopped"
    return "unfinished" if cell.trained else "not started"
