"""Why steps failed, kept in a file (key -> first error) until they are tried again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from harness.store import write_atomically


def write_failures(path: Path, errors: Mapping[str, str]) -> None:
    """Replace the file, or remove it where nothing failed."""
    if errors:
        write_atomically(path, json.dumps(dict(errors), indent=1, sort_keys=True) + "\n")
    else:
        path.unlink(missing_ok=True)


def read_failures(path: Path) -> Mapping[str, str]:
    """What the file holds; nothing where there is none, or none that can be read."""
    try:
        found: Mapping[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
