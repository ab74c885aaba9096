"""Values of options that the command line and Python share: read and checked, with one sentence for each mistake."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.errors import UsageError


def integers(text: str, option: str) -> tuple[int, ...]:
    """'0,1,2' as integers.

    Raises:
        UsageError: it is something else.
    """
    try:
        return tuple(int(part) for part in str(text).split(","))
    except ValueError:
        raise UsageError(f"{option} '{text}' is not a list of integers such as 0,1,2.") from None


def parse_seeds(seeds: str | int | Iterable[int]) -> tuple[int, ...]:
    """'0,1,2', 0 or [0, 1, 2] as run seeds.

    Raises:
        UsageError: they are no integers, not distinct, or negative; or there is none.
    """
    text = seeds if isinstance(seeds, str | int) else ",".join(map(str, seeds))
    found = integers(str(text), "--seeds")
    if len(set(found)) < len(found) or min(found) < 0:
        raise UsageError(f"--seeds '{text}' must be distinct, non-negative integers.")
    return found


def known_tier(tier: str) -> str:
    """The name of a tier that there is.

    Raises:
        UsageError: there is none of that name.
    """
    from harness import registry

    return registry.tiers().get(tier).name


def known_dtype(dtype: str | None) -> Any:
    """A precision that there is, or None.

    Raises:
        UsageError: there is none of that name.
    """
    from harness.spec import DTYPES

    if dtype is not None and dtype not in DTYPES:
        raise UsageError(f"Unknown --dtype '{dtype}'; use {', '.join(DTYPES[:-1])} or {DTYPES[-1]}.")
    return dtype


def known_setting(setting: str | None) -> Any:
    """A setting that there is, or None.

    Raises:
        UsageError: there is none of that name.
    """
    if setting is None:
        return None
    from harness import registry

    names = registry.setting_names()
    if setting not in names:
        raise UsageError(f"Unknown --setting '{setting}'; use {' or '.join(names)}.")
    return setting
