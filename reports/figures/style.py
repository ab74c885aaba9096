"""What all figures share: the look of each method, words set as they are, titles, legends, files."""

# pyright: reportUnknownMemberType=false
# (matplotlib leaves its **kwargs untyped)

from __future__ import annotations

import io
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from statistics import median
from typing import Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator, NullLocator

from harness.formats.short_labels import without_shared
from harness.results import CellResult
from reports.cells.lines import is_partial
from reports.files import write_atomically
from reports.tables.summary import ranges

Style = Literal["-", "--", ":", "-."]
Kind = Literal["png", "pdf"]
Margins = tuple[float, float, float, float]
"""Inches left, right, below and above."""
Lines = Mapping[str, Sequence[CellResult]]
"""Label -> one cell a seed, as of `reports.tables.summary.by_label`."""

# Okabe and Ito's colours, told apart with any colour vision; without yellow, which is too pale for a line on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
STYLES: tuple[Style, ...] = ("-", "--", ":", "-.")
HEAT = "cividis"  # perceptually uniform, the same to any colour vision, and monotonic in grey
OUTLIER = 20  # times the usual: beyond it the axis goes on logarithmically
WIDTH = 6.4  # inches of a figure with one axis
DPI = 150
TEXT = 8  # points of all words and numbers: a figure that is scaled keeps one size of letters
PDF_FONT_TYPE = 42  # TrueType: type 3 is refused by some publishers
PER_THOUSAND = "(x10^3, lower is better)"
PERCENT = "(%, higher is better)"
METADATA: Mapping[Kind, dict[str, None]] = {"png": {"Software": None}, "pdf": {"CreationDate": None}}


def look(position: int) -> tuple[str, Style, str]:
    """Colour, line style and marker of the method at that position; neighbours differ in all three, also in grey."""
    return COLOURS[position % len(COLOURS)], STYLES[position % len(STYLES)], MARKERS[position % len(MARKERS)]


def filled(position: int) -> bool:
    """Whether the method's marker is filled: hollow ones follow when the shapes are used up."""
    return position // len(MARKERS) % 2 == 0


def canvas(width: float, height: float, layout: Literal["constrained"] | None = "constrained") -> Figure:
    """An empty figure outside pyplot's global state; inches. Without a layout it draws in half the time."""
    return Figure(figsize=(width, height), dpi=DPI, layout=layout)


def literal(text: Text, words: str) -> None:
    """Set words of the user's as they are."""
    text.set_parse_math(False)
    text.set_text("".join(c if c.isprintable() or c == "\n" else " " for c in words))


def cut(words: str, room: int) -> str:
    """At most `room` characters, what is too long losing its middle: labels differ at both ends."""
    if len(words) <= room:
        return words
    head = (room - 1) // 2
    return f"{words[:head]}…{words[head + 1 - room :]}"


def heading(figure: Figure, cell: CellResult, note: str = "", above: str = "") -> None:
    """The title: a line `above`, then benchmark, tier, backbone, `note`, and which tasks a partial run has.

    Its lines are cut to the figure's width.
    """
    tasks = ranges(sorted(task.index for task in cell.tasks))
    scope = f", partial: tasks {cut(tasks, 20)} of {cell.tasks_total}" if is_partial(cell) else ""
    room = max(24, int(figure.get_figwidth() * 13))
    fixed = len(f"{cell.tier} tier, {note}{scope}")
    backbone = cut(cell.backbone, max(12, room - fixed))
    # A layout engine makes room for a title only where it may place it.
    at = {} if figure.get_layout_engine() else {"y": 1 - 0.08 / figure.get_figheight()}
    title = figure.suptitle("", fontsize=TEXT, **at)
    first = f"{cut(above, room)}\n" if above else ""
    literal(title, f"{first}{cut(cell.title, room)}\n{cell.tier} tier, {backbone}{note}{scope}")


def named(lines: Collection[str]) -> tuple[dict[str, str], str]:
    """Label -> what a figure calls its line, and for the title the options that all labels would repeat."""
    short, shared = without_shared(list(lines))
    return dict(zip(lines, short, strict=True)), f"all with {', '.join(shared)}" if shared else ""


def legend(figure: Figure, lines: Lines, drawn: Collection[int], dashed: Collection[int] = ()) -> None:
    """The methods below the axes, in as many columns as their labels leave room for; the figure grows by the rows.

    Options that all of them have are left to the title (see `named`).

    `drawn` holds the positions of those that have a line, `dashed` of those whose line is dashed, whatever their look.
    Seeds are counted where not all methods have as many.
    """
    same = len({len(cells) for cells in lines.values()}) == 1
    names, _ = named(lines)
    labels = {
        position: names[label] if same or len(cells) == 1 else f"{names[label]} ({len(cells)} seeds)"
        for position, (label, cells) in enumerate(lines.items())
        if position in drawn
    }
    longest = max(map(len, labels.values()), default=1)
    columns = max(1, min(4, len(labels), int(figure.get_figwidth() * 72 / (longest * 4.9 + 44))))
    room = max(20, int(figure.get_figwidth() * 13) - 8)
    handles = [handle(position, "--" if position in dashed else None) for position in labels]
    # Labels are set afterwards: matplotlib drops those that begin with '_' and reads mathematics between two '$'.
    box = figure.legend(
        handles, [str(i) for i in range(len(labels))], loc="outside lower center", ncols=columns, fontsize=TEXT,
        handlelength=3.0,
    )  # fmt: skip
    for text, label in zip(box.get_texts(), labels.values(), strict=True):
        literal(text, cut(label, room))
    box.get_frame().set_linewidth(0)
    figure.set_figheight(figure.get_figheight() + 0.17 * ceil(len(labels) / columns))


