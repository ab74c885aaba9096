"""The options that `stamina-bench tune` chose, read from the records that ship with the methods. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness.errors import UsageError

# of `clora` and `stamina` alike: where a tuning of lambda_forget begins, which widens it if the best lies at its edge
FORGET_GRID: Final = (10.0, 100.0, 1000.0)
RECORDS = Path(__file__).parent.parent / "tuned"
# Of every method of the classification setting at the mini tier: 40 steps a task. The head's rate is ten times the
# published one, as that protocol's 470 steps are; a head that has hardly moved cannot be told from an untrained one.
MINI_CLASSES: Mapping[str, Any] = {"epochs": 10, "batch_size": 16, "head_learning_rate": 1e-2}


def tuned(method: str, like: str = "", **fixed: Any) -> dict[str, dict[str, Any]]:
    """The defaults of each tier at which a method was tuned, and of the mini tier in any case.

    Args:
        method: its name. like: the method whose record counts as long as it has none of its own.
        fixed: options of the mini tier that are not searched, such as steps and rank; at other tiers the record itself
            says what was fixed.

    Returns:
        tier -> option -> value: what was fixed, then what was chosen, as `methods/tuned/<tier>/<method>.json` says.

    Raises:
        UsageError: a record is damaged.
    """
    own = any(RECORDS.glob(f"*/{method}.json"))
    return _read(RECORDS, method if own or not like else like, fixed)


def tuned_classes(method: str, **fixed: Any) -> dict[str, dict[str, Any]]:
    """As `tuned`, of the classification setting: `methods/tuned/classification/<tier>/<method>.json`."""
    return _read(RECORDS / "classification", method, {**MINI_CLASSES, **fixed})


def _read(folder: Path, method: str, fixed: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    defaults = {"mini": dict(fixed)}
    for path in sorted(folder.glob(f"*/{method}.json")):
        tier = path.parent.name
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            chosen = dict(record["chosen"] or {})
            defaults[tier] = {**(fixed if tier == "mini" else record["fixed"]), **chosen}
        except (OSError, ValueError, KeyError, TypeError):
            raise UsageError(f"{path} is damaged; delete it, or make it again with `stamina-bench tune`.") from None
    return defaults
