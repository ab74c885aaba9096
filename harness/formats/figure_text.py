"""How figures are printed: in a run's display, in tunings and in reports alike, so that one figure reads the same."""

from __future__ import annotations

DIGITS = 2  # decimals of A_mmd, F_mmd, KID and of shares in percent


def number(value: float, digits: int = DIGITS) -> str:
    """A fixed number of decimals, without the minus sign of a value that rounds to zero."""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def counted(number: int, one: str, many: str = "") -> str:
    """'1 image', '2 images'."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def are(number: int) -> str:
    """The verb after 'so many of them'."""
    return "is" if number == 1 else "are"
