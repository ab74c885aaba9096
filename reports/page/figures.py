"""The report's figures as the page shows them: pictures with a caption and, beside them, the same as a PDF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reports.page.captions import figure_words
from reports.page.links import address, relative

FEW = 6


@dataclass(frozen=True)
class Picture:
    """One figure: its title, what to see in it, and relative links to picture and PDF, '' where there is none."""

    caption: str
    words: str
    picture: str
    pdf: str


def figure_groups(figures: Sequence[Path], folder: Path) -> list[tuple[str, list[Picture]]]:
    """The figures, files of the same name with another ending as one: first, as '', those to show at once.

    After them come those to unfold: more than `FEW` whose names begin with the same word, under that word.

    Raises:
        ValueError: a file lies outside the folder.
    """
    stems: dict[Path, dict[str, str]] = {}
    for path in figures:
        inside = relative(path, folder)
        kind = "pdf" if path.suffix.lower() == ".pdf" else "picture"
        stems.setdefault(inside.with_suffix(""), {}).setdefault(kind, address(inside))
    groups: dict[str, list[Picture]] = {}
    for stem, links in stems.items():
        caption, words = figure_words(stem.name)
        picture = Picture(caption, words, links.get("picture", ""), links.get("pdf", ""))
        word = stem.name.replace("_", "-").partition("-")[0] or stem.name
        groups.setdefault(word[:1].upper() + word[1:], []).append(picture)
    few = [picture for group in groups.values() if len(group) <= FEW for picture in group]
    many = [(word, group) for word, group in groups.items() if len(group) > FEW]
    return [*([("", few)] if few else []), *many]
