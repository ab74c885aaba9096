"""What is odd of most pictures of a concept, at a closer look: enlarged, collages, stamped, filled up, wrong bytes.

Of classes, what is stamped.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.images.closer import Closer, look_closer
from harness.data.skipped_files import few
from harness.errors import UsageError

LOOKED_AT = 6  # pictures of a concept
CLASSES = 100  # so many are looked at
ENOUGH = 4  # of them, before one is held against the others
SAVED_AGAIN = 8.0  # greys on average between a picture and itself as a JPEG of low quality
STILL, EDGE = 24, 12  # greys that one place differs by at most in all pictures, and from it to the next
# Of all places those that are still and an edge: of photographs of one thing 0.4 % at most, of stamped ones 4 %. Where
# half is still, they are frames of one video.
STAMPED, FRAMES = 0.015, 0.5
SAID = (
    ("enlarged", "look enlarged from thumbnails, or are out of focus; use larger ones if you have them."),
    ("collage", "look like several pictures with a seam between them, which is learned, too; cut them apart."),
    ("goes_round", "have bytes that go round from white to black; clip values to 0 to 255 when they are saved."),
    ("clipped", "are 0 (black) in a third of all values; if they were in [-1, 1], scale them before saving."),
    ("combed", "have every other row out of place, as frames of an interlaced video; deinterlace them."),
    ("blocky", "are made of blocks, as enlarged thumbnails and JPEGs of lowest quality are; use better ones if any."),
    ("filled", "have edges that are repeated or mirrored, as programs fill a picture up to a square; crop them."),
)  # fmt: skip


def pictures_said(concepts: Mapping[str, Sequence[Path]], barred: Collection[str] = ()) -> list[str]:
    """Sentences on concepts, each with its images: by concept, as one picture alone may be meant so.

    Args:
        barred: concepts whose images are said to have bars, which are at one place, too.
    """
    looked = {name: _looked_at(images) for name, images in concepts.items()}
    said: list[str] = []
    for what, text in SAID:
        if odd := [name for name, found in looked.items() if _mostly(found, what)]:
            said.append(f"Most images of {few(odd)} {text}")
    if stamped := [name for name, found in looked.items() if name not in barred and _is_stamped(found)]:
        said.append(
            f"Something is at one place in all images of {few(stamped)} (a watermark, a date, a stand?), which is "
            "learned, too; crop or retouch them if it is not meant."
        )
    if checkered := [name for name, found in looked.items() if any(one.checkered for one in found)]:
        said.append(
            f"Images of {few(checkered)} have the checkerboard that stands for transparency around what they show, as "
            "pixels that are learned, too; save them with real transparency, or with a ground."
        )
    return said


def stamped_classes(classes: Mapping[str, Sequence[Path]]) -> list[str]:
    """A sentence on classes, each with its images, that have something at one place where others have not; else none.

    What is so in all classes tells none from another.
    """
    some = {name: _spread(images) for name, images in list(classes.items())[:CLASSES]}
    stamped = [name for name, images in some.items() if _is_stamped(_looked_at(images))]
    if not stamped or len(stamped) == len(some):
        return []
    return [
        f"Something is at one place in images of {few(stamped)} (a watermark, a date, a stand?), and not of all "
        "classes, so that a classifier may learn this alone; crop or retouch them if it is not meant."
    ]


def _spread(images: Sequence[Path]) -> Sequence[Path]:
    """As many of them as are looked at, from all over: those that follow each other may be of one video."""
    return images[:: max(1, len(images) // LOOKED_AT)]


def _looked_at(images: Sequence[Path]) -> list[Closer]:
    found: list[Closer] = []
    for path in images[:LOOKED_AT]:
        try:
            found.append(look_closer(path))
        except UsageError:  # what changed since it was examined is told when it is read for training
            continue
    return found


def _mostly(found: Sequence[Closer], what: str) -> bool:
    return len(found) > 1 and 2 * sum(getattr(one, what) for one in found) > len(found)


def _is_stamped(found: Sequence[Closer]) -> bool:
    """Whether the same edges are at the same places, among what differs. One picture saved twice is one."""
    different: list[NDArray[np.float64]] = []
    for grey in (one.greys.astype(np.float64) for one in found):
        if all(np.abs(grey - other).mean() > SAVED_AGAIN for other in different):
            different.append(grey)
    if len(different) < ENOUGH:
        return False
    greys = np.stack(different)
    still = np.ptp(greys, axis=0) < STILL
    edges = np.hypot(*np.gradient(greys.mean(axis=0))) > EDGE
    return float(still.mean()) < FRAMES and float((still & edges).mean()) > STAMPED
