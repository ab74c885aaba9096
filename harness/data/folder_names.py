"""Names of concepts' and classes' folders that are hardly told apart, or seem to be one that came in parts."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from harness.data.category_words import REPEATS, is_of_camera
from harness.data.skipped_files import NAMED, few

# What a part or a copy of a folder has behind its name, even where there is none of the name alone: "mug_part2",
# "mug - Copy", "mug_old", what a browser saves with a page, "mug_files", and what Google Drive makes of a large one,
# "mug-20231105T101112Z-001".
_PART = re.compile(
    r"(?P<whole>.*[^\W\d_].*?)(?:[\s_-]*part[\s_-]*\d+|[\s_-]+(?:copy|kopie|copie|copia|old|backup|bak|files)(?:[\s_-]*\(?\d+\)?)?|"
    r"-\d{8}T\d{6}Z(?:-\d+)*)",
    re.IGNORECASE,
)
# A year or a day tells when a thing was photographed: "cat_2022", "cat 2023-05".
_DATED = re.compile(
    r"(?P<whole>.*[^\W\d_])[\s_.-]*(?:19[5-9]|20[0-3])\d(?:[\s_.-]?(?:0[1-9]|1[0-2])(?:[\s_.-]?[0-3]\d)?)?"
)
# The same of names that are told from others so, too, and count only beside the name alone: "mug 2", "mug (1)".
_NUMBERED = re.compile(r"(?P<whole>.*[^\W\d_])(?:[\s_.-]*\d{1,2}|\s*\(\d+\))")

_TOGETHER = re.compile(r"\s*[&+]\s*|\s+(?:and|et|mit|und|with|y)\s+")  # two concepts' names, "anna and ben"
_CLASS = re.compile(r"[1-9]\d*_(?P<words>[^\W\d].*)")  # "1_dog", beside "10_zwx dog"

# What telephones, file managers and Google Takeout call albums of what its owner did not want to see any more.
_DELETED = frozenset(
    {"cestino", "corbeille", "deleted items", "kosz", "lixeira", "papelera", "papierkorb", "prullenbak",
     "recently deleted", "recycle bin", "rejects", "trash", "trashed", "zuletzt gelöscht"}
)  # fmt: skip
_PUT_AWAY = frozenset({"archiv", "archive", "archived", "hidden", "hidden album", "locked folder"})

# How a thing was photographed; some are things as well, but not two of one sort.
_VIEWS = tuple(
    frozenset(words.split())
    for words in (
        "above back behind below bottom closeup front inside left outside profile rear right side top underside",
        "autumn fall spring summer winter",
        "afternoon day daytime dusk evening morning night noon",
        "indoor indoors inside outdoor outdoors outside",
        "cloudy foggy rainy snowy sunny",
        "after before during",
    )
)


def alike_names(names: Sequence[str], of: str = "Folders") -> list[str]:
    """A sentence on names that differ in case only; none if there are none. of: what has the names."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.casefold(), []).append(name)
    found = [few(group) for group in groups.values() if len(group) > 1]
    return [f"{of} whose names differ in case only are kept apart: {'; '.join(found)}."] if found else []


def meant_as_one(names: Sequence[str]) -> list[str]:
    """A sentence on names of which one is the other's plural, or that are parts, copies or times of one; else none.

    >>> meant_as_one(["dog1", "dog2", "cat", "cat 2", "mug 2022", "mug 2023"])
    ['Folders that may be meant as one: cat and cat 2; mug 2022 and mug 2023; if they are, merge them.']
    """
    known = {_words(name.casefold()) for name in names}
    groups: dict[str, list[str]] = {}
    for name in names:
        key = _words(_whole(name.casefold(), known))
        joined = key.replace(" ", "")  # "sun_flower", "sunflower"; but "1_1" and "11" are two
        groups.setdefault(joined if joined.isalpha() else key, []).append(name)
    found = [few(group) for group in groups.values() if len(group) > 1 and len({one.casefold() for one in group}) > 1]
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    text = f"Folders that may be meant as one: {'; '.join(found[:NAMED])}{more}; if they are, merge them."
    return [text] if found else []


