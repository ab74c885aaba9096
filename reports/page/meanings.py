"""In which units the page's figures stand."""

from __future__ import annotations

from collections.abc import Mapping

UNITS: Mapping[str, str] = {
    "1e-3": "\N{MULTIPLICATION SIGN}10⁻³ (the score times 1000)",
    "1": "a plain number",
    "%": "%",
    "s": "seconds",
    "fraction": "fraction, 0 to 1",
}
