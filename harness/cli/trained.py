"""What `export` and `generate` share: which finished cell is meant, and where its backbone lies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.app import LeftOut

if TYPE_CHECKING:
    from harness.export.trained_model import Learnt

Runs = Annotated[Path, typer.Argument(help="Results folder of `run`.", envvar="STAMINA_BENCH_OUTPUT_DIR")]
Benchmark = Annotated[str | None, typer.Option(help="Which benchmark's, where there are several.")]
MethodName = Annotated[str | None, typer.Option("--method", "-m", help="Which method's, or which label's.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Which run seed's.")]
AfterTask = Annotated[
    int | None, typer.Option("--task", min=1, help="The model after this task; default the last.", show_default=False)
]
Source = Annotated[
    str | None, typer.Option("--backbone", help="Where the backbone lies now, if not where the run found it.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON: what was written.")]


def chosen_state(
    runs: Path, benchmark: str | None, method: str | None, seed: int | None, task: int | None, *, least: int = 1
) -> Learnt:
    """The cell that these name, after a task.

    Raises:
        UsageError: none, or more than one; or it has no such task.
    """
    from harness.export.trained_model import choose_cell, learnt
    from harness.records.run_file import read_cells
    from reports.cells.apart import told_apart

    cells = read_cells(runs, left_out=LeftOut())
    chosen = choose_cell(told_apart(cells), benchmark, method, seed)  # by the names that a report has
    # the last of these: what comes twice has the same steps
    same = [cell for cell in cells if (cell.key, cell.run_file) == (chosen.key, chosen.run_file)]
    return learnt(same[-1], task, least=least)


def one_device(device: str) -> str:
    """The first of the devices that --device names."""
    from harness.api import detect_device, device_list

    return device_list(device, detect_device(device))[0]