def together(names: Sequence[str]) -> list[str]:
    """A sentence on names that are two of the others', as of photographs that show both; none if there are none.

    >>> together(["anna", "ben", "anna and ben", "salt and pepper"])
    ['A folder seems to show two of the other concepts at once: anna and ben; if it does, move it away.']
    """
    known = {_spaced(name) for name in names}
    parts = {name: _TOGETHER.split(_spaced(name)) for name in names}
    found = [name for name, each in parts.items() if len(set(each)) > 1 and known.issuperset(each)]
    if not found:
        return []
    which = "A folder seems" if len(found) == 1 else f"{len(found)} folders seem"
    it = "it does, move it" if len(found) == 1 else "they do, move them"
    return [f"{which} to show two of the other concepts at once: {few(found)}; if {it} away."]


def views(names: Sequence[str]) -> list[str]:
    """A sentence on names that tell how one thing was photographed, and not which: two or more of one sort; else none.

    >>> len(views(["front", "side", "mug"])), len(views(["mug_front", "mug_back"])), views(["spring", "top", "mug"])
    (1, 1, [])
    """
    found: list[str] = []
    for sort in _VIEWS:
        groups: dict[str, list[str]] = {}
        for name in names:
            *thing, last = _words(name.casefold()).split()
            if last in sort:
                groups.setdefault(" ".join(thing), []).append(name)
        found += [name for group in groups.values() if len(group) > 1 for name in group]
    if not found:
        return []
    return [
        f"{len(found)} folders are called after views, times or places, and not after things: {few(found, most=6)}; if "
        "they show one thing, put it into one folder."
    ]


def set_aside(names: Sequence[str], most: int = NAMED) -> list[str]:
    """A sentence on names that programs give to what was deleted, hidden or put away; none if there are none.

    A bin is a thing as well, but not beside others of these.

    >>> set_aside(["dog", "Recently Deleted", "Papierkorb"])
    ['2 folders seem to hold what was deleted or put away: Recently Deleted and Papierkorb; if so, move them away.']
    >>> set_aside(["bin", "dog"])
    []
    """
    known = _DELETED | _PUT_AWAY
    if any(_words(name.casefold()) in known for name in names):
        known |= {"bin"}
    found = [name for name in names if _words(name.casefold()) in known]
    if not found:
        return []
    which = "A folder seems" if len(found) == 1 else f"{len(found)} folders seem"
    them = "it" if len(found) == 1 else "them"
    return [f"{which} to hold what was deleted or put away: {few(found, most)}; if so, move {them} away."]


def is_of_deleted(name: str) -> bool:
    """Whether a folder is called as those of what was deleted are.

    >>> [is_of_deleted(name) for name in ("Recycle Bin", "archive")]
    [True, False]
    """
    return _words(name.casefold()) in _DELETED


def regularisation(names: Sequence[str]) -> list[str]:
    """A sentence on folders that other trainers call so for images of the class, beside those of the concept.

    >>> regularisation(["10_zwx dog", "1_dog", "3_cups"])
    ["A folder seems to hold class images, by its name, and no concept: 1_dog (of '10_zwx dog'); if so, move it away."]
    """
    classes = {m["words"].casefold(): name for name in names if (m := REPEATS.fullmatch(name))}
    plain = {name: m["words"].casefold() for name in names if (m := _CLASS.fullmatch(name))}
    found = [f"{name} (of '{classes[words]}')" for name, words in plain.items() if words in classes]
    if not found:
        return []
    which = "A folder seems" if len(found) == 1 else f"{len(found)} folders seem"
    it = "no concept" if len(found) == 1 else "no concepts"
    them = "it" if len(found) == 1 else "them"
    return [f"{which} to hold class images, by its name, and {it}: {few(found)}; if so, move {them} away."]


def _words(name: str) -> str:
    """A name with spaces where others may have hyphens or underscores: "red_mug", "red-mug" and "red mug" are one."""
    return " ".join(re.split(r"[\s_-]+", name)).strip() or name


def _spaced(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())


def _whole(name: str, known: Collection[str]) -> str:
    """What a name is a part, a copy or the plural of; itself if it is none."""
    if part := _PART.fullmatch(name) or _DATED.fullmatch(name):
        return _whole(part["whole"], known)
    if is_of_camera(name):  # which begins another when one has a thousand files
        return name[3:]
    if repeats := REPEATS.fullmatch(name):  # of one token and word, some images more often: "5_sks cat", "20_sks cat"
        return f"{repeats['token']} {repeats['words']}"
    numbered = _NUMBERED.fullmatch(name)
    if numbered and _words(numbered["whole"]) in known:
        return numbered["whole"]
    return next(
        (name[: -len(end)] for end in ("s", "es") if name.endswith(end) and _words(name[: -len(end)]) in known), name
    )
