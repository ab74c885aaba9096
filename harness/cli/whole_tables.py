"""Tables of numbers on narrow terminals: no number of them is cut."""

from __future__ import annotations

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

FOLDED = 12  # columns of a name that goes on below, at least
NEVER_NARROWER = 1000  # columns in which any table has room


def print_whole(table: Table, out: Console) -> None:
    """Print a table so wide that nothing of it is cut: where a terminal has no room its lines are too long instead.

    Columns that fold give way first.
    """
    folding = [column for column in table.columns if column.overflow == "fold"]
    for column in folding:
        column.max_width = FOLDED
    needed = Measurement.get(out, out.options.update(width=NEVER_NARROWER), table).minimum
    for column in folding:
        column.max_width = None
    if needed > out.width:
        table.width = needed
    out.print(table, soft_wrap=needed > out.width)
