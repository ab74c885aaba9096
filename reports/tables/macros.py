r"""Every figure of the results tables as a LaTeX macro, so that prose that cites one changes when it is measured anew.

`\benchfigure{mixed50}{stamina}{a_mmd}`: see the header of the file that `to_macros` writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.formats.figure_text import number
from reports.tables.columns import Column, every
from reports.tables.published import Published, published_for
from reports.tables.summary import FLOORS, Figure, Table, join, ranges

_FLOOR = {metric: Column(metric, "1e-3", name, "", ("", "")) for metric, name in FLOORS.items()}

_HEADER = r"""% Every figure of the results tables, for prose that must not go stale. Made by `stamina-bench report`.
%
%   \input{macros}                                        in the preamble; needs no package
%   \benchfigure{mixed50}{stamina}{a_mmd}                  the mean over seeds, as the tables print it
%   \benchfigure[spread]{mixed50}{stamina}{a_mmd}          sample standard deviation over seeds; a dash with one seed
%   \benchfigure[low]{...}{...}{...} and [high]            the bounds of the figure's own 95 % interval, or a dash
%   \benchfigure[n]{...}{...}{...} and [seeds]             what it averages over; the number of seeds
%   \benchfigure[paper]{mixed50}{stamina}{a_mmd}           the published figure of it
%   \benchfigure[paper spread]{...}{...}{...}             its spread, where that is published
%   \benchfigure{imagenet-r20}{stamina}{a_n}              A_N; a_n_mean: the mean of A_1, ..., A_N
%   \benchfigure{mixed50}{}{noise_floor}                   a floor, of no method
%   \benchraw{mean}{mixed50}{stamina}{a_mmd}               the same without checks, expandable (for \num, \ifdim, ...)
%
% Methods and metrics are named as in the results files, with '+', '-', digits and brackets as they are; of the
% characters that LaTeX could not read (\ { } # % ^) each is a '/'. Units are those of the tables: MMD and KID x 10^3,
% N_param, accuracy and forgetting in %, times in s. An unknown name is an error, and prints ??.
%
% A table's full name is benchmark@tier/backbone, and of a partial one benchmark@tier/backbone:tasks. The benchmark
% alone names its full table where there is only one; where there are several, and for partial ones, give the full name,
% or choose one with \benchalias{mixed50}{mixed50@mini/stable-diffusion-mini}. [paper] takes the benchmark alone.
"""

_INTERFACE = r"""\makeatletter
\newcommand*\bench@key[4]{bench@\detokenize{#1}@\detokenize{#2}@\detokenize{#3}@\detokenize{#4}}
\newcommand*\bench@table[1]{%
  \ifcsname bench@alias@\detokenize{#1}\endcsname\csname bench@alias@\detokenize{#1}\endcsname\else\detokenize{#1}\fi}
\newcommand*\bench@name[4]{% the name as it is, or what it stands for
  \ifcsname\bench@key{#1}{#2}{#3}{#4}\endcsname\bench@key{#1}{#2}{#3}{#4}\else
  bench@\detokenize{#1}@\bench@table{#2}@\detokenize{#3}@\detokenize{#4}\fi}
\newcommand*\benchraw[4]{%
  \ifcsname\bench@name{#1}{#2}{#3}{#4}\endcsname\csname\bench@name{#1}{#2}{#3}{#4}\endcsname\else ??\fi}
\def\bench@print#1#2\@nil{\ifx-#1\ensuremath{-}\else#1\fi#2}
\DeclareRobustCommand*\benchfigure[4][mean]{%
  \ifcsname\bench@name{#1}{#2}{#3}{#4}\endcsname\else
    \PackageError{figures}{No '\detokenize{#1}' of '\detokenize{#4}' for method '\detokenize{#3}'
      on '\detokenize{#2}'}{Names are those of this file. Was the cell run, and is the benchmark alone enough?}%
  \fi
  \protected@edef\bench@text{\benchraw{#1}{#2}{#3}{#4}}%
  \expandafter\bench@print\bench@text\@nil}
\newcommand*\benchalias[2]{\expandafter\def\csname bench@alias@\detokenize{#1}\endcsname{\detokenize{#2}}}
\newcommand*\bench@put[5]{\expandafter\def\csname\bench@key{#4}{#1}{#2}{#3}\endcsname{#5}}
\newcommand*\bench@paper[4]{\bench@put{#1}{#2}{#3}{paper}{#4}}% benchmark, method, metric; figure
\newcommand*\bench@paperspread[4]{\bench@put{#1}{#2}{#3}{paper spread}{#4}}
\newcommand*\bench@set[9]{% table, method, metric; mean, spread, low, high, n, seeds
  \bench@put{#1}{#2}{#3}{mean}{#4}\bench@put{#1}{#2}{#3}{spread}{#5}\bench@put{#1}{#2}{#3}{low}{#6}%
  \bench@put{#1}{#2}{#3}{high}{#7}\bench@put{#1}{#2}{#3}{n}{#8}\bench@put{#1}{#2}{#3}{seeds}{#9}}
"""


def to_macros(tables: Sequence[Table]) -> str:
    """The file `macros.tex`: an interface of two macros and one line for each figure; ends with a newline."""
    names = _names(tables)
    lines: list[str] = []
    for name, table in zip(names, tables, strict=True):
        lines.append(f"% {_word(table.caption)}")
        for line in table.lines:
            found = ((c, line.figures[c.metric]) for c in table.every if c.metric in line.figures)
            lines += _figures(name, line.label, found)
        lines += _figures(name, "", ((_FLOOR[metric], floor) for metric, floor in table.floors.items()))
    aliases: list[str] = []
    published: list[str] = []
    for benchmark in dict.fromkeys(table.benchmark for table in tables):
        aliases += _why(tables, benchmark)
        full = [name for name, t in zip(names, tables, strict=True) if t.benchmark == benchmark and not t.partial]
        alone = len({table.benchmark for table in tables if _word(table.benchmark) == _word(benchmark)}) == 1
        if len(full) == 1 and alone:
            aliases.append(rf"\benchalias{{{_word(benchmark)}}}{{{full[0]}}}")
    for registered in dict.fromkeys(table.registered for table in tables if table.registered):
        labels = {line.method for table in tables for line in table.lines if table.registered == registered}
        if block := published_for(registered, labels):
            published += _published(registered, block)
    return "\n".join([_HEADER + _INTERFACE + "% published", *published, *lines, *aliases, r"\makeatother"]) + "\n"


def _why(tables: Sequence[Table], benchmark: str) -> list[str]:
    """Why a benchmark's name, or a method's, has more than its own name in it; as comments."""
    why = dict.fromkeys(text for table in tables if table.benchmark == benchmark for text in table.apart)
    return [f"% {_word(text)}" for text in why]


def _names(tables: Sequence[Table]) -> list[str]:
    """The tables' full names; should two be the same, those after the first get '(2)', '(3)', ... at the end."""
    names: list[str] = []
    for table in tables:
        scope = f":{ranges(table.tasks).replace(' ', '')}" if table.partial else ""
        stem = _word(f"{table.benchmark}@{table.tier}/{table.backbone}{scope}")
        name, count = stem, 1
        while name in names:
            count += 1
            name = f"{stem}({count})"
        names.append(name)
    return names


def _figures(table: str, label: str, figures: Iterable[tuple[Column, Figure]]) -> list[str]:
    lines: list[str] = []
    for column, figure in figures:
        parts = [
            *(_number(value, column) for value in (figure.mean, figure.spread, figure.low, figure.high)),
            join(figure.n),
            str(figure.seeds),
        ]
        lines.append(
            rf"\bench@set{{{table}}}{{{_word(label)}}}{{{column.metric}}}" + "".join(f"{{{p}}}" for p in parts)
        )
    return lines


def _published(benchmark: str, block: Published) -> list[str]:
    digits: dict[str, int] = {column.metric: column.digits for column in every()}
    return [
        rf"\bench@{command}{{{_word(benchmark)}}}{{{_word(method)}}}{{{metric}}}{{{number(value, digits[metric])}}}"
        for command, rows in (("paper", block.rows), ("paperspread", block.spreads))
        for method, row in rows.items()
        for metric, value in row.items()
    ]


def _number(value: float | None, column: Column) -> str:
    return r"\textemdash" if value is None else number(value, column.digits)


def _word(text: str) -> str:
    """A name that LaTeX reads as it stands: one line, without the characters that it would take apart."""
    return "".join("/" if c in "\\{}#%^" or not c.isprintable() else c for c in " ".join(text.split()))
