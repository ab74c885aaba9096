"""CSV tables of a data set: the columns needed of each line, and where a table is cut off."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.data.selection import Watch
from harness.errors import UsageError

FIELD_LIMIT = 1 << 24  # characters: one line of train_clean.csv lists every image of a landmark


def rows(path: Path, columns: Sequence[str], watch: Watch) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Line number and the named columns of each line.

    Raises:
        UsageError: the file is no such table, or is cut off.
    """
    csv.field_size_limit(max(csv.field_size_limit(), FIELD_LIMIT))
    again = "download it again"
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = csv.reader(stream)
            header = [name.strip() for name in next(lines, [])]
            absent = [name for name in columns if name not in header]
            if absent:
                raise UsageError(f"{path} has no column '{absent[0]}' in its first line; {again}.")
            places = [header.index(name) for name in columns]
            for line in watch(lines, f"reading {path.name}"):
                if not line:
                    continue
                if len(line) != len(header):
                    raise UsageError(
                        f"Line {lines.line_num} of {path} has {len(line)} of {len(header)} columns (cut off?); {again}."
                    )
                yield lines.line_num, tuple(line[place] for place in places)
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as CSV in UTF-8 ({error}); {again}.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); check its permissions.") from error
