"""Tables in LaTeX (booktabs), in the manner of the paper, and a document that compiles with article and booktabs."""

# ruff: noqa: RUF001 (the table of escapes holds look-alikes of ASCII on purpose)

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from harness.results import Metric
from harness.settings.presentation import MISSING
from reports.files import slug
from reports.tables.columns import DOWN, UP, Column
from reports.tables.published import Published
from reports.tables.summary import Line, Table, ranges

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # '[' would begin an optional argument after '\\'; two quotes would become one glyph. (A straight double quote needs
    # another font encoding than the default.)
    "[": "{[}", "]": "{]}", "`": "`{}", "'": "'{}", '"': "''", "\0": "{}",
    "±": r"$\pm$", "—": "---", "–": "--", "×": r"$\times$", "·": r"$\cdot$", "²": "$^2$", "³": "$^3$", "°": r"$^\circ$",
    "≤": r"$\le$", "≥": r"$\ge$", "→": r"$\to$", "↓": r"$\downarrow$", "↑": r"$\uparrow$",
    "α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$", "λ": r"$\lambda$", "μ": r"$\mu$", "µ": r"$\mu$",
    "σ": r"$\sigma$", "τ": r"$\tau$", "…": r"\ldots{}",
    "‘": "`", "’": "'", "“": "``", "”": "''", "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}",
    "ø": r"\o{}", "Ø": r"\O{}", "å": r"\aa{}", "Å": r"\AA{}",
}  # fmt: skip
_ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u0327": "c", "\u030c": "v"}

_PREAMBLE = r"""\documentclass[10pt]{article}
\usepackage{booktabs}
\setlength{\textwidth}{18.5cm}
\setlength{\textheight}{24cm}
\setlength{\oddsidemargin}{-1.3cm}
\setlength{\topmargin}{-1.5cm}
\begin{document}
"""
BOLD, UNDERLINED = r"\mathbf", r"\underline"
ARROWS = {DOWN: r"\downarrow", UP: r"\uparrow"}


def escape(text: str) -> str:
    """User text as literal LaTeX on one line.

    A character that the default fonts lack would stop the compiler; it is printed by its code, as in [U+4E2D].
    """
    whole = unicodedata.normalize("NFC", " ".join(text.split()).replace("\0", ""))  # a letter with its accent is one
    apart = re.sub(r"-(?=-)", "-\0", whole)  # '--' would become one dash
    return "".join(map(_escape_character, apart))


def _escape_character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character.isascii():
        return character if character.isprintable() else " "
    base, *marks = list(unicodedata.normalize("NFD", character))
    if base.isascii() and base.isalpha() and len(marks) == 1 and marks[0] in _ACCENTS:
        letter = {"i": r"\i", "j": r"\j"}.get(base, base)
        return rf"\{_ACCENTS[marks[0]]}{{{letter}}}"
    return f"{{[}}U+{ord(character):04X}{{]}}"


def prose(plain: str) -> str:
    """Escaped text, with the few signs of ours that LaTeX has better ones for."""
    text = escape(plain)
    text = re.sub(r"\b([AF])\\_(mmd|KID)\b", r"$\1_\\mathrm{\2}$", text)
    text = re.sub(r"\bN\\_param\b", r"$N_\\mathrm{param}$", text)
    text = re.sub(r"\bA\\_1\.\.A\\_N\b", r"$A_1,\\ldots,A_N$", text)
    text = re.sub(r"\b([Aa])\\_(?:\\\{(\w(?:-1)?,\w)\\\}|([nN]))(?!\w)", r"$\1_{\2\3}$", text)
    text = text.replace(r"x10\textasciicircum{}3", r"$\times 10^3$")
    text = re.sub(r" \$(\\(?:down|up)arrow)\$(?=$)", r" ($\1$)", text)
    return re.sub(r"(?<![\w.)-])-(?=\d)", "$-$", text)  # a minus sign, not the hyphen of 'mini-64' or '1-3'


