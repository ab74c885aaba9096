"""Where all randomness comes from: seeds made of (run seed, purpose, indices), never global state."""

from __future__ import annotations

import hashlib
import json


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed that depends on every part and on their order, the same on every machine."""
    return int.from_bytes(hashlib.sha256(json.dumps(parts).encode()).digest()[:8], "little") >> 1


def own_places(order: int, total: int) -> list[int]:
    """Which task of a benchmark's own order, counted from 0, stands at each place of its k-th shuffled one."""
    places = list(range(total))
    return sorted(places, key=lambda place: derive_seed("order", order, place)) if order else places
