"""How means, spreads, intervals and verdicts read in the comparison with the paper."""

from __future__ import annotations

from harness.formats.figure_text import number
from harness.settings.presentation import MISSING, NO_SPREAD
from reports.statistics.intervals import Interval


def mean_and_spread(interval: Interval | None, missing: str = MISSING, digits: int = 2) -> str:
    """'360.80 ± 13.50'; of one seed '360.80'."""
    if interval is None:
        return missing
    spread = "" if interval.spread is None else f" ± {number(interval.spread, digits)}"
    return f"{number(interval.mean, digits)}{spread}"


def bounds(interval: Interval, digits: int = 2) -> str:
    """'[1.90, 2.46]'; an em dash in brackets where there is one seed only."""
    if interval.low is None or interval.high is None:
        return f"[{NO_SPREAD}]"
    return f"[{number(interval.low, digits)}, {number(interval.high, digits)}]"


def signed(value: float, digits: int = 2) -> str:
    """A fixed number of decimals with the sign, except of zero."""
    text = number(value, digits)
    return f"+{text}" if float(text) > 0 else text


def yes_no(verdict: bool | None) -> str:
    """The verdict in a word; an em dash where one seed allows none."""
    return NO_SPREAD if verdict is None else "yes" if verdict else "no"
