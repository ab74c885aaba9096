"""Any folder of images sorted by class as a classification benchmark; it is read and never written.

    flowers/                     flowers/
      daisy/   1.jpg 2.jpg ...     train/  daisy/ ...  rose/ ...
      rose/    a.png b.png ...     test/   daisy/ ...  rose/ ...      (or val/, valid/, validation/, dev/)

Without a test folder, a fifth of each class's images, drawn once by their content, is the test set. Classes are in the
order of their folders' names, compared as text (as torchvision's ImageFolder has them).
A `ClassReading` says what is used and what is not. What cannot be used is a `UsageError` of one sentence that names the
path and the remedy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from harness.data import class_tasks
from harness.data.class_copies import copies, look_alikes, torn_exports, torn_moments, torn_subjects
from harness.data.class_files import ClassFile, FileClass, by_hash, drawn_split, examine, file_tasks, pictures_of
from harness.data.class_shortcuts import grey_classes
from harness.data.class_tasks import ClassTask, class_order
from harness.data.concept_folder import benchmark_name, name_of
from harness.data.duplicates import Again
from harness.data.folder_names import alike_names, meant_as_one
from harness.data.image_folders import Contents, SubFolder, contents, require_sub_folders, too_few
from harness.data.images.origin import says_itself
from harness.data.masks import Toned, masks_said
from harness.data.misfiled import called_otherwise, misfiled
from harness.data.odd_pictures import stamped_classes
from harness.data.odd_shapes import shapes_said
from harness.data.placeholder_words import left_over
from harness.data.selection import Watch, unwatched
from harness.data.skipped_files import (
    Refusals,
    Skipped,
    by_folder,
    check_command,
    empty,
    few,
    first_ones,
    refuse,
    sentences,
)
from harness.data.split_names import is_split_name, refuse_splits, said_to_test
from harness.data.stray_images import strays_said
from harness.errors import UsageError, nearest, shortened
from harness.formats.figure_text import counted
from harness.spec import Benchmark, SettingName

TRAIN = ("train", "training")
TEST = ("test", "testing", "val", "valid", "validation", "dev")  # the first of these that there is; in any case
DRAWN = "a fifth of each class's images, drawn once, are the test set"
LISTS = frozenset({".csv", ".json", ".lst", ".tsv", ".txt"})  # of files that may say which images are to test
REMEDY = "restore it, or run again"

Listing = Mapping[str, SubFolder]  # a class's name -> its folder
Examine = Callable[[Sequence[Listing]], Mapping[Path, ClassFile]]


@dataclass(frozen=True)
class ClassReading:
    """What a folder of classes holds: classes, what is not used and why, and what its owner must know besides.

    split: where training and test images are from, a whole sentence. note: what the protocol says of it; '' for a
    split that the folder gives. notes, remarks: whole sentences; remarks are on single images that are used. again:
    files that hold one picture, by what is wrong with that. alike: the same of files that look the same. moments: the
    same of files that were taken at one moment, which `--strict` does not refuse.
    """

    setting: ClassVar[SettingName] = "classification"

    folder: Path
    classes: tuple[FileClass, ...]
    split: str
    note: str
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    again: tuple[Again, ...] = ()
    alike: tuple[Again, ...] = ()
    moments: tuple[Again, ...] = ()

    @property
    def summary(self) -> str:
        """One sentence on what is used."""
        names = few([one.name for one in self.classes], most=8)
        train, test = (sum(len(one.files(split)) for one in self.classes) for split in ("train", "test"))
        return (
            f"{counted(len(self.classes), 'class', 'classes')}, {counted(train, 'image')} to "
            f"train, {test} to test: {names}. {self.split}"
        )

    @property
    def told(self) -> list[str]:
        """What is odd but used: the notes, and the remarks on single images."""
        again = (*self.again, *self.alike, *self.moments)
        return [*self.notes, *(one.sentence for one in again), *self.remarks]

    @property
    def cautions(self) -> tuple[str, ...]:
        """What a reader of the figures must know, in whole sentences."""
        return tuple(one.caution for one in (*self.again, *self.alike, *self.moments))

    @property
    def same(self) -> tuple[tuple[str, ...], ...]:
        """Files that hold one picture, and ought not to."""
        return tuple(dict.fromkeys(group for one in self.again for group in one.groups))

    @property
    def looks_like(self) -> tuple[tuple[str, ...], ...]:
        """Files of two sets or classes, each with another that looks the same; within a class there may be such."""
        return tuple(dict.fromkeys(group for one in self.alike for group in one.groups))

    def small(self, resolution: int) -> list[str]:
        """Nothing: a classifier enlarges its images as it was trained to."""
        return []

    def lines(self) -> list[str]:
        """What must be said before the work, a sentence each: what is not used, and what is odd."""
        return first_ones([*sentences(self.folder, self.skipped), *self.told])

    def rows(self) -> list[dict[str, str | int]]:
        """Of each class what is used, and how many files and folders in it are not, clutter apart."""
        left = {place.absolute(): count for place, count in by_folder(self.skipped).items()}
        places = {one.name: {Path(file.path).parent for file in (*one.train, *one.test)} for one in self.classes}
        return [
            {
                "class": one.name, "train": len(one.train), "test": len(one.test),
                "skipped": sum(left.get(place, 0) for place in places[one.name]),
            }
            for one in self.classes
        ]  # fmt: skip

    def require_whole(self) -> None:
        """Raises `UsageError` if a photograph or a folder is not used, or if there is a note."""
        refuse(self.skipped, [*self.notes, *(one.sentence for one in (*self.again, *self.alike))])


@dataclass(frozen=True)
class FolderClasses:
    """The classes of a folder in `count` tasks: a `ClassList`.

    class_seed: a class order for all trials, instead of the trial's own.
    """

    reading: ClassReading
    count: int
    class_seed: int | None

    @property
    def note(self) -> str:
        """What a reader must know of the split."""
        return self.reading.note

    @property
    def cautions(self) -> tuple[str, ...]:
        """What a reader of the figures must know of the images, in whole sentences."""
        return self.reading.cautions

    @property
    def photographs(self) -> bool:
        """Whether the images are photographs, which not every tier's model knows."""
        return True

    def tasks(self) -> Sequence[ClassTask]:
        """All tasks, in the order of the folders' names or of `class_seed`."""
        return self.in_order(0)

    def in_order(self, seed: int) -> Sequence[ClassTask]:
        """All tasks in the class order of a trial."""
        classes = self.reading.classes
        order = class_order(len(classes), seed if self.class_seed is None else self.class_seed)
        return file_tasks(classes, class_tasks.split_into(order, self.count), REMEDY)


