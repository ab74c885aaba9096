"""Files beside images in which a tool for annotation wrote what they show.

They are not read for training, but by them it is told that a folder holds several things, or images of none, or what
another is said to show.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.data.annotation_tables import SUFFIXES, table_labels
from harness.data.skipped_files import Skipped, few_of
from harness.errors import shortened

READ, BYTES = 500, 1 << 18  # so many such files of a folder are read, and so much of each
TABLES = 5  # so many files that are not called as an image
ENOUGH, OFTEN, MOSTLY = 4, 2, 0.8  # annotated images; images with a label that count it; those that one label is on
NOTHING = "nothing"
CAPTIONS, CAPTION = frozenset({".caption", ".txt"}), 4096  # files as other trainers have them; so much of each
_OBJECTS = re.compile(rb"<object>.*?<name>([^<]{1,80})</name>", re.DOTALL)  # Pascal VOC
_BOX = re.compile(r"\d{1,4}(?:\s+-?\d*\.?\d+(?:e-?\d+)?){4,}", re.IGNORECASE)  # YOLO: a class and a box, or a polygon
_CLASS = re.compile(r"\d{1,5}")  # WebDataset


def labels_said(folder: Path, images: Iterable[Path], skipped: Sequence[Skipped]) -> list[str]:
    """A sentence on a folder of one concept whose images are annotated as several things; none if there are no such.

    Args:
        images: what is used of it. skipped: what is not.
    """
    stems = {path.stem for path in images}
    others = [one.path for one in skipped if one.kind == "other" and one.path.parent == folder]
    by_kind: dict[str, list[frozenset[str]]] = {}
    for path in [path for path in others if path.stem in stems][:READ]:
        if (found := _labels(path)) is not None:
            by_kind.setdefault(path.suffix.lower(), []).append(found)
    said = [("the files of annotations beside its images", each) for each in by_kind.values()]
    tables = [path for path in others if path.stem not in stems and path.suffix.lower() in SUFFIXES]
    said += [
        (f"its images' annotations in {shortened(path.name)}", [*table_labels(path, stems).values()])
        for path in tables[:TABLES]
    ]
    for which, annotated in said:
        if often := _often(annotated):
            named = few_of([f"{shortened(label)} ({count})" for label, count in often])
            return [
                f"{shortened(folder)}: {which} name {len(often)} things, and none on most: {named}; if the images show "
                "these, give each a folder of its own."
            ]
    return []


def _often(annotated: Sequence[frozenset[str]]) -> list[tuple[str, int]]:
    """The things that several images show, each with their number, where there are two or more and none is on most."""
    counts = Counter(label for found in annotated for label in found or {NOTHING})
    often = [(label, count) for label, count in counts.most_common() if count >= OFTEN]
    several = len(annotated) >= ENOUGH and len(often) > 1 and often[0][1] < MOSTLY * len(annotated)
    return often if several else []


def captions_said(concepts: Sequence[tuple[Path, str, Sequence[Path]]], skipped: Sequence[Skipped]) -> list[str]:
    """Sentences on concepts whose images' captions speak of another one: its word is in most, their own in hardly any.

    Args:
        concepts: of each its folder, its category word, and what is used of it. skipped: what is not used.
    """
    patterns = {word: _spoken_of(word) for _, word, _ in concepts if word}
    texts: dict[Path, list[Path]] = {}
    for one in skipped:
        if one.kind == "other" and one.path.suffix.lower() in CAPTIONS:
            texts.setdefault(one.path.parent, []).append(one.path)
    said: list[str] = []
    for folder, word, images in concepts:
        stems = {path.stem for path in images}
        captions = [_text(path) for path in texts.get(folder, ())[:READ] if path.stem in stems]
        spoken = _spoken_of(word)
        own = sum(spoken.search(one) is not None for one in captions)
        others = {
            other: sum(pattern.search(one) is not None for one in captions)
            for other, pattern in patterns.items()
            if not pattern.search(word) and not spoken.search(other)
        }
        most = max(others, key=lambda other: others[other], default="")
        often = others.get(most, 0)
        if len(captions) >= ENOUGH and often >= MOSTLY * len(captions) and own <= (1 - MOSTLY) * len(captions):
            said.append(
                f"{shortened(folder)}: {often} of {len(captions)} captions beside its images speak of '{most}', the "
                f"word of another concept, and {own or 'none'} of '{word}'; if they are right, correct its name "
                "or word."
            )
    return said


def _spoken_of(word: str) -> re.Pattern[str]:
    """What finds a category word in a text, or its plural."""
    words = r"[\s_-]+".join(map(re.escape, word.split()))
    return re.compile(rf"\b{words}(?:e?s)?\b", re.IGNORECASE)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(CAPTION).decode("utf-8", "replace")
    except OSError:  # as below
        return ""


def _labels(path: Path) -> frozenset[str] | None:
    """The things that a file says an image shows, none of them perhaps; None if it is no such file."""
    try:
        with path.open("rb") as stream:
            data = stream.read(BYTES)
    except OSError:  # what cannot be read is not used either way
        return None
    match path.suffix.lower():
        case ".xml":
            names = (name.decode("utf-8", "replace").strip() for name in _OBJECTS.findall(data))
            return frozenset(names) if b"<annotation" in data else None
        case ".json":
            return _of_shapes(data)
        case ".txt":
            lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
            boxes = all(map(_BOX.fullmatch, lines))
            return frozenset(f"class {line.split()[0]}" for line in lines) if boxes and lines else None
        case ".cls":
            text = data.decode("utf-8", "replace").strip()
            return frozenset({f"class {text}"}) if _CLASS.fullmatch(text) else None
        case _:
            return None


def _of_shapes(data: bytes) -> frozenset[str] | None:
    """LabelMe's: an object with shapes, each with a label."""
    try:
        shapes = json.loads(data)["shapes"]
        return frozenset(str(shape["label"]) for shape in shapes)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