def handle(position: int, own: Style | None = None) -> Line2D:
    """The method's line as the legend shows it; `own`: a line style other than its look's."""
    colour, style, marker = look(position)
    face = colour if filled(position) else "white"
    return Line2D(
        [], [], color=colour, linestyle=own or style, marker=marker, markerfacecolor=face, markersize=5, lw=1.5
    )


def frame(axes: Axes) -> None:
    """Pale grid, no box."""
    axes.tick_params(labelsize=TEXT)
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_offset_text().set_fontsize(TEXT)  # the power of ten that all ticks share
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def task_ticks(last: int, count: int = 10) -> list[int]:
    """1 and round numbers up to the last task, about `count` of them."""
    step = next(size * 10**power for power in range(9) for size in (1, 2, 5) if last <= count * size * 10**power)
    return [1, *(task for task in range(step, last + 1, step) if task > max(1, step // 2))]


def soften(
    axes: Axes, peaks: Sequence[float], which: Literal["x", "y"] = "y", outlier: float = OUTLIER, linear: float = 4
) -> None:
    """Start the axis at 0, and let it go on logarithmically where one method would flatten all others.

    Args:
        peaks: the highest value of each method.
        outlier: times the median of them: what makes an outlier.
        linear: room for the linear part, in that of one decade of the other.
    """
    usual = median([peak for peak in peaks if peak > 0] or [1.0])
    top = max(peaks, default=0.0)
    axis = axes.yaxis if which == "y" else axes.xaxis
    if top > outlier * usual:
        bend = 2 * usual
        (axes.set_yscale if which == "y" else axes.set_xscale)("symlog", linthresh=bend, linscale=linear)
        steps = MaxNLocator(4).tick_values(0, bend)
        sizes = (1,) if top > 50 * bend else (1, 2, 5)
        decades = [size * 10.0**power for power in range(-9, 12) for size in sizes]
        axis.set_ticks([*(s for s in steps if 0 <= s <= bend), *(d for d in decades if 1.4 * bend < d <= 1.2 * top)])
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
        if which == "y":
            axes.axhline(bend, color="0.6", lw=0.6, ls=":")
            axes.annotate("logarithmic above", (1, bend), xycoords=("axes fraction", "data"), ha="right", va="bottom",
                          fontsize=TEXT, color="0.4")  # fmt: skip
        else:
            axes.axvline(bend, color="0.6", lw=0.6, ls=":")
            axes.annotate("logarithmic beyond", (bend, 1), xycoords=("data", "axes fraction"), ha="left", va="top",
                          rotation=90, fontsize=TEXT, color="0.4")  # fmt: skip
    (axes.set_ylim if which == "y" else axes.set_xlim)(0)


def panel_grid(figure: Figure, rows: int, columns: int, gaps: tuple[float, float], margins: Margins) -> GridSpec:
    """Panels of equal size at fixed places; `gaps` between columns and rows in inches."""
    width, height = figure.get_figwidth(), figure.get_figheight()
    left, right, bottom, top = margins
    inner = (width - left - right - (columns - 1) * gaps[0]) / columns
    upper = (height - bottom - top - (rows - 1) * gaps[1]) / rows
    return figure.add_gridspec(
        rows, columns, left=left / width, right=1 - right / width, bottom=bottom / height, top=1 - top / height,
        wspace=gaps[0] / inner, hspace=gaps[1] / upper,
    )  # fmt: skip


def colour_bar(figure: Figure, drawn: ScalarMappable, margins: Margins, label: str) -> Colorbar:
    """One bar for all panels of a `panel_grid`, in its right margin."""
    width, height = figure.get_figwidth(), figure.get_figheight()
    _, right, bottom, top = margins
    length = min(height - bottom - top, 4.0)
    place = (1 - (right - 0.12) / width, 1 - (top + length) / height, 0.13 / width, length / height)
    bar = figure.colorbar(drawn, cax=figure.add_axes(place))
    bar.set_label(label, fontsize=TEXT)
    bar.ax.tick_params(labelsize=TEXT)
    bar.outline.set_linewidth(0)
    return bar


@contextmanager
def any_letter() -> Iterator[None]:
    """Let a letter that the font lacks be drawn as a box, without a word."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield


def save(figure: Figure, stem: Path, kinds: Sequence[Kind] = ("png", "pdf")) -> list[Path]:
    """Write `stem`.png and `stem`.pdf, the same bytes for the same figure.

    Raises:
        OSError: the folder cannot be written.
    """
    paths: list[Path] = []
    for kind in kinds:
        stream = io.BytesIO()
        with matplotlib.rc_context({"pdf.fonttype": PDF_FONT_TYPE}), any_letter():
            figure.savefig(stream, format=kind, metadata=METADATA[kind], dpi=DPI if kind == "png" else 2 * DPI)
        figure.set_layout_engine("none")  # laid out once: doing so again takes as long as drawing
        paths.append(write_atomically(stem.with_name(f"{stem.name}.{kind}"), stream.getvalue()))
    return paths
