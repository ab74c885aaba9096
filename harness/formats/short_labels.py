"""Labels cut to the room there is, so that those that differ stay apart, or without what all of them have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import count, takewhile

MARK = "…"
OPTIONS = re.compile(r"(?P<name>.*?) \[(?P<options>.*=.*)\](?P<more>[^\]]*)")  # 'ub [steps=30] (2)'
NEXT = re.compile(r", (?=[\w.]+=)")  # between two options: values hold commas, too
LEAST = 3  # characters of the beginning that a label keeps: it is mostly the method's name


def apart(labels: Sequence[str], room: int) -> list[str]:
    """Each label in at most `room` characters, cut where it is like the others; different labels stay different.

    `ub [sampling.solver=dpmpp]` beside `ub [sampling.solver=unipc]` becomes `ub [sam…=dpmpp]`, not `ub [sampling.s…`.
    """
    found = {label: label for label in labels if len(label) <= room}
    wanted = list(dict.fromkeys(label for label in labels if len(label) > room))
    differ = {label: _first_difference(label, labels) for label in wanted}

    def lost(head: int) -> int:
        """Of how many labels the cut takes away where they begin to differ."""
        return sum(head <= differ[label] < len(label) - (room - 1 - head) for label in wanted)

    for head in sorted(_heads(room), key=lost):
        cut = {label: _without_middle(label, head, room) for label in wanted}
        if len({*found.values(), *cut.values()}) == len(found) + len(wanted):
            return [(found | cut)[label] for label in labels]
    for label in wanted:  # they differ in their middles only, or are very many
        found[label] = _of_its_own(label, wanted, room, set(found.values()))
    return [found[label] for label in labels]


def without_shared(labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """The labels without the options that every one of them has, and those options.

    `ub [solver=ddim, steps=30]` beside `ti++ [steps=30]` becomes `ub [solver=ddim]` and `ti++`. One alone stays whole,
    and so do all where what is left would tell two of them apart no longer.
    """
    found = [OPTIONS.fullmatch(label) for label in labels]
    options = [NEXT.split(each["options"]) if each else [] for each in found]
    shared = [option for option in (options[0] if options else []) if all(option in each for each in options)]
    if len(labels) < 2 or not shared:
        return list(labels), []
    short: list[str] = []
    for each, own in zip(found, options, strict=True):
        left = ", ".join(option for option in own if option not in shared)
        short.append(f"{each['name']}{f' [{left}]' if left else ''}{each['more']}" if each else "")
    return (short, shared) if len(set(short)) == len(set(labels)) else (list(labels), [])


def _heads(room: int) -> Iterator[int]:
    """Lengths of a beginning: half of the room first, then ever further from it."""
    middle = (room - 1) // 2
    for away in range(max(middle, room - 1 - middle)):
        for head in dict.fromkeys((middle - away, middle + away)):
            if min(LEAST, middle) <= head < room:
                yield head


def _first_difference(label: str, labels: Sequence[str]) -> int:
    """The place from which on it is like no other label."""
    return max((_shared(label, other) for other in labels if other != label), default=0)


def _without_middle(label: str, head: int, room: int) -> str:
    tail = room - 1 - head
    return f"{label[:head]}{MARK}{label[len(label) - tail :]}"


def _of_its_own(label: str, others: Sequence[str], room: int, taken: set[str]) -> str:
    """A beginning and the piece from which on the label is like no other; where that is taken, a number at the end."""
    head = max(1, room // 3)
    starts = {_shared(label, other) for other in others if other != label}
    piece = room - head - 2
    for start in sorted(starts, reverse=True):
        begin = max(head, start - 1)
        text = f"{label[:head]}{MARK}{label[begin : begin + piece]}{MARK}"
        if piece > 0 and text not in taken:
            return text
    numbered = (f"{label[: max(1, room - 1 - len(str(n)))]}{MARK}{n}" for n in count(2))
    return next(text for text in numbered if text not in taken)


def _shared(one: str, other: str) -> int:
    """How many characters both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
