"""Why steps failed, kept in a file (key -> first error) until they are tried again.

Tracebacks of errors in a plugin's code stand beside them, under `tracebacks` (key -> text).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.store.store import write_atomically

TRACEBACKS = "tracebacks"


def write_failures(path: Path, errors: Mapping[str, str], traces: Mapping[str, str] | None = None) -> None:
    """Replace the file, or remove it where nothing failed."""
    if errors:
        content: dict[str, Any] = {**errors, **({TRACEBACKS: dict(traces)} if traces else {})}
        write_atomically(path, json.dumps(content, indent=1, sort_keys=True) + "\n")
    else:
        path.unlink(missing_ok=True)


def read_failures(path: Path) -> Mapping[str, str]:
    """What the file holds of errors; nothing where there is none, or none that can be read."""
    return {key: text for key, text in _read(path).items() if isinstance(text, str)}


def read_traces(path: Path) -> Mapping[str, str]:
    """What the file holds of tracebacks."""
    found = _read(path).get(TRACEBACKS, {})
    return found if isinstance(found, dict) else {}


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
