"""The options that `stamina-bench tune` chose, read from the records that ship with the methods. Imports no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.errors import UsageError

RECORDS = Path(__file__).parent.parent / "tuned"


def tuned(method: str, **fixed: Any) -> dict[str, dict[str, Any]]:
    """The defaults of each tier at which a method was tuned, and of the mini tier in any case.

    Args:
        method: its name. fixed: options of the mini tier that are not searched, such as steps and rank; at other tiers
            the record itself says what was fixed.

    Returns:
        tier -> option -> value: what was fixed, then what was chosen, as `methods/tuned/<tier>/<method>.json` says.

    Raises:
        UsageError: a record is damaged.
    """
    defaults = {"mini": fixed}
    for path in sorted(RECORDS.glob(f"*/{method}.json")):
        tier = path.parent.name
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            chosen = dict(record["chosen"] or {})
            defaults[tier] = {**(fixed if tier == "mini" else record["fixed"]), **chosen}
        except (OSError, ValueError, KeyError, TypeError):
            raise UsageError(f"{path} is damaged; delete it, or make it again with `stamina-bench tune`.") from None
    return defaults
