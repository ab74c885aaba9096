"""Pictures that classes have more than once, or that look so: in training and test, in two classes, within one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.altered_copies import PART, TEXT, altered
from harness.data.class_files import ClassFile, FileClass
from harness.data.contained_copies import WITHIN, contained
from harness.data.duplicates import Again, across, again_inside, look_alike, original_first
from harness.data.moments import TEXT as TAKEN
from harness.data.moments import moments
from harness.data.split_names import exported
from harness.data.subjects import subject_of
from harness.formats.figure_text import counted

BY_HEART = "so that accuracy shows what was kept by heart"
COMPARED = 50_000  # pairs of images at most in which one is looked for within the other


def copies(classes: Sequence[FileClass], pictures: Mapping[str, str]) -> tuple[Again, ...]:
    """Images that are there more than once: in training and test, in two classes, within a class.

    Args:
        pictures: of each file, by its path, what all files of one picture have in common.
    """
    places: dict[str, list[tuple[str, str, str]]] = {}
    for one in classes:
        for split, files in (("train", one.train), ("test", one.test)):
            for file in sorted(files, key=lambda file: original_first(Path(file.path))):
                places.setdefault(pictures[file.path], []).append((one.name, split, _named(file)))
    leaks: list[list[str]] = []
    shared: list[list[str]] = []
    inside: list[list[str]] = []
    for found in places.values():
        names = [name for _, _, name in found]
        if len({split for _, split, _ in found}) > 1:
            leaks.append(names)
        if len({of for of, _, _ in found}) > 1:
            shared.append(names)
        groups: dict[tuple[str, str], list[str]] = {}
        for of, split, name in found:
            groups.setdefault((of, split), []).append(name)
        inside += [group for group in groups.values() if len(group) > 1]
    return (
        *across(leaks, f"in the training set and in the test set, {BY_HEART}"),
        *across(shared, "in more than one class, and right in one at most"),
        *again_inside(inside),
    )


def look_alikes(classes: Sequence[FileClass], pictures: Mapping[str, str]) -> tuple[Again, ...]:
    """Images to test that look the same as images to train, and images of two classes that look the same.

    Args:
        pictures: as of `copies`; files that are one picture are left to that.

    Raises:
        UsageError: a file cannot be read any more.
    """
    places: dict[Path, tuple[str, str]] = {}
    names: dict[Path, str] = {}
    thumbnails: dict[Path, bytes] = {}
    sketches: dict[Path, bytes] = {}
    for split in ("train", "test"):  # so that one to test is found to be like one to train
        for one in classes:
            for file in one.train if split == "train" else one.test:
                path = Path(file.path)
                places[path], names[path] = (one.name, split), _named(file)
                thumbnails[path], sketches[path] = file.thumbnail, file.sketch

    def comparable(path: Path, other: Path) -> bool:
        return places[path] != places[other] and pictures[str(path)] != pictures[str(other)]

    found: list[Again] = []
    pairs = look_alike(thumbnails, comparable)
    turned = altered(sketches, comparable, pairs)
    for like, how, some in (
        ("the same as", "", pairs),
        ("like", f" {TEXT}", turned),
        ("like", f" {PART}", _parts(classes, comparable, [*pairs, *turned])),
    ):
        leaks: list[tuple[str, str]] = []
        shared: list[tuple[str, str]] = []
        for path, other in some:
            (of, split), (other_of, other_split) = places[path], places[other]
            if split != other_split:
                leaks.append((names[path], names[other]))
            if of != other_of:
                shared.append((names[path], names[other]))
        if leaks:
            number = counted(len(leaks), "image to test looks", "images to test look")
            text = f"{number} {like} images to train{how}, {BY_HEART}; keep each picture in one of the sets"
            found.append(Again(text, tuple(leaks)))
        if shared:
            number = counted(len(shared), "image looks", "images look")
            found.append(
                Again(f"{number} {like} images of other classes{how}; keep each picture in one class", tuple(shared))
            )
    return tuple(found)


def _parts(
    classes: Sequence[FileClass],
    comparable: Callable[[Path, Path], bool],
    known: Sequence[tuple[Path, Path]],
) -> list[tuple[Path, Path]]:
    """Images to test that show a part of one to train of their class, or it within more.

    Each is compared with `WITHIN` of those, with fewer where there are many images to test; known: as of `contained`.
    """
    within = min(WITHIN, COMPARED // max(1, sum(len(one.test) for one in classes)))
    found: list[tuple[Path, Path]] = []
    for one in classes:
        train = _overviews(one.train[:within])
        if train:
            overviews = train | _overviews(one.test)
            found += contained(overviews, comparable, known, within=within, kept=train.__contains__)
    return found


def _overviews(files: Sequence[ClassFile]) -> dict[Path, NDArray[np.uint8]]:
    """Of the images with a photograph's tones."""
    return {
        Path(file.path): file.overview
        for file in files
        if file.overview is not None and file.toned is not None and file.toned.tones == "many"
    }


