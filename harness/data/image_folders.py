"""What lies in a folder of folders of photographs: images, told by content and not by name, and what is none and why.

Concepts (`harness.data.concept_folder`) and classes (`harness.data.class_folder`) are read by it alike. No image is
decoded here.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.data.garbled_names import meant_as
from harness.data.images.decoding import kind_of, unreadable
from harness.data.images.file_kinds import HOLDERS, is_named_as_image, is_placeholder, look, with_article
from harness.data.skipped_files import Refusals, Skipped, few
from harness.errors import UsageError, shortened
from harness.formats.figure_text import counted

CATEGORY_FILE = "category.txt"
CATEGORIES_FILE = "categories.csv"

# Folders that network storage, Windows, macOS, ext4 and notebooks leave; all in lower case. Any hidden one (a leading
# dot) is left out, too: those that begin like these are called the system's.
_SYSTEM = re.compile(
    r"@eadir|#recycle|#snapshot|\$recycle\.bin|recycler|lost\+found|system volume information|__macosx|__pycache__|"
    r"\.(trash(es|-.*)?|spotlight-v100|fseventsd|temporaryitems|documentrevisions-v100|ipynb_checkpoints|thumbnails)"
)
NO_IMAGE = "no image but "
BACK, BROKEN = "a link back to a folder that it lies in", "a broken link"
RESULTS = "a folder of results that runs of this program wrote"
_RESULT_PARTS = frozenset({"attribution", "estimates", "report", "runs", "store"})
_CLUTTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "picasa.ini", "icon\r"})


@dataclass(frozen=True)
class SubFolder:
    """A folder of images of one concept or class.

    name: the folder's, in composed letters (NFC). images: in natural order. skipped: what in it is not used.
    category_files: its category.txt, in any case; more than one where the file system tells cases apart. refused: how
    many of its entries stand in an image's place or cannot be read. listed: whether its own entries could be.
    """

    path: Path
    name: str
    images: tuple[Path, ...]
    skipped: tuple[Skipped, ...]
    category_files: tuple[Path, ...]
    refused: int = 0
    listed: bool = True

    @property
    def photographs(self) -> list[Skipped]:
        """What is a photograph, or holds some, and is not used."""
        return [one for one in self.skipped if one.photographs]


@dataclass(frozen=True)
class Contents:
    """A folder's sub-folders in natural order of their names, its tables of categories, and what is not used."""

    path: Path
    folders: tuple[SubFolder, ...]
    skipped: tuple[Skipped, ...]
    tables: tuple[Path, ...]

    @property
    def beside(self) -> list[Skipped]:
        """The images that lie beside the sub-folders."""
        return [one for one in self.skipped if one.kind == "beside"]

    @property
    def all_skipped(self) -> tuple[Skipped, ...]:
        """What is not used in the folder or in one of its sub-folders."""
        return (*self.skipped, *(one for folder in self.folders for one in folder.skipped))


def contents(folder: Path, each: str, refused: Refusals) -> Contents:
    """What is in `folder`; links are followed, and only first bytes of files are read.

    Args:
        each: what a sub-folder holds. refused: takes a file that stands in the place of an image (a broken link, a
            pointer, an empty file, a web page), what cannot be read, and two sub-folders of one name.

    Raises:
        UsageError: the folder is missing, no folder or unreadable, or its path is not UTF-8.
    """
    kind = kind_of(folder)
    if kind == "missing":
        raise UsageError(f"The photo folder {shortened(folder)} does not exist; check the path.")
    if kind != "folder":
        raise UsageError(f"{shortened(folder)} is not a folder; give the folder that holds one sub-folder per {each}.")
    if meant_as(str(folder.resolve())) is not None:  # a run's file could not name it
        raise UsageError(f"The path of the photo folder {shortened(folder.resolve())} is not UTF-8; rename it.")
    folders: list[SubFolder] = []
    skipped: list[Skipped] = []
    tables: list[Path] = []
    for entry in entries(folder):
        with refused.each():
            if (clutter := _clutter(entry)) is not None:
                skipped.append(clutter)
            elif kind_of(entry) == "folder":
                if _leads_back(entry):
                    skipped.append(Skipped(entry, "link", BACK))
                elif _is_of_results(entry):
                    skipped.append(Skipped(entry, "results", RESULTS))
                else:
                    folders.append(_sub_folder(entry, refused))
            elif entry.name.casefold() == CATEGORIES_FILE:
                tables.append(entry)
            else:
                found = look(entry)
                why = f"an image beside the sub-folders, one of which each {each} needs; move it into one to use it"
                photograph = found.role != "other"
                skipped.append(Skipped(entry, "beside", why, 1) if photograph else _no_image(entry, found.what))
    _require_distinct([one.path for one in folders], refused)
    return Contents(folder, tuple(folders), tuple(skipped), tuple(tables))


