"""A folder of the user's own photographs as concepts: one sub-folder per concept, read and never written.

    photos/
      duck_toy/       01.jpg 02.jpg ...                  category "duck toy", from the folder's name
      max/            a.png b.png ... category.txt       category "dog", the first line of category.txt
      categories.csv  optional lines `folder,category`, for folders without a category.txt

A `Reading` says what is used and what is not. What cannot be used is a `UsageError` of one sentence that names the path
and the remedy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import ClassVar

from harness.data.annotations import captions_said, labels_said
from harness.data.category_words import (
    FROM_NAME,
    Category,
    category_of,
    contradicted,
    listed_categories,
    misnamed,
    told,
    words_of_others,
)
from harness.data.class_shortcuts import grey_concepts
from harness.data.concept_copies import likeness_across, likeness_inside
from harness.data.duplicates import across, how_same, original_first, same_pictures
from harness.data.folder_names import alike_names, meant_as_one, regularisation, set_aside, together, views
from harness.data.image_folders import SubFolder, composed, contents, require_sub_folders, too_few
from harness.data.images.decoding import MIN_SIDE, Examined, examine_photo
from harness.data.images.origin import says_itself
from harness.data.masks import Toned, masks_said
from harness.data.misfiled import called_otherwise, misfiled, several_things, two_series
from harness.data.odd_pictures import pictures_said
from harness.data.odd_shapes import mostly_barred, shapes_said
from harness.data.placeholder_words import empty_words
from harness.data.selection import Watch, unwatched
from harness.data.skipped_files import (
    NAMED,
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
from harness.data.split_names import said_to_test
from harness.data.stray_images import strays_said
from harness.data.unapplied_edits import edits_said
from harness.formats.figure_text import counted
from harness.spec import SettingName

MIN_IMAGES = 2  # the unbiased MMD divides by n - 1


@dataclass(frozen=True)
class Concept:
    """One concept of the user's: the sub-folder's name, its category word(s), and its images in natural order.

    origin: where the category is from: a file's name, or `FROM_NAME`. plain: whether it is that text read plainly.
    shown: the mean share of its images that their central squares show, where they were looked at.
    """

    name: str
    category: str
    images: tuple[Path, ...]
    origin: str = FROM_NAME
    plain: bool = True
    shown: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Reading:
    """What a folder of photographs holds: concepts, what is not used and why, and what its owner must know besides.

    notes, remarks: whole sentences; remarks are on images that are used. same: files that hold one picture, and are
    in several concepts. looks_like: files, each with another that looks the same. cautions: what a reader
    of the figures must know, in whole sentences without names. sides: the shorter side of each image, in pixels, where
    they were looked at. taken: when each image was taken, where it is said.
    """

    setting: ClassVar[SettingName] = "customization"

    folder: Path
    concepts: tuple[Concept, ...]
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    same: tuple[tuple[str, ...], ...] = ()
    looks_like: tuple[tuple[str, ...], ...] = ()
    cautions: tuple[str, ...] = ()
    sides: tuple[int, ...] = ()
    taken: Mapping[Path, float | None] = field(default_factory=dict, compare=False, repr=False)

    def small(self, resolution: int) -> list[str]:
        """A sentence on the images that are enlarged to so many pixels along each side; none if there are none."""
        count = sum(side < resolution for side in self.sides)
        which = f"{count} of {self.images} images {'is' if count == 1 else 'are'} smaller than {resolution} pixels"
        return [f"{which} along a side, and enlarged; use larger ones if you have them."] if count else []

    @property
    def images(self) -> int:
        """How many images are used."""
        return sum(len(concept.images) for concept in self.concepts)

    @property
    def summary(self) -> str:
        """One sentence on what is used."""
        names = few([concept.name for concept in self.concepts], most=8)
        return f"{counted(len(self.concepts), 'concept')}, {self.images} images: {names}."

    @property
    def told(self) -> list[str]:
        """What is odd but used: category words that are not plainly the folders' names, and the notes."""
        return self._told(len(self.concepts))

    def _told(self, most: int) -> list[str]:
        """The same with so many category words by name."""
        words = [(one.name, Category(one.category, one.origin, one.plain)) for one in self.concepts]
        return [*told(words, most=most), *empty_words(words, most=most), *self.notes, *self.remarks]

    def lines(self) -> list[str]:
        """What must be said before the work, a sentence each: what is not used, and what is odd, in a few lines."""
        return first_ones([*sentences(self.folder, self.skipped), *self._told(NAMED)])

    def rows(self) -> list[dict[str, str | int]]:
        """Of each concept what is used, and how many files and folders in it are not, clutter apart."""
        left = by_folder(self.skipped)
        return [
            {
                "concept": one.name, "category": one.category, "from": one.origin, "images": len(one.images),
                "shown": "" if one.shown is None else f"{100 * one.shown:.0f} %",
                "skipped": left[one.images[0].parent],
            }
            for one in self.concepts
        ]  # fmt: skip

    def require_whole(self) -> None:
        """Raises `UsageError` if a photograph or a folder is not used, or if there is a note."""
        refuse(self.skipped, self.notes)