def torn_exports(classes: Sequence[FileClass]) -> tuple[Again, ...]:
    """Files of a class whose names tell one picture, of which some are to train and some to test."""
    found: list[list[str]] = []
    for one in classes:
        tests = set(one.test)
        stem = exported({Path(file.path).stem for file in (*one.train, *one.test)})
        groups: dict[str, list[ClassFile]] = {}
        for file in sorted((*one.train, *one.test), key=lambda file: original_first(Path(file.path))):
            groups.setdefault(stem[Path(file.path).stem], []).append(file)
        found += [
            [_named(file) for file in files]
            for files in groups.values()
            if len({file in tests for file in files}) > 1 and len({Path(file.path).stem for file in files}) > 1
        ]
    if not found:
        return ()
    text = "by the files' names, and on both sides of the drawn split"
    one_of, many = "picture is exported more than once", "pictures are exported more than once"
    remedy = f"{BY_HEART}; give a test/ of your own"
    return (Again(f"{counted(len(found), one_of, many)} {text}, {remedy}", tuple(map(tuple, found))),)


def torn_moments(classes: Sequence[FileClass]) -> tuple[Again, ...]:
    """Images to test that were taken at the moment of images to train of their class."""
    found: list[tuple[str, str]] = []
    for one in classes:
        taken = {Path(file.path): file.taken for file in (*one.train, *one.test)}
        first = moments(taken)
        trained = {first[Path(file.path)]: file for file in reversed(one.train)}
        near = ((file, trained.get(first[Path(file.path)])) for file in one.test)
        found += [(_named(file), _named(other)) for file, other in near if other is not None]
    if not found:
        return ()
    text = f"{counted(len(found), 'image to test was', 'images to test were')} {TAKEN}, {BY_HEART}"
    return (Again(f"{text}; keep each moment in one of the sets", tuple(sorted(found))),)


def torn_subjects(classes: Sequence[FileClass]) -> tuple[Again, ...]:
    """Images to test of a subject of which images to train of their class are, too, by the files' names.

    A class of one subject alone has no other choice.
    """
    found: list[tuple[str, str]] = []
    for one in classes:
        trained = {who: file for file in reversed(one.train) if (who := subject_of(Path(file.path).stem))}
        tested = [(file, subject_of(Path(file.path).stem)) for file in one.test]
        if len({*trained, *(who for _, who in tested)}) > 1:
            found += [(_named(file), _named(trained[who])) for file, who in tested if who in trained]
    if not found:
        return ()
    text = (
        f"{counted(len(found), 'image to test is', 'images to test are')} of a subject, a clip or a scene that images"
    )
    return (Again(f"{text} to train are of, by the names, {BY_HEART}; keep each in one of the sets", tuple(found)),)


def _named(file: ClassFile) -> str:
    """'train/daisy/1.jpg' of a path: enough to find it."""
    return "/".join(Path(file.path).parts[-3:])
