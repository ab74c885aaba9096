"""Which runs the page is of: the command of each, and when it was last asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from harness.errors import UsageError
from harness.records.run_command import run_command
from harness.records.run_file import read_spec
from harness.results import CellResult
from reports.page.public import public_path

PROGRAM = "stamina-bench"


@dataclass(frozen=True)
class Run:
    """One run: its command ('' where its file cannot be read), when it was last asked for, and its file."""

    command: str
    date: str
    file: str


def runs_of(cells: Sequence[CellResult], folder: Path) -> list[Run]:
    """The runs that the cells belong to, each once; `folder` is the report's."""
    files = dict.fromkeys(cell.run_file for cell in cells if cell.run_file is not None)
    return [_run(path, folder) for path in files]


def program() -> str:
    """The program that writes the page, with its version."""
    return f"{PROGRAM} {version(PROGRAM)}"


def _run(path: Path, folder: Path) -> Run:
    try:
        command = run_command(read_spec(path))
    except UsageError:  # gone, or of another version: the results are there all the same
        command = ""
    try:
        # UTC, so that the page has the same bytes wherever it is written
        date = datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%d, %H:%M UTC")
    except OSError:
        date = ""
    return Run(command, date, public_path(path, folder))
