"""How figures are printed: in a run's display, in tunings and in reports alike, so that one figure reads the same."""

from __future__ import annotations

DIGITS = 2  # decimals of A_mmd, F_mmd, KID and of shares in percent


def number(value: float, digits: int = DIGITS) -> str:
    """A fixed number of decimals, without the minus sign of a value that rounds to zero."""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text
