"""Trackers as the command line and Python name them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from harness import registry
from harness.errors import UsageError
from harness.tracker import Tracker

TrackerLike: TypeAlias = str | Tracker


def wanted_trackers(named: str | TrackerLike | Iterable[TrackerLike] | None) -> dict[str, Tracker]:
    """Name -> tracker, made anew.

    Args:
        named: 'tensorboard,wandb', or a list of names and of trackers of the user's own.

    Raises:
        UsageError: one is unknown or lacks a package, or is something else.
    """
    if named is None:
        return {}
    parts = named.split(",") if isinstance(named, str) else [named] if isinstance(named, Tracker) else list(named)
    found: dict[str, Tracker] = {}
    for part in parts:
        if isinstance(part, Tracker):
            found[type(part).__name__] = part
        elif isinstance(part, str) and part.strip():
            found[part.strip()] = registry.tracker(part.strip())
        elif not isinstance(part, str):
            raise UsageError(f"{part!r} cannot be used as a tracker: give its name, or an object of such a class.")
    return found
