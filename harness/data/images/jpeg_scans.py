"""What the scans of a JPEG must hold, told from its headers without decoding: where a part is missing all the same.

A rescue that puts an end behind what it found leaves a whole file of a picture with gaps, which decoders fill in
silence: later scans that would sharpen it, stretches between restart markers, or zeros where no data were.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Gap = Literal["", "scans", "part"]

TABLES, START_OF_SCAN, RESTART_INTERVAL = 0xC4, 0xDA, 0xDD
FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # of those that common decoders read, the ones coded by Huffman
TOLD = FRAMES | {TABLES, START_OF_SCAN, RESTART_INTERVAL}  # markers whose segments count here
ZEROS = bytes(64)
VALUES = 64  # of a block, from the mean to the finest detail


@dataclass
class Scans:
    """Takes what comes in a JPEG, in turn, and tells what is missing at its end."""

    _size: tuple[int, int] = (0, 0)
    _sampling: dict[int, tuple[int, int]] = field(default_factory=dict)  # component -> samples across and down
    _bits_left: dict[int, list[int]] = field(default_factory=dict)  # component -> of each value, bits still to come
    _first_symbols: dict[int, int] = field(default_factory=dict)  # table -> what a code of nothing but zeros means
    _interval: int = 0
    _expected: int = 0  # restart markers in this scan
    _zeros_mean_detail: bool = False
    _part_missing: bool = False

    def segment(self, marker: int, inside: bytes) -> None:
        """A segment of one of the markers in `TOLD`; a damaged one is left to the decoder."""
        try:
            if marker in FRAMES:
                self._frame(inside)
            elif marker == TABLES:
                self._tables(inside)
            elif marker == RESTART_INTERVAL:
                self._interval = int.from_bytes(inside[:2], "big")
            else:
                self._scan(inside)
        except (IndexError, KeyError, ZeroDivisionError):
            self._bits_left, self._interval, self._expected = {}, 0, 0

    def data(self, block: bytes, end: int) -> None:
        """Some of a scan's data, up to `end`."""
        if self._zeros_mean_detail and block.find(ZEROS, 0, end) >= 0:
            self._part_missing = True

    def end_of_scan(self, restarts: int) -> None:
        """A scan ended after so many restart markers."""
        self._part_missing |= restarts < self._expected
        self._expected = 0

    @property
    def gap(self) -> Gap:
        """What is missing: "part" of the picture, or whole "scans"."""
        if self._part_missing:
            return "part"
        return "scans" if any(any(bits) for bits in self._bits_left.values()) else ""

    def _frame(self, inside: bytes) -> None:
        self._size = int.from_bytes(inside[3:5], "big"), int.from_bytes(inside[1:3], "big")
        parts = [inside[6 + 3 * k : 9 + 3 * k] for k in range(inside[5])]
        self._sampling = {part[0]: (part[1] >> 4, part[1] & 15) for part in parts}
        self._bits_left = {part[0]: [1] * VALUES for part in parts}

    def _tables(self, inside: bytes) -> None:
        while len(inside) > 17:
            count = sum(inside[1:17])
            self._first_symbols[inside[0]] = inside[17]
            inside = inside[17 + count :]

    def _scan(self, inside: bytes) -> None:
        parts = [inside[1 + 2 * k : 3 + 2 * k] for k in range(inside[0])]
        first, last, bits = inside[1 + 2 * len(parts) : 4 + 2 * len(parts)]
        for part in parts:
            self._bits_left[part[0]][first : last + 1] = [bits & 15] * (last + 1 - first)
        detail = [self._first_symbols[0x10 | part[1] & 15] for part in parts] if last else []
        # elsewhere zeros may be a flat area: "no detail from here on" may have a code of zeros
        self._zeros_mean_detail = any(symbol & 15 for symbol in detail)
        if self._interval and all(self._size):
            self._expected = -(-self._units([part[0] for part in parts]) // self._interval) - 1

    def _units(self, components: list[int]) -> int:
        """How many units a scan has, between any two of which a restart marker may stand."""
        most = [max(sampling[k] for sampling in self._sampling.values()) for k in (0, 1)]
        count = 1
        for k in (0, 1):
            if len(components) > 1:
                count *= -(-self._size[k] // (8 * most[k]))
            else:
                samples = -(-self._size[k] * self._sampling[components[0]][k] // most[k])
                count *= -(-samples // 8)
        return count
