"""Sheets: a caption, grids of plain text and sentences, and how they print as Markdown, LaTeX and plain text.

For what is not a results table of one shape: the paper's tables beside ours, differences, comparisons. All text is
plain; `A_mmd`, `F_mmd`, `F_KID`, `A_N`, `a_{i,j}`, `N_param`, `x10^3` and the arrow of a heading become mathematics in
LaTeX.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.errors import presentable
from reports.files import slug
from reports.tables import latex, markdown
from reports.tables.columns import DOWN, UP
from reports.tables.latex import prose
from reports.tables.text import GAP, WIDTH


@dataclass(frozen=True)
class Grid:
    """Rows of cells under a head. `below` stands under a rule, with `below_title` for what sets it apart.

    `best` and `second` hold the (row, column) positions, in `rows` followed by `below`, that are printed in bold and
    underlined: see `ranked`.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    below_title: str = ""
    below: tuple[tuple[str, ...], ...] = ()
    title: str = ""
    best: frozenset[tuple[int, int]] = frozenset()
    second: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class Sheet:
    """One table with all that must be said of it: `caption` above the grids, `notes` below."""

    title: str
    caption: str
    grids: tuple[Grid, ...]
    notes: tuple[str, ...]


def ranked(grid: Grid, *columns: int) -> Grid:
    """The grid with the lowest number of each of these columns marked as best and the next as second.

    Of a column whose heading has an arrow upwards it is the highest.

    A cell's number is its first word, as printed; equal ones are marked alike. Words are no numbers. Nothing is best
    among fewer than two, nor second among fewer than three.
    """
    marks: tuple[set[tuple[int, int]], set[tuple[int, int]]] = (set(), set())
    for column in columns:
        found = {
            i: value for i, row in enumerate((*grid.rows, *grid.below)) if (value := _number(row[column])) is not None
        }
        values = sorted(set(found.values()), reverse=UP in grid.head[column])
        for fewest, value, positions in zip((2, 3), values, marks, strict=False):
            if len(found) >= fewest:
                positions.update((i, column) for i, other in found.items() if other == value)
    return replace(grid, best=frozenset(marks[0]), second=frozenset(marks[1]))


def to_markdown(sheets: Sequence[Sheet], title: str) -> str:
    """A page with all sheets; ends with a newline."""
    return f"# {markdown.escape(title)}\n\n" + "\n".join(map(section, sheets))


def to_latex(sheets: Sequence[Sheet]) -> str:
    """A document with all sheets; needs article and booktabs only."""
    return latex.document(list(map(floated, sheets)))


def to_text(sheets: Sequence[Sheet]) -> str:
    """Aligned columns for terminals, under the sheets' titles; ends with a newline."""
    text = "\n\n".join(map(_plain, sheets))
    return "\n".join(map(presentable, text.split("\n"))) + "\n"


