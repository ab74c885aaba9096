"""What of a folder of photographs is not used, and the sentences that say so."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from harness.errors import UsageError, shortened
from harness.formats.figure_text import counted

# clutter: what is hidden, and files that systems and cameras leave; system: folders that they leave; other: no image;
# unreadable: a photograph for which something is missing here; nested: a folder inside a concept's or class's;
# empty: a folder without images; beside: an image beside the folders; copy: a picture once more; unused: a whole set;
# hidden: an image, or a folder of some, whose name begins with a dot; link: one that is broken or leads back
# results: what runs of this program wrote
# category: a file that seems to give category words, of which a note says why it is not read
Kind = Literal[
    "clutter",
    "system",
    "other",
    "unreadable",
    "nested",
    "empty",
    "beside",
    "copy",
    "unused",
    "category",
    "hidden",
    "link",
    "results",
]

NAMED = 3  # so many names stand in a sentence
LINES = 12  # so many sentences are printed of a folder


@dataclass(frozen=True)
class Skipped:
    """A file or folder that is not used.

    reason: what it is, or why, without a full stop. photographs: how many are not used because of it.
    """

    path: Path
    kind: Kind
    reason: str
    photographs: int = 0

    @property
    def loses(self) -> bool:
        """Whether its owner may have wanted it used: what `--strict` refuses."""
        return self.photographs > 0 or self.kind in ("empty", "link")


@dataclass
class Refusals:
    """Why a folder cannot be used. A run says the first and how many more are seen by then; `data check` lists all.

    command: the command line that lists them. keep: whether all are wanted, so that the reading goes on to its end.
    """

    command: str
    keep: bool = False
    found: list[UsageError] = field(default_factory=list)

    def add(self, error: UsageError) -> None:
        """One more."""
        self.found.append(error)

    @contextmanager
    def each(self) -> Iterator[None]:
        """Add what is raised inside, and go on after it."""
        try:
            yield
        except UsageError as error:
            if type(error) is not UsageError:  # of the machine, and no fault of the folder's
                raise
            self.add(error)

    def settle(self) -> None:
        """Before what takes long, and at the end: raise what was found, unless all are wanted."""
        if self.keep or not self.found:
            return
        first = self.found[0]
        if len(self.found) == 1:
            raise first
        text = str(first)
        raise UsageError(f"{text[:-1]} (and at least {len(self.found) - 1} more: {self.command}){text[-1:]}") from first


def check_command(folder: Path, *options: str) -> str:
    """The command line that lists everything in a folder."""
    place = str(folder)
    place = place if "/" in place else f"./{place}"  # a plain name may be a prepared benchmark's, or begin with a dash
    return shlex.join(["stamina-bench", "data", "check", place, *options])


def empty(folder: Path) -> Skipped:
    """A folder in which there is nothing to use."""
    return Skipped(folder, "empty", "a folder without images")


def few(names: Sequence[str], most: int = NAMED) -> str:
    """'a', 'a and b', 'a, b and c', 'a, b, c and 4 more'."""
    return few_of([shortened(name) for name in names], most)


def few_of(texts: Sequence[str], most: int = NAMED) -> str:
    """The same of texts in which names are shortened already."""
    shown = list(texts[:most])
    if len(texts) > most:
        shown.append(f"{len(texts) - most} more")
    *first, last = shown
    return f"{', '.join(first)} and {last}" if first else last


def sentences(folder: Path, skipped: Iterable[Skipped]) -> list[str]:
    """One sentence for each folder of which something is not used; clutter is not worth one."""
    places: dict[Path, list[Skipped]] = {}
    for one in skipped:
        if one.kind not in ("clutter", "category") and (one.photographs or one.kind != "nested"):
            places.setdefault(folder if one.kind == "system" else one.path.parent, []).append(one)
    return [f"{shortened(place)}: not used: {'; '.join(_parts(place, some))}." for place, some in places.items()]


def listed(skipped: Iterable[Skipped]) -> list[str]:
    """A line for each entry; one for all of a folder that are of one kind and hold nothing to be used.

    >>> listed([Skipped(Path("dog", name), "other", "no image but a text file") for name in ("1.txt", "2.txt")])
    ['dog: 2 files, as 1.txt: no image but a text file each']
    """
    groups: dict[tuple[Path, str], list[Skipped]] = {}
    for number, one in enumerate(skipped):
        several = one.kind in ("clutter", "other") and ";" not in one.reason  # what has a remedy is named
        groups.setdefault((one.path.parent, one.reason) if several else (one.path, str(number)), []).append(one)
    return [
        f"{shortened(some[0].path)}: {some[0].reason}" if len(some) == 1 else
        f"{shortened(place)}: {len(some)} files, as {shortened(some[0].path.name)}: {some[0].reason} each"
        for (place, _), some in groups.items()
    ]  # fmt: skip


def first_ones(lines: Sequence[str]) -> list[str]:
    """The first lines, and how many more there are."""
    if len(lines) <= LINES:
        return list(lines)
    return [*lines[: LINES - 1], f"... and {len(lines) - LINES + 1} more lines like these."]


def by_folder(skipped: Iterable[Skipped]) -> Counter[Path]:
    """How many entries of each folder are not used, clutter apart."""
    return Counter(one.path.parent for one in skipped if one.kind != "clutter")


def refuse(skipped: Iterable[Skipped], notes: Sequence[str]) -> None:
    """What `--strict` does.

    Raises:
        UsageError: a photograph or a folder would not be used, or there is a note; names the first.
    """
    lost = [one for one in skipped if one.loses]
    found = [f"{shortened(one.path)} is not used ({one.reason})" for one in lost] + [note.rstrip(".") for note in notes]
    if found:
        more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
        raise UsageError(f"{found[0]}{more}; mend it, or leave out --strict.")


def _parts(place: Path, skipped: Sequence[Skipped]) -> list[str]:
    kinds: dict[tuple[Kind, str], list[Skipped]] = {}
    for one in skipped:
        kinds.setdefault((one.kind, one.reason if one.kind in ("unreadable", "unused", "link") else ""), []).append(one)
    return [_part(place, kind, reason, some) for (kind, reason), some in kinds.items()]


def _part(place: Path, kind: Kind, reason: str, some: Sequence[Skipped]) -> str:
    number, images = len(some), counted(sum(one.photographs for one in some), "image")
    names = few([one.path.relative_to(place).as_posix() for one in some])
    match kind:
        case "system":
            return f"{counted(number, 'folder')} of the system's ({names})"
        case "results":
            return f"what runs of this program wrote ({names})"
        case "unreadable":
            return f"{counted(number, 'photograph')} ({names}), {'each ' if number > 1 else ''}{reason}"
        case "nested":
            return f"{images} in {counted(number, 'folder')} inside ({names}; move the images up to use them)"
        case "empty":
            return f"{counted(number, 'folder')} without images ({names})"
        case "beside":
            return f"{images} beside the sub-folders ({names}; move them into one to use them)"
        case "copy":
            again = few_of([f"{shortened(one.path.name)} is {one.reason}" for one in some])
            return f"{counted(number, 'image')} that there {'is' if number == 1 else 'are'} already ({again})"
        case "hidden":
            it = "it" if number == 1 else "them"
            return f"{images} in hidden files or folders ({names}; rename {it} without the dot to use {it})"
        case "link":
            it = "it" if number == 1 else "them"
            return f"{counted(number, 'link')} ({names}), {'each ' if number > 1 else ''}{reason}; mend or remove {it}"
        case "unused":
            return f"{names}/ with {images} ({reason})"
        case _:
            # an archive may hold what was meant to be used
            remedies = list(dict.fromkeys(part for one in some if (part := one.reason.partition("; ")[2])))
            names += "".join(f"; {remedy}" for remedy in remedies)
            return f"{counted(number, 'file that is no image', 'files that are no images')} ({names})"
