"""CSV that spreadsheets show and do not run: a text that would begin a formula there has an apostrophe before it."""

from __future__ import annotations

from typing import TypeVar

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a spreadsheet knows a formula, in the first place or after a tab

T = TypeVar("T")


def harmless(value: T) -> T | str:
    """A cell's value; only texts change, and only those that begin like a formula. Numbers keep their signs."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
