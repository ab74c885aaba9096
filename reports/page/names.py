"""Names of methods as sentences and captions use them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

CHANGED = re.compile(r"(?P<name>.+?) \[(?P<changes>.*)\]", re.DOTALL)
NAMED = 4  # methods that a sentence names


def plain_names(labels: Sequence[str]) -> tuple[dict[str, str], str]:
    """Label -> the label without the changed options, where all have the same; and those options, '' where they differ.

    One label alone stays as it is.
    """
    found = [CHANGED.fullmatch(label) for label in labels]
    changes = {match["changes"] if match else "" for match in found}
    names = [match["name"] for match in found if match]
    if len(labels) < 2 or len(changes) > 1 or len(set(names)) < len(labels):
        return {label: label for label in labels}, ""
    return dict(zip(labels, names, strict=True)), changes.pop()


def listed(labels: Sequence[str], names: Mapping[str, str]) -> str:
    """'a, b and c'; of many 'a, b, c, d and 5 more'."""
    shown = [names[label] for label in labels[:NAMED]]
    if len(labels) > NAMED:
        shown.append(f"{len(labels) - NAMED} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
