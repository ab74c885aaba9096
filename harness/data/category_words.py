"""The category word of a concept: the X in "a photo of a V* X", from a file of the user's or from the folder's name.

A name is read plainly: underscores and hyphens are spaces, numbers at its end are dropped. Whatever else had to be done
to it is shown before anything is trained, and a name without a word in it is refused: no word is invented.
"""

from __future__ import annotations

import codecs
import csv
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from harness.data.image_folders import CATEGORIES_FILE, CATEGORY_FILE, composed
from harness.data.images.decoding import unreadable
from harness.data.skipped_files import NAMED, Refusals, Skipped, few, few_of
from harness.errors import UsageError, nearest, shortened

FROM_NAME = "the folder's name"
MOST_WORDS = 4
_SHEETS = frozenset({".xlsx", ".xls", ".ods", ".numbers"})
HEADER = ["folder", "category"]
_LIKE_HEADER = frozenset({"category", "class", "classname", "kind", "label", "noun", "object", "type", "word", "words"})

_ARTICLES = frozenset({"a", "an", "the"})
_APOSTROPHES = "'\u2019"
_CAMERAS = re.compile(r"\d{3}[a-z_]{5}", re.IGNORECASE)
_NUMBER = re.compile(r"v?\d+|\d+x\d+|\d+px", re.IGNORECASE)  # "2", "v2", "512x512", "512px"
_NUMBERED = re.compile(r"(\D+)\d+")  # "cup3", but not "k5f2"
_JOINED = re.compile(r"[^\W\d_][a-z]{2,}(?:[A-Z][a-z]{2,})+")  # "FancyBoot", "redBackpack", but not "iPhone", "McKay"
_ONE_WORD = frozenset({"airpods", "facebook", "linkedin", "macbook", "onedrive", "playstation", "whatsapp", "youtube"})
# Other trainers' convention: repeats, a rare token and the class, as in "10_sks dog".
REPEATS = re.compile(r"[1-9]\d*_(?P<token>[^\s_]+) (?P<words>.*\w.*)")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SEPARATORS = ",;\t"
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>[,;|\t])"?[,;|\t]*', re.IGNORECASE)


class Category(NamedTuple):
    """A category: its word(s), which file or name they are from, and whether they are that text read plainly."""

    words: str
    origin: str
    plain: bool = True


def words_of_name(name: str) -> tuple[str, bool]:
    """The words that a folder's name holds, and whether they are the name read plainly; no words: ('', False).

    Digits inside of words stay. What stands in '<...>', numbers at either end and in brackets, articles, and
    the repeats and the token of "10_sks dog" are left out; "%20" is a space.

    >>> words_of_name("duck_toy"), words_of_name("dog-02"), words_of_name("dog (1)"), words_of_name("0001")
    (('duck toy', True), ('dog', True), ('dog', False), ('', False))
    >>> words_of_name("FancyBoot"), words_of_name("iPhone")
    (('fancy boot', False), ('iPhone', True))
    """
    name = composed(name)
    decoded = _decoded(name)
    convention = REPEATS.fullmatch(decoded)
    text = re.sub(r"<[^<>]*>", " ", convention["words"] if convention else decoded)
    words = [word.strip(_APOSTROPHES) for word in "".join(c if _in_word(c) else " " for c in text).split()]
    words = [part for word in words if any(c.isalnum() for c in word) for part in _parts(word)]
    while words and words[0].isdecimal():
        del words[0]
    while words and _NUMBER.fullmatch(words[-1]):
        del words[-1]
    if words:
        words[-1] = _NUMBERED.sub(r"\1", words[-1])
    if len(words) > 1 and words[0].lower() in _ARTICLES:
        del words[0]
    found = " ".join(words)
    if not any(c.isalpha() for c in found):
        return "", False
    plainly = re.sub(r"[\d\s]+$", "", " ".join(re.sub(r"[_-]", " ", name).split()))
    return found, found == plainly and not any(c.isdigit() for c in found)


def category_of(
    folder: Path, name: str, own_files: Sequence[Path], listed: Mapping[str, Category], root: Path
) -> Category:
    """The category of a concept's folder: of its own file, else of the common one, else of its name.

    Args:
        own_files: its category.txt; more than one if only their case differs. listed: see `listed_categories`.

    Raises:
        UsageError: there are several files, one is malformed, or the name has no word in it.
    """
    if len(own_files) > 1:
        names = few([path.name for path in own_files])
        raise UsageError(f"{shortened(folder)} has {names}, which differ in case only; remove all but one.")
    if own_files:
        text = read_text(own_files[0]) or ""
        if not text.strip():
            file = shortened(own_files[0])
            raise UsageError(f"{file} is empty; write one to four words of letters or hyphens into it, or remove it.")
        lines = text.splitlines()
        where = f"The first line of {shortened(own_files[0])}"
        return Category(checked_category(lines[0] if lines else "", where), own_files[0].name)
    if name in listed:
        return listed[name]
    words, plain = words_of_name(name)
    if not words:
        raise UsageError(
            f"The folder name '{shortened(name)}' has no word in it that says what {shortened(folder)} shows; write "
            f"one into {CATEGORY_FILE} in it, or '{shortened(name)},WORD' into {shortened(root / CATEGORIES_FILE)}."
        )
    kept = " ".join(words.split()[:MOST_WORDS])  # as many as a file may give; which, is shown
    return Category(kept, FROM_NAME, plain and kept == words)


