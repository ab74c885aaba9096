"""Any folder of images sorted by class as a classification benchmark; it is read and never written.

    flowers/                     flowers/
      daisy/   1.jpg 2.jpg ...     train/  daisy/ ...  rose/ ...
      rose/    a.png b.png ...     test/   daisy/ ...  rose/ ...      (or val/)

Without a test folder, a fifth of each class's images, drawn once by their content, is the test set. Classes are in the
order of their folders' names, compared as text (as torchvision's ImageFolder has them).
What cannot be used is a `UsageError` of one sentence that names the path and the remedy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import class_tasks
from harness.class_files import FileClass, by_hash, drawn_split, examine, file_tasks
from harness.class_tasks import ClassTask, class_order
from harness.errors import UsageError
from harness.photos import images_by_folder, images_in
from harness.spec import Benchmark

TRAIN = "train"
TEST = ("test", "val")  # the first of these that there is
DRAWN = "a fifth of each class's images, drawn once, are the test set"
REMEDY = "restore it, or run again"

Listing = Mapping[str, tuple[Path, ...]]  # a class's images


@dataclass(frozen=True)
class FolderClasses:
    """The classes of a folder in `count` tasks: a `ClassList`.

    class_seed: a class order for all trials, instead of the trial's own.
    """

    classes: tuple[FileClass, ...]
    count: int
    class_seed: int | None
    note: str

    def tasks(self) -> Sequence[ClassTask]:
        """All tasks, in the order of the folders' names or of `class_seed`."""
        return self.in_order(0)

    def in_order(self, seed: int) -> Sequence[ClassTask]:
        """All tasks in the class order of a trial."""
        order = class_order(len(self.classes), seed if self.class_seed is None else self.class_seed)
        return file_tasks(self.classes, class_tasks.split_into(order, self.count), REMEDY)


def folder_benchmark(folder: Path, tier: str, split_into: int | None, class_seed: int | None = None) -> Benchmark:
    """The benchmark that a folder of classes is, at any tier; its name tells the number of tasks and a fixed order.

    Args:
        split_into: tasks; None for two classes a task. class_seed: the class order of every trial; None for the
            trial's own.

    Raises:
        UsageError: the folder, a class or an image cannot be used (every image is hashed and decoded first), or there
            are fewer classes than tasks.
    """
    classes, note = read_classes(folder)
    count = max(1, len(classes) // 2) if split_into is None else split_into
    class_tasks.split_into(range(len(classes)), count)
    fixed = "" if class_seed is None else f"-order{class_seed}"
    return Benchmark(
        name=f"{folder.resolve().name}-{count}tasks{fixed}",
        setting="classification",
        title=f"{len(classes)} classes of {folder.name} in {count} task{'s' if count > 1 else ''}",
        summary="the user's own classes",
        sources={tier: FolderClasses(classes, count, class_seed, note)},
        tuning=True,  # as with a folder of photographs: whether to compare on them is their owner's choice
    )


def read_classes(folder: Path) -> tuple[tuple[FileClass, ...], str]:
    """The classes with their splits, and what a reader must know of the split.

    Raises:
        UsageError: see `folder_benchmark`.
    """
    found = images_by_folder(folder, "class")
    places = {path.name: path for path, images in found.items() if not images}
    tests = [places[name] for name in TEST if name in places and any(images_by_folder(places[name], "class").values())]
    if TRAIN in places and any(images_by_folder(places[TRAIN], "class").values()):
        train = _listing(places[TRAIN])
        if tests:
            return _given(places[TRAIN], train, tests[0], _listing(tests[0])), _unused(tests)
        return _drawn(places[TRAIN], train), DRAWN
    if tests:
        raise UsageError(f"{folder} has {tests[0].name}/ but no {TRAIN}/ with classes; add that, or give {tests[0]}.")
    return _drawn(folder, _listing(folder)), DRAWN


def _unused(tests: Sequence[Path]) -> str:
    return f"{tests[0].name}/ is the test set, {tests[1].name}/ is not used" if len(tests) > 1 else ""


def _listing(folder: Path) -> Listing:
    """Class -> its images, in the order of the classes' names.

    Raises:
        UsageError: no classes, a class without images, or a name that cannot be printed.
    """
    found = images_by_folder(folder, "class")
    if not any(found.values()):
        if images_in(folder):
            raise UsageError(f"{folder} holds images but no sub-folder of them; move them into one per class.")
        raise UsageError(f"{folder} has no sub-folder with images; put each class's images into a sub-folder of it.")
    for path, images in found.items():
        if not path.name.isprintable():
            raise UsageError(f"The folder name {str(path)!r} has unprintable characters; rename it.")
        if not images:
            raise UsageError(f"{path} has no image of a readable type (.jpg, .png, .webp...); add some or remove it.")
    if len(found) == 1:
        raise UsageError(f"{folder} has only one class, {next(iter(found)).name}; add another, there is none to tell.")
    return {path.name: found[path] for path in sorted(found, key=lambda path: path.name)}


def _given(place: Path, train: Listing, test_place: Path, test: Listing) -> tuple[FileClass, ...]:
    """Classes split as the folder says."""
    for name in test:
        if name not in train:
            raise UsageError(f"{test_place / name} has no counterpart in {place}; add training images or remove it.")
    for name in train:
        if name not in test:
            raise UsageError(f"{place / name} has no counterpart in {test_place}; add test images or remove it.")
    return tuple(
        FileClass(name, by_hash([examine(path) for path in train[name]]), by_hash([examine(p) for p in test[name]]))
        for name in train
    )


def _drawn(place: Path, listing: Listing) -> tuple[FileClass, ...]:
    """Classes with a fifth of the images for testing, at least one; copies of an image stay on one side."""
    for name, images in listing.items():
        if len(images) < 2:
            raise UsageError(f"{place / name} has only one image; add more, for training and for testing.")
    return tuple(
        FileClass(name, *drawn_split([examine(path) for path in images], str(place / name)))
        for name, images in listing.items()
    )
