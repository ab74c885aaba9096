"""Images called after another concept or class than their folder's, or after several things in one concept's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.data.placeholder_words import says_nothing
from harness.data.skipped_files import few_of
from harness.data.split_names import is_split_name, numbered
from harness.errors import shortened
from harness.formats.figure_text import counted

SHORT = 3  # letters: files whose names only begin with a shorter name need not be called after it
# Of sides and takes of one thing, and of cameras and messengers.
_VIEWS = frozenset(
    re.findall(
        r"\w+",
        "above back behind below bokeh bottom burst close closeup day detail dji down far frame front hdr indoor "
        "inside left mvimg near night outdoor outside pano portrait rear received right shot side signal snap top vid "
        "video view",
    )
)
_SECOND = re.compile(r"(?P<first>.+?)(?: \(1\)| copy| - copy| 2)", re.IGNORECASE)
SERIES, MOSTLY = 3, 0.8  # of a concept's names so many, and such a part, are there twice
_NUMBER = re.compile(r"[\W_]*\d+[\W_]*$")  # at a name's end: "_3", " (3)"


def misfiled(images: Mapping[str, Sequence[Path]], words: Mapping[str, str], each: str) -> list[str]:
    """A sentence on such images; none if there are none.

    Args:
        images: of each folder, by its name. words: its category word, which counts as its name does.
        each: what a folder holds.
    """
    called: dict[str, frozenset[str]] = {}
    owner: dict[str, str] = {}
    for name in images:
        keys = (_letters(name), _letters(words.get(name, "")))
        called[name] = frozenset(key for key in keys if any(char.isalpha() for char in key))
        for key in called[name]:
            owner.setdefault(key, name)
    found: list[tuple[str, Path, str]] = []
    for name, paths in images.items():
        own = called[name]
        after = {path: _called(path.stem, owner) for path in paths}
        odd = [path for path in paths if after[path] and _unnumbered(after[path]) not in map(_unnumbered, own)]
        begins = tuple(key for key in own if len(key) >= SHORT)
        if (
            odd
            and 2 * sum(after[path] in own or _letters(path.stem).startswith(begins) for path in paths) > len(paths) - 1
        ):
            found += [(name, path, owner[after[path]]) for path in odd]
    if not found:
        return []
    if len(found) == 1:
        ((name, path, other),) = found
        return [f"{shortened(path)} is called after the {each} {shortened(other)}, and the others there after "
                f"{shortened(name)}; if it shows that, move it."]  # fmt: skip
    named = few_of([f"{shortened(f'{name}/{path.name}')} after {shortened(other)}" for name, path, other in found])
    return [f"{len(found)} images are called after another {each} than most of their folders: {named}; if they show "
            "that, move them."]  # fmt: skip


def called_otherwise(images: Mapping[str, Sequence[Path]], words: Mapping[str, str], each: str) -> list[str]:
    """A sentence on folders nearly all of whose files are called after one other: words or names that were exchanged.

    Args: as of `misfiled`.
    """
    texts: dict[str, str] = {}
    called = {name: {_letters(text) for text in (name, words.get(name, "")) if text} for name in images}
    for name in images:
        for text in (name, words.get(name, "")):
            if not says_nothing(text.replace("_", " ")) and not is_split_name(text) and re.search(r"[^\W\d_]", text):
                texts.setdefault(_letters(text), text)
    found: dict[str, str] = {}
    for name, paths in images.items():
        keys = Counter(key for path in paths if (key := _called(path.stem, texts)))
        key, count = next(iter(keys.most_common(1)), ("", 0))
        own = {_unnumbered(one) for one in called[name]}
        beside = any(one.startswith(key) or key.startswith(one) for one in own if one)
        if count >= max(SERIES, MOSTLY * len(paths)) and not beside:
            found[name] = key
    often = Counter(found.values())
    odd = [name for name, key in found.items() if often[key] == 1]  # what several share is no thing's name
    if not odd:
        return []
    named = few_of([
        f"{shortened(name)}{_word_of(name, words)} after '{shortened(texts[found[name]])}'" for name in odd
    ])  # fmt: skip
    return [f"The files of {counted(len(odd), each, f'{each}es' if each.endswith('s') else '')} are called after "
            f"another: {named}; if they show that, correct the name or the word."]  # fmt: skip


def _word_of(name: str, words: Mapping[str, str]) -> str:
    """A word that is not the name read plainly, in brackets behind it."""
    word = words.get(name, "")
    return f" ({shortened(word)})" if word and _letters(word) != _unnumbered(_letters(name)) else ""


def several_things(images: Mapping[str, Sequence[Path]]) -> list[str]:
    """Sentences on concepts most of whose files are called after two or more things: "cat.0", "cat.1", "dog.0", ...

    Args:
        images: of each concept, by its name.
    """
    found: list[str] = []
    for name, paths in images.items():
        words = Counter(_thing(match["word"]) for path in paths if (match := numbered(path.stem)))
        things = {thing: count for thing, count in words.items() if thing and count > 1}
        if len(things) > 1 and 2 * sum(things.values()) > len(paths):
            named = few_of([f"{shortened(thing)} ({count})" for thing, count in things.items()])
            found.append(f"{shortened(name)}: its files are called after {len(things)} things: {named}; if they show "
                         "these, give each a folder of its own.")  # fmt: skip
    return found


def two_series(folder: str, names: Sequence[str]) -> list[str]:
    """A sentence where most of a concept's pictures come in twos by name, "x" and "x (1)", that are not the same.

    So a file manager calls what was moved together out of two folders with like names.

    Args:
        names: without their suffixes, of different pictures.
    """
    there = set(names)
    second = [name for name in names if (match := _SECOND.fullmatch(name)) and match["first"] in there]
    if len(second) < SERIES or 2 * len(second) < MOSTLY * len(names):
        return []
    return [f"{shortened(folder)}: {len(second)} names are there a second time, as '{shortened(second[0])}', with "
            "other pictures; if two concepts were put together, give each a folder of its own."]  # fmt: skip


def _thing(word: str) -> str:
    """What may be what a file shows of what stands before its number; "" if it is a camera's or a program's word.

    >>> _thing("Sea_lion left"), _thing("FB_IMG"), _thing("IMG-20230510-WA")
    ('sea lion', '', '')
    """
    if any(c.isdigit() for c in word):
        return ""
    parts = [part for part in re.split(r"[\s_-]+", word.casefold()) if len(part) > 2]
    return " ".join(part for part in parts if part not in _VIEWS and not says_nothing(part))


def _called(stem: str, known: Mapping[str, str]) -> str:
    """The longest of the names in `known` that a file's name is but for numbers at its end; empty if there is none."""
    return next((key for key in _beginnings(stem) if key in known), "")


def _beginnings(stem: str) -> Iterator[str]:
    """The letters and digits of a name, then without the number at its end, and so on."""
    yield _letters(stem)
    while (shorter := _NUMBER.sub("", stem)) != stem:
        stem = shorter
        yield _letters(stem)


def _unnumbered(key: str) -> str:
    """Without the number at its end: files in `dog1` may be numbered, and be called as `dog2` is."""
    return key.rstrip("0123456789")


def _letters(name: str) -> str:
    """A name's letters and digits alone, whatever their case."""
    return re.sub(r"[\W_]+", "", name.casefold())