def listed_categories(tables: Sequence[Path], names: Collection[str], refused: Refusals) -> dict[str, Category]:
    """Concept's name -> category, from the file beside the concepts' folders; empty if there is no such file.

    Columns may be separated by commas, semicolons or tabs, as spreadsheet programs save them.

    Args:
        tables: that file; more than one if only their case differs. names: of all folders, in composed letters.
        refused: takes lines that cannot be used.

    Raises:
        UsageError: there are several, or it cannot be read.
    """
    if len(tables) > 1:
        found = few([path.name for path in tables])
        raise UsageError(f"{shortened(tables[0].parent)} has {found}, which differ in case only; remove all but one.")
    if not tables:
        return {}
    path = tables[0]
    lines = (read_text(path) or "").splitlines()
    separators = _SEPARATORS
    if lines and (told_by := _SEPARATOR_LINE.fullmatch(lines[0])):  # how Excel is told what stands between cells
        separators, lines[0] = told_by["separator"], ""
    categories: dict[str, Category] = {}
    try:
        rows = _rows(lines, separators)
        for number, cells in rows:
            if len(cells) > 2:
                raise UsageError(
                    f"Line {number} of {shortened(path)} has {len(cells)} columns, and two are read: folder,category; "
                    "remove the others, and quote a name that has commas."
                )
        for place, (number, cells) in enumerate(rows):
            where = f"Line {number} of {shortened(path)}"
            if place == 0 and [cell.lower() for cell in cells] == HEADER:
                continue
            with refused.each():
                if len(cells) != 2:
                    raise UsageError(f"{where} does not read 'folder,category'; correct it.")
                name, category = composed(cells[0]), cells[1]
                if name not in names and place == 0 and category.casefold() in _LIKE_HEADER:
                    raise UsageError(f"{where} seems to be a header; write 'folder,category', or remove the line.")
                if name not in names:
                    close = nearest(name, names)
                    hint = f"did you mean {' or '.join(map(shortened, close))}?" if close else "remove the line."
                    raise UsageError(f"{where} names '{shortened(name)}', which is no folder beside it; {hint}")
                if name in categories:
                    raise UsageError(f"{where} names '{shortened(name)}' a second time; remove one of the lines.")
                categories[name] = Category(checked_category(category, where), path.name)
    except csv.Error as error:
        raise UsageError(f"{shortened(path)} cannot be read as CSV ({error}); correct or remove it.") from error
    return categories


def contradicted(where: Path, used: Category, listed: Category | None) -> list[str]:
    """A sentence on a concept's own file that says another word than the common one; none if it does not."""
    if listed is None or used.words.casefold() in ("", listed.words.casefold()):
        return []
    words, other = shortened(used.words), shortened(listed.words)
    return [
        f"{shortened(where)}: {used.origin} says '{words}', {listed.origin} '{other}'; '{words}' is used, so correct "
        "one of them."
    ]


def words_of_others(given: Sequence[tuple[Path, str, Category]]) -> list[str]:
    """A sentence on categories of files that are another folder's name, as a copied folder keeps them; else none.

    Only of folders whose own name is read plainly and has no word of the category: `dog2` may be a dog beside `dog`.

    Args:
        given: of each concept its folder, its name and its category.
    """
    names = {words_of_name(name)[0].casefold(): name for _, name, _ in reversed(given)}
    found: list[str] = []
    for folder, name, category in given:
        own, plain = words_of_name(name)
        words = category.words.casefold()
        apart = set(own.casefold().split()).isdisjoint(words.split())
        if category.origin != FROM_NAME and own and plain and apart and words in names:
            said = f"{category.origin} says '{shortened(category.words)}'"
            found.append(f"{shortened(folder)}: {said}, as the folder {shortened(names[words])} is called")
    more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return [f"{'; '.join(found[:NAMED])}{more}; if a copied folder left it, correct it."] if found else []


def checked_category(text: str, where: str) -> str:
    """`text` with single spaces, if it is one to four words of letters and hyphens; else a `UsageError` on `where`."""
    category = " ".join(composed(text).split())
    words = category.split(" ")
    if len(words) > MOST_WORDS or not all(map(_is_word, words)):
        given = shortened(text.strip())
        raise UsageError(f"{where} gives the category {given!r}; write one to four words of letters or hyphens.")
    if len(words) > 1 and words[0].lower() in _ARTICLES:
        raise UsageError(f"{where} gives the category {category!r}; leave out '{words[0]}'.")
    return category