def entries(folder: Path) -> list[Path]:
    """All that is in `folder`, in natural order of the names.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return sorted(folder.iterdir(), key=natural)
    except OSError as error:
        raise unreadable(folder, error) from error


def natural(path: Path) -> tuple[list[tuple[str, int]], str]:
    """Sort key: text regardless of case, digits by value; the exact name settles ties (Duck and duck, 1 and 01)."""
    parts = re.findall(r"(\D*)(\d*)", path.name.casefold())
    return [(text, int(digits) if digits else -1) for text, digits in parts], path.name


def composed(text: str) -> str:
    """Text in composed letters (NFC), as names are compared: archives made on macOS have decomposed ones."""
    return unicodedata.normalize("NFC", text)


def require_sub_folders(found: Contents, each: str, refused: Refusals) -> None:
    """Make sure that there is a sub-folder with images, and that each name can be printed.

    Args:
        refused: takes names with unprintable characters, or that are not UTF-8.

    Raises:
        UsageError: there is none.
    """
    for one in found.folders:
        if (meant := meant_as(one.name)) is not None:
            hint = f" (meant as '{shortened(meant)}'?)" if meant != one.name else ""
            refused.add(UsageError(f"The name of the folder {shortened(one.path)} is not UTF-8{hint}; rename it."))
        elif not one.name.isprintable():
            refused.add(UsageError(f"The folder name {str(one.path)!r} has unprintable characters; rename it."))
    if any(one.images or one.refused for one in found.folders):
        return
    folder = shortened(found.path)
    nested = [one for one in found.folders if any(skip.kind == "nested" for skip in one.photographs)]
    if nested:
        inside = few([f"{one.path.name}/" for one in nested])
        place = f"the one that holds one sub-folder per {each}"
        place += f" ({shortened(nested[0].path)}?)" if len(nested) == 1 else ""
        raise UsageError(
            f"{folder} holds no folder of images, but folders of such folders ({inside}); give {place}, or --setting "
            "classification for train/ and test/."
        )
    if not any(one.photographs for one in found.folders):
        if found.beside:
            raise UsageError(f"{folder} holds images but no sub-folder of them; move them into one per {each}.")
        if held := [one for one in found.all_skipped if one.kind == "other" and ";" in one.reason]:
            first = f"{shortened(held[0].path)} is {held[0].reason.removeprefix(NO_IMAGE)}"
            raise UsageError(f"{folder} has no sub-folder with images, but {first}.")
        raise UsageError(f"{folder} has no sub-folder with images; put each {each}'s images into a sub-folder of it.")


def too_few(folder: SubFolder, least: int, each: str, copies: Sequence[Skipped] = ()) -> UsageError:
    """The error of a sub-folder that has photographs, but fewer than `least` that can be used."""
    where, has = shortened(folder.path), "only one image" if folder.images else "no image"
    unread = [one for one in folder.photographs if one.kind == "unreadable"]
    nested = [one for one in folder.photographs if one.kind == "nested"]
    if copies:
        return UsageError(
            f"{where} has only one image, as {shortened(copies[0].path.name)} is {copies[0].reason}; add others, since "
            f"a {each} needs at least {least}."
        )
    if unread:
        count = f"{len(unread)} that cannot be used" if len(unread) > 1 else "one that cannot be used"
        return UsageError(f"{where} has {has} but {count}: {unread[0].path.name} is {unread[0].reason}.")
    if nested:
        number, inside = sum(one.photographs for one in nested), few([one.path.name for one in nested])
        if len(nested) > 1 and not folder.images:
            return UsageError(
                f"{where} has no image of its own but {number} in {len(nested)} folders inside ({inside}); if each of "
                f"them is a {each}, give {where} as the folder or move them beside it, else move the images up."
            )
        return UsageError(
            f"{where} has {has} of its own but {number} in folders inside ({inside}); move them up into {where}."
        )
    return UsageError(f"{where} has {has}; add more, since a {each} needs at least {least}.")


def _sub_folder(path: Path, refused: Refusals) -> SubFolder:
    images: list[Path] = []
    skipped: list[Skipped] = []
    category_files: list[Path] = []
    before = len(refused.found)
    listed: list[Path] | None = None
    with refused.each():
        listed = entries(path)
    for entry in listed or ():
        with refused.each():
            if (clutter := _clutter(entry)) is not None:
                skipped.append(clutter)
            elif entry.name.casefold() == CATEGORY_FILE:
                category_files.append(entry)
            elif (found := look(entry)).role == "image":
                images.append(entry)
            elif found.role == "unusable":
                if not found.what.endswith("image"):  # something else in its place: nobody wants to go on without it
                    raise UsageError(found.sentence.replace(str(entry), shortened(entry)))
                reason = found.sentence.removeprefix(f"{entry} is ").rstrip(".")
                skipped.append(Skipped(entry, "unreadable", reason, 1))
            elif found.what == "folder":
                skipped.append(_nested(entry))
            else:
                skipped.append(_no_image(entry, found.what))
    bad = len(refused.found) - before
    return SubFolder(
        path, composed(path.name), tuple(images), tuple(skipped), tuple(category_files), bad, listed is not None
    )


def _no_image(entry: Path, what: str) -> Skipped:
    if what == "broken link":
        return Skipped(entry, "link", BROKEN)
    remedy = f"; {HOLDERS[what]}" if what in HOLDERS else ""
    return Skipped(entry, "other", f"{NO_IMAGE}{with_article(what)}{remedy}")


def _clutter(entry: Path) -> Skipped | None:
    """An entry that is left out by its name alone."""
    name = entry.name.casefold()
    if _SYSTEM.fullmatch(name) and kind_of(entry) == "folder":
        return Skipped(entry, "system", "a folder that the system keeps for itself")
    if is_placeholder(entry.name):
        return None
    if name.startswith("."):
        count = _hidden_images(entry)
        if count:
            return Skipped(entry, "hidden", "hidden by the dot that its name begins with; rename it to use it", count)
        return Skipped(entry, "clutter", "hidden")
    if name in _CLUTTER or _SYSTEM.fullmatch(name):
        return Skipped(entry, "clutter", "a file that the system keeps for itself")
    return None


def _hidden_images(entry: Path) -> int:
    """How many images a hidden entry is or directly holds; what macOS keeps beside a file (`._a.jpg`) is none."""
    if entry.name.startswith("._"):
        return 0
    if kind_of(entry) != "folder":
        return int(look(entry).role == "image")
    try:
        names = [one.name for one in entry.iterdir()]
    except OSError:
        return 0
    return sum(is_named_as_image(name) and not name.startswith(".") for name in names)


def _nested(folder: Path) -> Skipped:
    """A folder inside a concept's or class's; its photographs are counted by their names, those in links to it not."""
    if _leads_back(folder):
        return Skipped(folder, "clutter", BACK)
    if _is_of_results(folder):
        return Skipped(folder, "results", RESULTS)
    count = 0
    for _, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and not _SYSTEM.fullmatch(name.casefold())]
        count += sum(is_named_as_image(name) and not name.startswith(".") for name in names)
    images = f"a folder inside, with {counted(count, 'image')}; move the images up to use them"
    return Skipped(folder, "nested", images if count else "a folder inside, of which nothing is used", count)


def _is_of_results(folder: Path) -> bool:
    """Whether runs of this program wrote it: it is a results folder or a part of one, without an image of its own."""
    within = folder.parent if folder.name in _RESULT_PARTS else folder
    found = any((place / "store" / "steps").is_dir() for place in (folder, within))
    return found and not any(look(entry).role == "image" for entry in entries(folder))


def _leads_back(folder: Path) -> bool:
    """Whether it is a link to a folder that it lies in."""
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())


def _require_distinct(folders: Sequence[Path], refused: Refusals) -> None:
    """Refuse two names that look the same: one in composed letters, one in decomposed ones."""
    seen: dict[str, Path] = {}
    for path in folders:
        if (other := seen.setdefault(composed(path.name), path)) is not path:
            text = (
                f"{shortened(other)} is there twice, once in composed letters and once in decomposed ones (as archives "
                "from macOS have them); merge the two folders, or rename one."
            )
            refused.add(UsageError(text))
