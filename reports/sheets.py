"""Sheets: a caption, grids of plain text and sentences, and how they print as Markdown and LaTeX.

For what is not a results table of one shape: the paper's tables beside ours. All text is plain; `A_mmd`, `F_mmd`,
`N_param` and `x10^3` become mathematics in LaTeX.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reports import latex, markdown
from reports.files import slug


@dataclass(frozen=True)
class Grid:
    """Rows of cells under a head. `below` stands under a rule, with `below_title` for what sets it apart."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    below_title: str = ""
    below: tuple[tuple[str, ...], ...] = ()
    title: str = ""


@dataclass(frozen=True)
class Sheet:
    """One table with all that must be said of it: `caption` above the grids, `notes` below."""

    title: str
    caption: str
    grids: tuple[Grid, ...]
    notes: tuple[str, ...]


def to_markdown(sheets: Sequence[Sheet], title: str) -> str:
    """A page with all sheets; ends with a newline."""
    return f"# {markdown.escape(title)}\n\n" + "\n".join(map(_markdown, sheets))


def to_latex(sheets: Sequence[Sheet]) -> str:
    """A document with all sheets; needs article and booktabs only."""
    return latex.document(list(map(_latex, sheets)))


def _markdown(sheet: Sheet) -> str:
    parts = [f"## {markdown.escape(sheet.title)}", markdown.escape(sheet.caption)]
    for grid in sheet.grids:
        if grid.title:
            parts.append(f"**{markdown.escape(grid.title)}**")
        rows = [[markdown.escape(text) for text in row] for row in grid.rows]
        if grid.below:  # Markdown knows no rule inside a table
            rows.append([f"*{markdown.escape(grid.below_title)}*", *("" for _ in grid.head[1:])])
            rows += [[markdown.escape(text) for text in row] for row in grid.below]
        parts.append(markdown.grid([markdown.escape(text) for text in grid.head], rows))
    parts.append("\n".join(f"- {markdown.escape(note)}" for note in sheet.notes))
    return "\n\n".join(parts) + "\n"


def _latex(sheet: Sheet) -> str:
    lines = [
        r"\begin{table}[tbp]",
        r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{_text(sheet.title)}. {_text(sheet.caption)}}}",
        rf"\label{{tab:{slug(sheet.title).replace('_', '-').lower()}}}",
    ]
    for grid in sheet.grids:
        if grid.title:
            lines.append(rf"\par\medskip\textit{{{_text(grid.title)}}}\par\smallskip")
        lines += _tabular(grid)
    lines += [
        r"\par\medskip",
        r"\begin{minipage}{\linewidth}\scriptsize\raggedright",
        *(rf"{_text(note)}\par" for note in sheet.notes),
        r"\end{minipage}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _tabular(grid: Grid) -> list[str]:
    columns = len(grid.head)
    below = [r"\midrule", rf"\multicolumn{{{columns}}}{{l}}{{\textit{{{_text(grid.below_title)}}}}}\\"]
    return [
        rf"\begin{{tabular}}{{p{{3.2cm}}{'r' * (columns - 1)}}}",  # long labels wrap
        r"\toprule",
        _row(grid.head, wrap=True),
        r"\midrule",
        *map(_row, grid.rows),
        *([*below, *map(_row, grid.below)] if grid.below else []),
        r"\bottomrule",
        r"\end{tabular}",
    ]


def _row(cells: Sequence[str], wrap: bool = False) -> str:
    first, *others = cells
    return (
        " & ".join([rf"{{\raggedright {_text(first)}}}", *map(_wrapped if wrap else _text, others)]).rstrip() + r" \\"
    )


def _wrapped(plain: str) -> str:
    """A long heading on two lines, so that it does not widen its column."""
    words = plain.split()
    if len(plain) <= 12 or len(words) < 2:
        return _text(plain)
    cut = min(range(1, len(words)), key=lambda i: max(len(" ".join(words[:i])), len(" ".join(words[i:]))))
    return rf"\shortstack[r]{{{_text(' '.join(words[:cut]))}\\{_text(' '.join(words[cut:]))}}}"


def _text(plain: str) -> str:
    """Escaped text, with the few signs of ours that LaTeX has better ones for."""
    text = latex.escape(plain)
    text = re.sub(r"\b([AF])\\_mmd\b", r"$\1_\\mathrm{mmd}$", text)
    text = re.sub(r"\bN\\_param\b", r"$N_\\mathrm{param}$", text)
    text = text.replace(r"x10\textasciicircum{}3", r"$\times 10^3$")
    return re.sub(r"(?<![\w.)-])-(?=\d)", "$-$", text)  # a minus sign, not the hyphen of 'mini-64' or '1-3'
