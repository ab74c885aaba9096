"""Photographs of one moment: bursts, and frames of one video, told by the time in EXIF or by the files' names.

They hardly differ even where they show too little of the same place to be found alike. What was held out of training to
be measured against, or to be tested on, is then known by heart from its neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

CLOSE = 1.0  # seconds between photographs of one moment: of a burst whose times have no parts of seconds, too
# "IMG_20230501_100000_BURST001", "00000IMG_00000_BURST20190101123456789_COVER", "20230501_100000_001", "clip_frame12"
_BURST = re.compile(
    r"(?:.*[^a-z])?BURST(?P<stamp>\d{8,}).*|(?P<before>.*[^a-z])BURST\d{0,4}(?:_COVER)?|(?P<shot>\d{8}_\d{6})_\d{3}|"
    r"(?P<video>(?:.*[\s_.-])?frames?|vlcsnap)[\s_.-]?\d+",
    re.IGNORECASE,
)
TEXT = "taken within a second of images that are trained on, or in one burst or video with them by the names"


def moments(taken: Mapping[Path, float | None]) -> dict[Path, Path]:
    """Of each photograph of one concept or class, the first of its moment; itself if there is no other.

    A time that all of them have says nothing: programs write it into what they export.

    Args:
        taken: when each was taken, where it is said (see `harness.data.images.taken`).
    """
    first = {path: path for path in taken}
    times = sorted((time, path) for path, time in taken.items() if time is not None)
    if times and times[0][0] < times[-1][0]:
        for (before, earlier), (after, path) in pairwise(times):
            if after - before <= CLOSE:
                first[path] = first[earlier]
    named: dict[str, Path] = {}
    for path in taken:
        if (match := _BURST.fullmatch(path.stem)) is not None:
            other = named.setdefault(next(key for key in match.groups() if key is not None), first[path])
            old = first[path]
            first = {each: other if of == old else of for each, of in first.items()}
    return first