def read_photos(
    folder: Path, refused: Refusals | None = None, *, given: Mapping[str, Category] | None = None,
    only: Sequence[str] | None = None,
) -> Reading:  # fmt: skip
    """The concepts in `folder`, one per sub-folder, in natural order of their names (task2 before task10).

    Names and categories are in composed letters (NFC). Files are images by their content, whatever they are called.
    Links are followed. No image is decoded here: see `checked`.

    Args: refused: takes what cannot be used, if all of it is wanted: then what else there is is given back. given:
        categories of some, before those of files and names. only: these concepts, in this order.

    Returns: at least one concept, each with at least two images; paths start with `folder` as it was given.
    Raises `UsageError` if the folder is missing, not a folder, unreadable or without concepts, if a concept has
    fewer than two images, if something else stands in an image's place, if two folders have one name, or if a category
    is malformed, cannot be told from a folder's name, or is given to a folder that is not there.
    """
    refused = refused or Refusals(check_command(folder))
    found = contents(folder, "concept", refused)
    folders: Sequence[SubFolder] = ()
    with refused.each():
        require_sub_folders(found, "concept", refused)
        folders = found.folders if only is None else [one for one in found.folders if one.name in only]
    listed: Mapping[str, Category] = {}
    with refused.each():
        listed = listed_categories(found.tables, [one.name for one in found.folders], refused)
    concepts: list[Concept] = []
    skipped = list(found.skipped)
    remarks: list[str] = []
    for one in folders:
        skipped += one.skipped
        if not one.images and not one.photographs and not one.refused:
            skipped.append(empty(one.path))
            continue
        if one.listed and len(one.images) + one.refused < MIN_IMAGES:
            refused.add(too_few(one, MIN_IMAGES, "concept"))
        category = Category("", "")  # of a concept whose images are looked at all the same
        with refused.each():
            category = (given or {}).get(one.name) or category_of(
                one.path, one.name, one.category_files, listed, folder
            )
            remarks += contradicted(one.path, category, listed.get(one.name))
        remarks += [*edits_said(one.path, one.images, one.skipped), *labels_said(one.path, one.images, one.skipped)]
        if one.images:
            concepts.append(Concept(one.name, category.words, one.images, category.origin, category.plain))
    if only is not None:
        concepts.sort(key=lambda concept: only.index(concept.name))
    refused.settle()
    skipped, meant = misnamed(skipped, folder)
    names = [one.name for one in concepts]
    notes = (*alike_names(names), *meant)
    words = [(one.images[0].parent, one.name, Category(one.category, one.origin)) for one in concepts]
    files = {one.name: one.images for one in concepts}
    called = {one.name: one.category for one in concepts}
    remarks += [
        *words_of_others(words), *misfiled(files, called, "concept"), *called_otherwise(files, called, "concept"),
        *several_things(files), *said_to_test(files.values()),
        *captions_said([(one.images[0].parent, one.category, one.images) for one in concepts], skipped),
    ]  # fmt: skip
    return Reading(
        folder,
        tuple(concepts),
        tuple(skipped),
        notes,
        (*meant_as_one(names), *together(names), *views(names), *regularisation(names), *set_aside(names), *remarks),
    )