def _number(cell: str) -> float | None:
    try:
        value = float(cell.split()[0])
    except (IndexError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _plain(sheet: Sheet) -> str:
    parts = [sheet.title, "=" * len(sheet.title), *([_folded(sheet.caption, "")] if sheet.caption else [])]
    for grid in sheet.grids:
        parts.append("")
        if grid.title:
            parts += [_folded(grid.title, ""), ""]
        tops, heads = zip(*map(_two_lines, grid.head), strict=True)
        marks = dict.fromkeys(grid.best, "*") | dict.fromkeys(grid.second, "+")
        columns = {column for _, column in marks}
        cells = [
            [text + marks.get((i, j), " " * (j in columns)) for j, text in enumerate(row)]
            for i, row in enumerate((*grid.rows, *grid.below))
        ]
        rows = [tops, heads, *cells]
        widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
        lines = [GAP.join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
        if grid.below:
            lines.insert(2 + len(grid.rows), f"-- {grid.below_title}")
        lines.insert(2, GAP.join("-" * width for width in widths))
        parts += lines if any(tops) else lines[1:]
    notes = [
        *sheet.notes,
        *(["Here '*' stands for bold and '+' for underlined."] if any(g.best for g in sheet.grids) else []),
    ]
    if notes:
        parts += ["", *(_folded(note, "  ") for note in notes)]
    return "\n".join(parts)


def _folded(text: str, indent: str) -> str:
    return "\n".join(textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  " * bool(indent)))


def section(sheet: Sheet) -> str:
    """One sheet in Markdown, under a heading of the second level; ends with a newline."""
    parts = [f"## {markdown.escape(sheet.title)}", *([markdown.escape(sheet.caption)] if sheet.caption else [])]
    for grid in sheet.grids:
        if grid.title:
            parts.append(f"**{markdown.escape(grid.title)}**")
        rows = [
            [_marked(markdown.escape(text), (i, j), grid) for j, text in enumerate(row)]
            for i, row in enumerate((*grid.rows, *grid.below))
        ]
        if grid.below:  # Markdown knows no rule inside a table
            title = [f"*{markdown.escape(grid.below_title)}*", *("" for _ in grid.head[1:])]
            rows.insert(len(grid.rows), title)
        parts.append(markdown.grid([markdown.escape(text) for text in grid.head], rows))
    parts.append("\n".join(f"- {markdown.escape(note)}" for note in sheet.notes))
    return "\n\n".join(parts) + "\n"


def _marked(text: str, position: tuple[int, int], grid: Grid) -> str:
    mark = markdown.BOLD if position in grid.best else markdown.SECOND if position in grid.second else "{}"
    return mark.format(text)


def floated(sheet: Sheet) -> str:
    """One sheet as a `table` environment; ends with a newline."""
    lines = [
        r"\begin{table}[tbp]",
        r"\centering\footnotesize\setlength{\tabcolsep}{3pt}\setlength{\belowcaptionskip}{4pt}",
        rf"\caption{{{prose(sheet.title)}.{' ' * bool(sheet.caption)}{prose(sheet.caption)}}}",
        rf"\label{{tab:{slug(sheet.title).replace('_', '-').lower()}}}",
    ]
    for grid in sheet.grids:
        if grid.title:
            lines.append(rf"\par\medskip\textit{{{prose(grid.title)}}}\par\smallskip")
        lines += _tabular(grid)
    lines += [
        r"\par\medskip",
        r"\begin{minipage}{\linewidth}\scriptsize\raggedright",
        *(rf"{prose(note)}\par" for note in sheet.notes),
        r"\end{minipage}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _tabular(grid: Grid) -> list[str]:
    columns = len(grid.head)
    rows = [
        _row([_cell(text, (i, j), grid) for j, text in enumerate(row)])
        for i, row in enumerate((*grid.rows, *grid.below))
    ]
    below = [r"\midrule", rf"\multicolumn{{{columns}}}{{l}}{{\textit{{{prose(grid.below_title)}}}}}\\"]
    return [
        rf"\begin{{tabular}}{{p{{3.2cm}}{'r' * (columns - 1)}}}",  # long labels wrap
        r"\toprule",
        _row([prose(grid.head[0]), *map(_wrapped, grid.head[1:])]),
        r"\midrule",
        *rows[: len(grid.rows)],
        *([*below, *rows[len(grid.rows) :]] if grid.below else []),
        r"\bottomrule",
        r"\end{tabular}",
    ]


def _cell(plain: str, position: tuple[int, int], grid: Grid) -> str:
    """The text in LaTeX, its number in bold or underlined where it is marked."""
    mark = r"\textbf" if position in grid.best else r"\underline" if position in grid.second else ""
    if not mark:
        return prose(plain)
    number, _, rest = plain.partition(" ")
    return rf"{mark}{{{prose(number)}}} {prose(rest)}".rstrip()


def _row(cells: Sequence[str]) -> str:
    return " & ".join([rf"\raggedright {cells[0]}", *cells[1:]]).rstrip() + r" \\"


def _wrapped(plain: str) -> str:
    """A long heading on two lines, so that it does not widen its column."""
    first, second = _two_lines(plain)
    return rf"\shortstack[r]{{{prose(first)}\\{prose(second)}}}" if first else prose(second)


def _two_lines(plain: str) -> tuple[str, str]:
    """A long text cut in two of about the same length; a short one stays whole, on the second line."""
    words = re.sub(f" (?=[{DOWN}{UP}])", "\0", plain).split()  # the arrow stays beside its word
    if len(plain) <= 12 or len(words) < 2:
        return "", plain
    cut = min(range(1, len(words)), key=lambda i: max(len(" ".join(words[:i])), len(" ".join(words[i:]))))
    first, second = (" ".join(part).replace("\0", " ") for part in (words[:cut], words[cut:]))
    return first, second
