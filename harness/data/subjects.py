"""Images of one subject, clip or scene, as their files' names tell: "subj01_a", "video07_0012".

A data set of such is split by subject, as otherwise those to test are known from their neighbours.
"""

from __future__ import annotations

import re

# Words that number who or what was recorded, with something behind the number that tells its images apart. Not dates.
_SUBJECT = re.compile(
    r"(?:.*[\W_])?(?P<who>(?:clip|donor|participant|patient|person|scene|seq(?:uence)?|specimen|subj(?:ect)?|vid(?:eo)?|"
    r"volunteer)[\s_-]?\d{1,5})[\W_]+\w.*",
    re.IGNORECASE,
)


def subject_of(stem: str) -> str | None:
    """The subject, clip or scene that a file's name tells, in small letters; None if it tells none.

    >>> [subject_of(stem) for stem in ("subj01_a", "x-Video_7-0012", "person_3", "VID_20230501_100000", "cat_1")]
    ['subj01', 'video_7', None, None, None]
    """
    match = _SUBJECT.fullmatch(stem)
    return match["who"].casefold() if match else None
