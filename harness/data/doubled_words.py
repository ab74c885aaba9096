"""Category words that a benchmark's file writes again where a prompt has them already: "{0} dog", "dog in the snow"."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from harness.errors import shortened


def doubled(file: str, composition: str, edits: Mapping[str, Sequence[str]], categories: Collection[str]) -> list[str]:
    """Sentences on such words in the prompt of two concepts, and in what is added to prompts; none if there are none.

    Args:
        file: what says it. categories: the category words of all concepts.

    >>> doubled("pets.yaml", "a {0} dog next to {1}", {}, ["dog"])[0][:71]
    'pets.yaml, composition: {0} and {1} stand for a token and a category wo'
    """
    said: list[str] = []
    either = "|".join(re.escape(word) for word in sorted(categories, key=len, reverse=True) if word)
    found = re.search(rf"\{{[01]\}}\s+({either})\b|\b({either})\s+\{{[01]\}}", composition, re.IGNORECASE)
    if either and found:
        word = shortened(found[1] or found[2])
        said.append(
            f"{file}, composition: {{0}} and {{1}} stand for a token and a category word each, and '{word}' beside one "
            f"of them may be there twice then ('V* {word} {word}'); leave it out if so."
        )
    for key, added in edits.items():
        words = "|".join(re.escape(word) for word in ([key] if key else categories) if word)
        begun = [(edit, re.match(rf"\s*(?:an?\s+|the\s+)?({words})\b", edit, re.IGNORECASE)) for edit in added]
        said += [
            f"{file}, edits: '{shortened(edit)}' is added behind a category word, so that "
            f"'{shortened(begins[1])}' at its beginning is one too many; leave it out."
            for edit, begins in begun
            if words and begins
        ]
    return said