def folder_benchmark(
    folder: Path, tier: str, split_into: int | None, class_seed: int | None = None, watch: Watch = unwatched,
    min_side: int | None = None,
) -> Benchmark:  # fmt: skip
    """The benchmark that a folder of classes is, at any tier; its name tells the number of tasks and a fixed order.

    Args:
        split_into: tasks; None for two classes a task. class_seed: the class order of every trial; None for the
            trial's own. watch: shows how far the reading is. min_side: see `examine`.

    Raises:
        UsageError: the folder, a class or an image cannot be used (every image is hashed and decoded first), or there
            are fewer classes than tasks.
    """
    reading = read_classes(folder, watch, min_side)
    classes = reading.classes
    count = max(1, len(classes) // 2) if split_into is None else split_into
    class_tasks.split_into(range(len(classes)), count)
    fixed = "" if class_seed is None else f"-order{class_seed}"
    return Benchmark(
        name=f"{benchmark_name(folder)}-{count}tasks{fixed}",
        setting="classification",
        title=f"{counted(len(classes), 'class', 'classes')} of {name_of(folder)} in {counted(count, 'task')}",
        summary="the user's own classes",
        sources={tier: FolderClasses(reading, count, class_seed)},
        tuning=True,  # as with a folder of photographs: whether to compare on them is their owner's choice
    )


def read_classes(
    folder: Path, watch: Watch = unwatched, min_side: int | None = None, refused: Refusals | None = None
) -> ClassReading:
    """The classes with their splits, and what is not used.

    Args:
        refused: takes what cannot be used, if all of it is wanted: then what else there is is given back.

    Raises:
        UsageError: see `folder_benchmark`.
    """
    refused = refused or Refusals(check_command(folder, "--setting", "classification"))
    examined = partial(_examined, watch=watch, min_side=min_side, refused=refused)
    found = contents(folder, "class", refused)
    train, tests = _split_folders(found, TRAIN), _split_folders(found, TEST)
    if len(train) > 1:
        raise UsageError(f"{shortened(folder)} has {few([one.name for one in train])}; merge or remove one of them.")
    if not train:
        if tests:
            first = tests[0]
            raise UsageError(
                f"{shortened(folder)} has {first.name}/ but no {TRAIN[0]}/ with classes; add that, or give "
                f"{shortened(first.path)}."
            )
        listing, skipped = _listing(found, refused)
        refuse_splits(shortened(folder), listing)
        classes = _drawn(folder, listing, examined, refused)
        return _reading(folder, classes, DRAWN, [*found.skipped, *skipped], f"{DRAWN[0].upper()}{DRAWN[1:]}.")
    place = train[0].path
    chosen, spare = tests[:1], tests[1:]
    used = {place, *(one.path for one in tests)}
    unused = [_unused(one, _why_unused(one, place.name, bool(tests))) for one in found.folders if one.path not in used]
    unused += [_unused(one, f"as {chosen[0].name}/ is the test set") for one in spare]
    inside = contents(place, "class", refused)
    listing, skipped = _listing(inside, refused)
    skipped = [*found.skipped, *unused, *inside.skipped, *skipped]
    if not chosen:
        classes = _drawn(place, listing, examined, refused)
        return _reading(folder, classes, DRAWN, skipped, f"Of {train[0].name}/, {DRAWN}.")
    other = contents(chosen[0].path, "class", refused)
    test, more = _listing(other, refused)
    classes = _given(place, listing, chosen[0].path, test, examined, refused)
    note = f"{chosen[0].name}/ is the test set, {few([one.name + '/' for one in spare])} is not used" if spare else ""
    split = f"Images to train are of {train[0].name}/, images to test of {chosen[0].name}/."
    return _reading(folder, classes, note, [*skipped, *other.skipped, *more], split)


def _reading(
    folder: Path, classes: tuple[FileClass, ...], note: str, skipped: Iterable[Skipped], split: str
) -> ClassReading:
    called = [one.name for one in classes]
    names, odd = tuple(alike_names(called)), [*meant_as_one(called), *left_over(called)]
    paths = {one.name: [Path(file.path) for file in (*one.train, *one.test)] for one in classes}
    odd += [*misfiled(paths, {}, "class"), *called_otherwise(paths, {}, "class")]
    odd += grey_classes({one.name: [file.thumbnail for file in (*one.train, *one.test)] for one in classes})
    odd += stamped_classes({one.name: [Path(file.path) for file in one.train] for one in classes})
    skipped = tuple(skipped)
    odd += [*_lists_said(folder, skipped), *said_to_test(paths.values(), drawn=True)] if note == DRAWN else []
    files = [file for one in classes for file in (*one.train, *one.test)]
    pictures = pictures_of(files)
    places: dict[Path, dict[Path, Toned]] = {}
    for file in files:
        if file.toned is not None:
            places.setdefault(Path(file.path).parent, {})[Path(file.path)] = file.toned
    remarks = (*odd, *(remark for file in files for remark in file.notes))
    tell = {Path(file.path) for file in files if says_itself(file.notes)}
    remarks += (*masks_said(places), *strays_said(places, tell), *shapes_said(places))
    again, alike = copies(classes, pictures), look_alikes(classes, pictures)
    alike = (*alike, *(torn_exports(classes) if note == DRAWN else ()))
    torn = (*torn_moments(classes), *torn_subjects(classes))
    return ClassReading(folder, classes, split, note, skipped, names, remarks, again, alike, torn)


def _lists_said(folder: Path, skipped: Iterable[Skipped]) -> list[str]:
    """A sentence on lists of a split (`test.txt`), which are not read where the test set is drawn."""
    found = [
        one.path.name
        for one in skipped
        if one.kind == "other" and one.path.suffix.lower() in LISTS and is_split_name(one.path.stem)
    ]
    if not found:
        return []
    they = "A file seems to list" if len(found) == 1 else f"{len(found)} files seem to list"
    return [
        f"{they} images to train or to test in {shortened(folder)}, and the test set is drawn all the same: "
        f"{few(found)}; to use another, sort the images into train/ and test/."
    ]


def _split_folders(found: Contents, names: Sequence[str]) -> list[SubFolder]:
    """The sub-folders of those names, in that order, that hold folders of images and no images of their own."""
    return [
        one
        for name in names
        for one in found.folders
        if one.name.casefold() == name
        and not one.images
        and any(inside.images for inside in contents(one.path, "class", Refusals("")).folders)
    ]


def _why_unused(folder: SubFolder, place: str, tested: bool) -> str:
    """Why a folder beside that of the classes is not used; `tested`: whether there is a test set."""
    split = is_split_name(folder.name) and not folder.name.casefold().startswith(TRAIN[0])
    if split and folder.images:
        return "as it has images but no class folders; sort them into the classes' folders to test on them"
    rename = split and not tested and folder.name.casefold() not in TEST
    return f"as {place}/ holds the classes" + (f"; name it {TEST[0]} to test on it" if rename else "")


def _unused(folder: SubFolder, why: str) -> Skipped:
    count = len(folder.images) + sum(one.photographs for one in folder.photographs)
    return Skipped(folder.path, "unused", why, count) if count else empty(folder.path)


def _listing(found: Contents, refused: Refusals) -> tuple[Listing, list[Skipped]]:
    """Class -> its folder, in the order of the classes' names, and what of the classes is not used.

    Args:
        refused: takes fewer than two classes, a class without usable images, and a name that cannot be printed.
    """
    before = len(refused.found)
    folders: Sequence[SubFolder] = ()
    with refused.each():
        require_sub_folders(found, "class", refused)
        folders = found.folders
    skipped: list[Skipped] = []
    classes: dict[str, SubFolder] = {}
    for one in sorted(folders, key=lambda one: one.name):
        skipped += one.skipped
        if one.images or one.refused:
            classes[one.name] = one
        elif one.photographs:
            refused.add(too_few(one, 1, "class"))
        else:
            skipped.append(empty(one.path))
    if len(classes) == 1 and len(refused.found) == before:
        only = shortened(next(iter(classes)))
        text = f"{shortened(found.path)} has only one class, {only}; add another, there is none to tell."
        refused.add(UsageError(text))
    return classes, skipped


def _examined(
    listings: Sequence[Listing], watch: Watch, min_side: int | None, refused: Refusals
) -> dict[Path, ClassFile]:
    """Every image, hashed and decoded once; without those that cannot be used, if all refusals are wanted."""
    refused.settle()
    paths = [path for listing in listings for one in listing.values() for path in one.images]
    found: dict[Path, ClassFile] = {}
    for path in watch(paths, "reading images", len(paths)):
        with refused.each():
            found[path] = examine(path, min_side)
        refused.settle()
    return found


def _given(
    place: Path, train: Listing, test_place: Path, test: Listing, examined: Examine, refused: Refusals
) -> tuple[FileClass, ...]:
    """Classes split as the folder says."""
    for some, others, other_place, kind in ((test, train, place, "training"), (train, test, test_place, "test")):
        alone = [name for name in others if name not in some]
        for name, one in some.items():
            if name not in others:
                where, close = shortened(one.path), nearest(name, alone, 1)
                hint = f"; did you mean {shortened(close[0])}?" if close else f"; add {kind} images or remove it."
                refused.add(UsageError(f"{where} has no counterpart in {shortened(other_place)}{hint}"))
    files = examined([train, test])

    def used(one: SubFolder) -> tuple[ClassFile, ...]:
        return by_hash([files[path] for path in one.images if path in files])

    return tuple(FileClass(name, used(one), used(test[name])) for name, one in train.items() if name in test)


def _drawn(place: Path, listing: Listing, examined: Examine, refused: Refusals) -> tuple[FileClass, ...]:
    """Classes with a fifth of the images for testing, at least one; copies of an image stay on one side."""
    for name, one in listing.items():
        if one.listed and len(one.images) + one.refused < 2:
            text = f"{shortened(place / name)} has only one image; add more, for training and for testing."
            refused.add(UsageError(text))
    files = examined([listing])
    classes: list[FileClass] = []
    for name, one in listing.items():
        whole = [files[path] for path in one.images if path in files]
        if len(whole) < 2 and len(one.images) + one.refused > len(whole):  # what is missing is said already
            continue
        if len(one.images) > 1:
            with refused.each():
                classes.append(FileClass(name, *drawn_split(whole, shortened(one.path))))
    refused.settle()
    return tuple(classes)