def checked(
    reading: Reading, watch: Watch = unwatched, min_side: int | None = None, refused: Refusals | None = None
) -> Reading:
    """The same with every image decoded once, so that a damaged one is found before any training, and without copies.

    Of a picture that a concept has more than once, the file of the shortest name is used.

    Args: min_side: pixels that an image's shorter side needs; None for `MIN_SIDE`. refused: see `read_photos`.

    Raises the first `UsageError` of `examine_photo`, or one for a concept with fewer than two different images.
    """
    files = [path for concept in reading.concepts for path in concept.images]
    least = MIN_SIDE if min_side is None else min_side
    refused = refused or Refusals(check_command(reading.folder))
    found: dict[Path, Examined] = {}
    for path in watch(files, "reading photographs", len(files)):
        with refused.each():
            found[path] = examine_photo(path, least)
        refused.settle()
    groups = same_pictures({path: one.thumbnail for path, one in found.items()})
    owner = {path: number for number, concept in enumerate(reading.concepts) for path in concept.images}
    copies: dict[Path, Skipped] = {}
    shared: list[list[str]] = []
    for group in groups:
        first: dict[int, Path] = {}
        for path in sorted(group, key=original_first):
            if (kept := first.setdefault(owner[path], path)) is not path:
                copies[path] = Skipped(path, "copy", how_same(path, kept), 1)
        if len(first) > 1:
            shared.append([f"{reading.concepts[number].name}/{path.name}" for number, path in sorted(first.items())])
    concepts: list[Concept] = []
    for concept in reading.concepts:
        images = tuple(path for path in concept.images if path in found and path not in copies)
        again = [copies[path] for path in concept.images if path in copies]
        if again and len(concept.images) - len(again) < MIN_IMAGES:
            whole = SubFolder(concept.images[0].parent, concept.name, images, (), ())
            refused.add(too_few(whole, MIN_IMAGES, "concept", again))
            refused.settle()
        if images:
            shares = [min(one.width, one.height) / max(one.width, one.height) for one in map(found.get, images) if one]
            concepts.append(replace(concept, images=images, shown=fmean(shares)))
    twice = across(shared, "in more than one concept, and right in one at most")
    notes = (*reading.notes, *(one.sentence for one in twice))
    remarks = [*reading.remarks]
    remarks += [remark for path, one in found.items() if path not in copies for remark in one.notes]
    toned = {one.images[0].parent: {path: Toned.of(found[path]) for path in one.images} for one in concepts}
    remarks += [line for one in concepts for line in two_series(one.name, [path.stem for path in one.images])]
    tell = {path for path, one in found.items() if says_itself(one.notes)}
    remarks += [*masks_said(toned), *strays_said(toned, tell), *shapes_said(toned)]
    barred = [one.name for one in concepts if mostly_barred(toned[one.images[0].parent])]
    photographs = {one.name: [path for path in one.images if found[path].tones != "few"] for one in concepts}
    remarks += grey_concepts({name: [found[path].thumbnail for path in some] for name, some in photographs.items()})
    remarks += pictures_said({one.name: one.images for one in concepts}, barred)
    names = {path: f"{concept.name}/{path.name}" for concept in concepts for path in concept.images}
    picture = {path: number for number, group in enumerate(groups) for path in group}

    def comparable(path: Path, other: Path) -> bool:
        """Files of two concepts, unless they are said to be one picture already."""
        return owner[path] != owner[other] and (path not in picture or picture[path] != picture.get(other))

    pairs: list[tuple[Path, Path]] = []
    for concept in concepts:
        likeness = likeness_inside(concept.images, found)
        remarks += likeness.said(concept.images[0].parent)
        pairs += likeness.pairs
    ordered = [path for one in concepts for path in sorted(one.images, key=original_first)]
    likeness = likeness_across(ordered, found, comparable)
    notes += tuple(likeness.said_across(names))
    looks_like = [(names[path], names[first]) for path, first in (*pairs, *likeness.pairs)]
    skipped = (*reading.skipped, *copies.values())
    same = tuple(group for one in twice for group in one.groups)
    return replace(
        reading, concepts=tuple(concepts), skipped=skipped, notes=notes, remarks=tuple(remarks), same=same,
        looks_like=tuple(looks_like), cautions=tuple(one.caution for one in twice),
        sides=tuple(min(found[path].width, found[path].height) for one in concepts for path in one.images),
        taken={path: one.taken for path, one in found.items()},
    )  # fmt: skip


def name_of(folder: Path) -> str:
    """A folder's name, also where it is given as `.` or `..`."""
    return composed(folder.resolve().name) or "photographs"


def benchmark_name(folder: Path) -> str:
    """What a benchmark of the user's own images is called: as the folder, but never as a registered benchmark."""
    from harness import registry

    name = name_of(folder)
    return f"{name} (folder)" if name in registry.benchmarks().names() else name