def to_latex(table: Table) -> str:
    r"""A complete `table` environment; needs `\usepackage{booktabs}`. Ends with a newline."""
    columns = table.columns
    best = {column.metric: table.best(column) for column in columns}
    second = {column.metric: table.second(column) for column in columns}
    lines = [
        r"\begin{table}[tbp]",
        r"\centering\footnotesize\setlength{\tabcolsep}{3pt}\setlength{\belowcaptionskip}{4pt}",
        rf"\caption{{{escape(table.caption)}.}}",
        rf"\label{{tab:{_label(table)}}}",
        rf"\begin{{tabular}}{{p{{3.3cm}}{'r' * len(columns)}}}",  # long labels wrap
        r"\toprule",
        _row(["Method", *(f"{column.latex[0]} (${ARROWS[column.arrow]}$)" for column in columns)]),
        _row(["", *(column.latex[1] for column in columns)]),
        r"\midrule",
    ]
    for line in table.lines:
        marks = {c.metric: BOLD for c in columns if line.label in best[c.metric]}
        marks |= {c.metric: UNDERLINED for c in columns if line.label in second[c.metric]}
        lines += _line(line, columns, marks)
    if table.published is not None:
        lines += _published(table.published, columns)
    notes = table.notes()
    if table.published is not None:
        notes.insert(0, table.published.caution(table.tier))
    lines += [
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\medskip",
        r"\begin{minipage}{\linewidth}\scriptsize\raggedright",
        *(rf"{prose(note)}\par" for note in notes),
        r"\end{minipage}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def to_latex_document(tables: Sequence[Table]) -> str:
    """A document of its own with all tables, one after another."""
    return document(list(map(to_latex, tables)))


def document(floats: Sequence[str]) -> str:
    """A document of its own with these `table` environments, each from a page of its own on."""
    body = "\\clearpage\n".join(floats) or "No results.\n"
    return f"{_PREAMBLE}{body}\\end{{document}}\n"


def _line(line: Line, columns: Sequence[Column], marks: Mapping[Metric, str]) -> list[str]:
    """The line of a method and, where there are intervals, a second one that holds them in small print."""
    rows = [_row([rf"\raggedright {escape(line.label)}", *(_cell(line, c, marks.get(c.metric, "")) for c in columns)])]
    intervals = [line.figures[c.metric].interval(c) if c.metric in line.figures else "" for c in columns]
    if any(intervals):
        rows.append(_row(["", *(rf"{{\scriptsize ${text}$}}" if text else "" for text in intervals)]))
    return rows


def _cell(line: Line, column: Column, mark: str) -> str:
    figure = line.figures.get(column.metric)
    if figure is None:
        return MISSING
    value, spread = figure.parts(column)
    # The dash stays outside mathematics, where it would be a minus sign.
    return (rf"${mark}{{{value}}}$" if mark else f"${value}$") + (rf" $\pm$ {escape(spread)}" if spread else "")


def _published(block: Published, columns: Sequence[Column]) -> list[str]:
    span = len(columns) + 1
    return [
        r"\midrule",
        rf"\multicolumn{{{span}}}{{l}}{{\textit{{{block.whose} ({escape(block.setting)})}}}}\\",
        r"\midrule",
        *(
            _row([rf"\raggedright {escape(name)}", *(_value(block, name, column) for column in columns)])
            for name in block.rows
        ),
    ]


def _value(block: Published, name: str, column: Column) -> str:
    value, _, spread = (block.text(name, column.metric, column.digits) or "").partition(" ± ")
    return (f"${value}$" if value else "") + (rf" $\pm$ {spread}" if spread else "")


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells).rstrip() + r" \\"


def _label(table: Table) -> str:
    scope = f"partial-{ranges(table.tasks)}" if table.partial else "full"
    return "-".join(map(slug, (table.benchmark, table.tier, table.backbone, scope))).replace("_", "-").lower()
