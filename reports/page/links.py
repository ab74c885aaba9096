"""Links to everything else that the report wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from reports.page.captions import KINDS, TEXTS, figure_words, grid_words

FEW = 12  # links of a group that are shown without being asked for


@dataclass(frozen=True)
class Link:
    """One file: where it lies, its name, and what is in it."""

    address: str
    name: str
    words: str


@dataclass(frozen=True)
class Links:
    """Files of one kind; of many the page shows the heading alone until it is asked."""

    title: str
    files: tuple[Link, ...]

    @property
    def many(self) -> bool:
        """Whether they are folded away."""
        return len(self.files) > FEW


def link_groups(paths: Sequence[Path], folder: Path) -> list[Links]:
    """The files by kind: tables first, then figures, grids and what else there is.

    Raises:
        ValueError: a file lies outside the folder.
    """
    groups: dict[str, list[Link]] = {}
    for path in paths:
        inside = relative(path, folder)
        kind = path.suffix.lower().removeprefix(".")
        if len(inside.parts) == 1 and kind in KINDS:
            title, words = f"Tables as {KINDS[kind]}", TEXTS.get(path.stem, "")
        elif inside.parts[0] == "figures":
            title, words = f"Figures as {kind.upper()}", figure_words(path.stem)[0]
        elif inside.parts[0] == "grids":
            title, words = "Grids of images", grid_words(path.stem)
        else:
            title, words = (
                "Other files",
                "licences, authors and citations of photographs" if inside.parts[0] == "attribution" else "",
            )
        groups.setdefault(title, []).append(Link(address(inside), inside.name, words))
    order = [f"Tables as {words}" for words in KINDS.values()]
    titles = [*(t for t in order if t in groups), *sorted(set(groups) - set(order), key=_rank)]
    return [Links(title, tuple(groups[title])) for title in titles]


def relative(path: Path, folder: Path) -> Path:
    """The path seen from the folder.

    Raises:
        ValueError: it lies outside.
    """
    inside = path.absolute().relative_to(folder.absolute())
    if ".." in inside.parts:
        raise ValueError(f"The file {path} lies outside {folder}.")
    return inside


def address(inside: Path) -> str:
    """A relative link."""
    return quote(inside.as_posix(), errors="replace")


def _rank(title: str) -> tuple[bool, bool, str]:
    return title == "Other files", title == "Grids of images", title