def is_of_camera(name: str) -> bool:
    """Whether a folder is called as cameras call them: "100CANON", "101_PANA"."""
    return _CAMERAS.fullmatch(name) is not None


def told(
    categories: Iterable[tuple[str, Category]],
    of: str = "folder",
    remedy: str = f"goes into {CATEGORY_FILE} in the folder",
    most: int = NAMED,
) -> list[str]:
    """A sentence on the category words that are not plainly the folders' names; none if all are.

    Args:
        of: what has the names. remedy: what to do to have another word, after "another". most: so many are named.
    """
    odd = [
        f"{shortened(category.words)} (of '{shortened(name)}')"
        for name, category in categories
        if not category.plain and not (category.words == name and is_of_camera(name))  # which says nothing, and is said
    ]
    if not odd:
        return []
    which = "A category word is" if len(odd) == 1 else f"{len(odd)} category words are"
    return [f"{which} not plainly the {of}'s name: {few_of(odd, most)}; another {remedy}."]


def misnamed(skipped: Sequence[Skipped], root: Path) -> tuple[list[Skipped], list[str]]:
    """Files that seem to give category words but are not read: the same with these marked, and sentences on them.

    Args:
        skipped: what is not used in `root`, the folder of the concepts' folders.
    """
    found: list[Skipped] = []
    meant: dict[str, list[Path]] = {}
    for one in skipped:
        if one.kind != "other" or not one.path.name.casefold().startswith("categor"):
            found.append(one)
            continue
        right = CATEGORIES_FILE if one.path.parent == root else CATEGORY_FILE
        found.append(Skipped(one.path, "category", f"not read, as its name must be {right}"))
        meant.setdefault(right, []).append(one.path)
    said: list[str] = []
    for right, paths in meant.items():
        if len(paths) == 1:
            sheet = paths[0].suffix.lower() in _SHEETS
            remedy = f"save it as text named {right}" if sheet else f"its name must be {right}"
            said.append(f"{shortened(paths[0])} is not read; {remedy}.")
        else:
            names = few([path.relative_to(root).as_posix() for path in paths])
            said.append(f"{shortened(root)}: {len(paths)} files are not read: {names}; the name must be {right}.")
    return found, said


def read_text(path: Path) -> str | None:
    """A small text file of the user's: UTF-8 with or without its mark, or UTF-16 with it; None if it is not there."""
    try:
        data = path.read_bytes()
        return data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise UsageError(f"{shortened(path)} is not UTF-8 text; save it as UTF-8.") from error
    except OSError as error:
        raise unreadable(path, error) from error


def _decoded(name: str) -> str:
    """A name in which a browser wrote signs as numbers, with these: "duck toy" of "duck%20toy"."""
    try:
        return composed(unquote(name, errors="strict"))
    except UnicodeDecodeError:
        return name


def _parts(word: str) -> list[str]:
    """The words that one is written together of, each with a capital."""
    joined = _JOINED.fullmatch(word) and word.lower() not in _ONE_WORD
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", word).lower().split() if joined else [word]


def _in_word(char: str) -> bool:
    """Whether a word may have it: a letter, a digit, a mark that belongs to a letter, an apostrophe."""
    return char.isalnum() or _is_mark(char) or char in _APOSTROPHES


def _is_mark(char: str) -> bool:
    """A sign that belongs to the letter before it; not a variation selector, which belongs to an emoji."""
    return unicodedata.category(char).startswith("M") and not "\ufe00" <= char <= "\ufe0f"


def _is_word(word: str) -> bool:
    """Letters, in parts that hyphens or apostrophes join."""
    parts = re.split(r"['\u2019-]", word)
    return all(part[:1].isalpha() and all(c.isalpha() or _is_mark(c) for c in part) for part in parts)


def _rows(lines: Sequence[str], separators: str) -> list[tuple[int, list[str]]]:
    """Line number and cells of each line that is not empty, by the first separator that gives two cells everywhere.

    Where none does, by the one that gives the most in the first line.
    """
    tables: list[list[tuple[int, list[str]]]] = []
    for separator in separators:
        reader = csv.reader(lines, delimiter=separator)
        rows: list[tuple[int, list[str]]] = []
        for row in reader:
            cells = [cell.strip() for cell in row]
            while len(cells) > 2 and not cells[-1]:  # columns that a spreadsheet has, too
                cells.pop()
            if any(cells):
                rows.append((reader.line_num, cells))
        if all(len(cells) == 2 for _, cells in rows):
            return rows
        tables.append(rows)
    return max(tables, key=lambda rows: len(rows[0][1]) if rows else 0)
