"""A folder of the user's own photographs as concepts: one sub-folder per concept, read and never written.

    photos/
      duck_toy/       01.jpg 02.jpg ...                  category "duck toy", from the folder's name
      max/            a.png b.png ... category.txt       category "dog", the first line of category.txt
      categories.csv  optional lines `folder,category`, for folders without a category.txt

What cannot be used is a `UsageError` of one sentence that names the path and the remedy.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError, nearest
from harness.image_files import image_suffixes
from harness.photo_decoding import kind_of, load_image, unreadable

MIN_IMAGES = 2  # the unbiased MMD divides by n - 1

CATEGORY_FILE = "category.txt"
CATEGORIES_FILE = "categories.csv"
FALLBACK_CATEGORY = "object"
# What unpacked archives leave behind, besides names that start with a dot.
_CLUTTER = frozenset({"__MACOSX"})
_WORD = r"[^\W\d_]+(?:-[^\W\d_]+)*"
_CATEGORY = re.compile(rf"{_WORD}(?: {_WORD}){{0,3}}")


@dataclass(frozen=True)
class Concept:
    """One concept of the user's: the sub-folder's name, its category word(s), and its images in natural order."""

    name: str
    category: str
    images: tuple[Path, ...]


def read_concepts(folder: Path) -> list[Concept]:
    """The concepts in `folder`, one per sub-folder, in natural order of their names (task2 before task10).

    Hidden entries (a leading dot, `__MACOSX`), files beside the sub-folders and files that are no images by their
    extension are ignored. Links are followed. No image is opened here: see `verify_concepts`.

    Returns: at least one concept, each with at least two images; paths start with `folder` as it was given.
    Raises `UsageError` if the folder is missing, not a folder, unreadable or without concepts, if a concept has
    fewer than two images, or if a category is malformed or given to a folder that is not there.
    """
    found = images_by_folder(folder, "concept")
    if not any(found.values()):
        if images_in(folder):
            raise UsageError(f"{folder} holds images but no sub-folder of them; move them into one per concept.")
        raise UsageError(f"{folder} has no sub-folder with images; put each concept's images into a sub-folder of it.")
    for concept, images in found.items():
        if not concept.name.isprintable():
            raise UsageError(f"The folder name {str(concept)!r} has unprintable characters; rename it.")
        if not images:
            raise UsageError(
                f"{concept} has no image of a readable type (.jpg, .png, .webp...); add some or remove it."
            )
        if len(images) < MIN_IMAGES:
            raise UsageError(f"{concept} has only one image; add more, since a concept needs at least {MIN_IMAGES}.")
    listed = _listed_categories(folder / CATEGORIES_FILE, [concept.name for concept in found])
    return [
        Concept(
            name=concept.name,
            category=_own_category(concept / CATEGORY_FILE)
            or listed.get(concept.name)
            or category_of_name(concept.name),
            images=images,
        )
        for concept, images in found.items()
    ]


def images_by_folder(folder: Path, each: str) -> dict[Path, tuple[Path, ...]]:
    """The images in each sub-folder of `folder`, all in natural order; a sub-folder may have none.

    What is hidden or no image by its extension is left out, as in `read_concepts`. `each`: what a sub-folder holds.
    Raises `UsageError` if the folder is missing, not a folder or unreadable.
    """
    kind = kind_of(folder)
    if kind == "missing":
        raise UsageError(f"The photo folder {folder} does not exist; check the path.")
    if kind != "folder":
        raise UsageError(f"{folder} is not a folder; give the folder that holds one sub-folder per {each}.")
    extensions = image_suffixes()
    return {entry: _images(entry, extensions) for entry in _children(folder) if kind_of(entry) == "folder"}


def images_in(folder: Path) -> tuple[Path, ...]:
    """The images directly in `folder`, in natural order."""
    return _images(folder, image_suffixes())


def category_of_name(name: str) -> str:
    """The category that a folder's name suggests: digits, underscores and hyphens are spaces, "object" if no letter.

    >>> category_of_name("duck_toy"), category_of_name("dog-02"), category_of_name("0001")
    ('duck toy', 'dog', 'object')
    """
    words = " ".join(re.sub(r"[\d_-]", " ", name).split())
    return words if any(letter.isalpha() for letter in words) else FALLBACK_CATEGORY


def verify_concepts(concepts: Sequence[Concept]) -> None:
    """Decode every image once, so that a damaged one is found before any training.

    Raises the first `UsageError` of `load_image`.
    """
    for concept in concepts:
        for path in concept.images:
            load_image(path, size=8)


# Folders and names


def _natural(path: Path) -> tuple[list[tuple[str, int]], str]:
    """Sort key: text regardless of case, digits by value; the exact name settles ties (Duck and duck, 1 and 01)."""
    parts = re.findall(r"(\D*)(\d*)", path.name.casefold())
    return [(text, int(digits) if digits else -1) for text, digits in parts], path.name


def _children(folder: Path) -> list[Path]:
    """What is in `folder`, in natural order and without hidden entries."""
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.name not in _CLUTTER]
    except OSError as error:
        raise unreadable(folder, error) from error
    return sorted(entries, key=_natural)


def _images(folder: Path, extensions: frozenset[str]) -> tuple[Path, ...]:
    """The images directly in `folder`. A broken link counts, so that it is named on loading and not passed over."""
    named = (entry for entry in _children(folder) if entry.suffix.lower() in extensions)
    return tuple(entry for entry in named if kind_of(entry) in ("file", "missing"))


# Categories


def _own_category(path: Path) -> str | None:
    """The category in a concept's own file; None if there is no such file."""
    text = _read_text(path)
    if text is None:
        return None
    lines = text.splitlines()
    return checked_category(lines[0] if lines else "", f"The first line of {path}")


def _listed_categories(path: Path, concepts: Collection[str]) -> dict[str, str]:
    """Concept's folder -> category, from the file beside the concepts' folders; empty if there is no such file."""
    text = _read_text(path)
    categories: dict[str, str] = {}
    rows = csv.reader((text or "").splitlines())
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            where = f"Line {rows.line_num} of {path}"
            if not any(cells) or (rows.line_num == 1 and [cell.lower() for cell in cells] == ["folder", "category"]):
                continue
            if len(cells) != 2:
                raise UsageError(f"{where} does not read 'folder,category'; correct it.")
            name, category = cells
            if name not in concepts:
                hint = (
                    f"did you mean {' or '.join(close)}?" if (close := nearest(name, concepts)) else "remove the line."
                )
                raise UsageError(f"{where} names '{name}', which is no folder beside it; {hint}")
            if name in categories:
                raise UsageError(f"{where} names '{name}' a second time; remove one of the lines.")
            categories[name] = checked_category(category, where)
    except csv.Error as error:
        raise UsageError(f"{path} cannot be read as CSV ({error}); correct or remove it.") from error
    return categories


def checked_category(text: str, where: str) -> str:
    """`text` with single spaces, if it is one to four words of letters and hyphens; else a `UsageError` on `where`."""
    category = " ".join(unicodedata.normalize("NFC", text).split())
    if not _CATEGORY.fullmatch(category):
        raise UsageError(f"{where} gives the category {text.strip()!r}; write one to four words of letters or hyphens.")
    return category


def _read_text(path: Path) -> str | None:
    """A small text file of the user's (UTF-8, a byte order mark is dropped); None if it is not there."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text; save it as UTF-8.") from error
    except OSError as error:
        raise unreadable(path, error) from error
