"""Names beside the points of a scatter plot, moved apart where they would cover each other."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from reports.figures.style import TEXT, cut, literal

ROOM = 40  # characters of a name
REACH = (7, 12, 18, 26, 36, 48, 62, 78, 96, 120)  # points from the marker to its name, nearest first
NEAR = 12  # points: up to there a name needs no line to its marker,
CROWD = 16  # if no other marker is so near to it
SIDES = ((1, 0), (-1, 0), (0.7, 0.7), (0.7, -0.7), (-0.7, 0.7), (-0.7, -0.7), (0, 1), (0, -1))
MARKER = 4.5  # points around a marker that stay free
BAR = 1.5  # points around an error bar, and around a name


@dataclass(frozen=True)
class Point:
    """A marker with its error bars: name, colour, and (low, middle, high) on both axes."""

    name: str
    colour: str
    x: tuple[float, float, float]
    y: tuple[float, float, float]


def place_labels(axes: Axes, points: Sequence[Point]) -> None:
    """Write each point's name at the nearest free place, with a thin line to it where that is not beside the point.

    Lays the figure out, and keeps that layout: the places hold for it alone.
    """
    root = axes.get_figure(root=True)
    assert root is not None
    root.draw_without_rendering()
    root.set_layout_engine("none")
    dot = root.dpi / 72  # pixels in a point
    inside = axes.get_window_extent()
    taken = [box for point in points for box in _covered(axes, point, dot)]
    for point in points:
        at = point.x[1], point.y[1]
        text = axes.annotate("", at, (0, 0), textcoords="offset points", fontsize=TEXT, color="0.15", zorder=4)
        text.set(horizontalalignment="center", verticalalignment="center")
        literal(text, cut(point.name, ROOM))
        extent = text.get_window_extent()
        width, height = extent.width + 2 * BAR * dot, extent.height + 2 * BAR * dot
        x, y = axes.transData.transform(at)
        best: tuple[float, int, Bbox] | None = None
        for reach in REACH:
            for across, up in SIDES:
                # The name's near edge, not its middle, is `reach` away.
                middle_x = x + across * reach * dot + _sign(across) * width / 2
                middle_y = y + up * reach * dot + _sign(up) * height / 2
                box = Bbox.from_bounds(middle_x - width / 2, middle_y - height / 2, width, height)
                outside = width * height - _common(box, inside)
                cost = sum(_common(box, other) for other in taken) + 4 * outside
                if best is None or cost < best[0]:  # among places as free as each other the nearest
                    best = (cost, reach, box)
            if best is not None and best[0] <= 0:
                break
        assert best is not None
        _, reach, box = best
        centre = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
        text.set_position(((centre[0] - x) / dot, (centre[1] - y) / dot))
        around = Bbox([(box.x0 - CROWD * dot, box.y0 - CROWD * dot), (box.x1 + CROWD * dot, box.y1 + CROWD * dot)])
        others = [o for o in points if o is not point and around.contains(*axes.transData.transform((o.x[1], o.y[1])))]
        if reach > NEAR or others:
            end = min(max(x, box.x0), box.x1), min(max(y, box.y0), box.y1)
            axes.annotate(
                "", at, ((end[0] - x) / dot, (end[1] - y) / dot), textcoords="offset points", zorder=2,
                arrowprops={"arrowstyle": "-", "color": point.colour, "lw": 0.7, "shrinkA": 0, "shrinkB": 0},
            )  # fmt: skip
        taken.append(box)


def _covered(axes: Axes, point: Point, dot: float) -> list[Bbox]:
    """What the marker and its two bars cover, in pixels."""
    (low_x, x, high_x), (low_y, y, high_y) = point.x, point.y
    bars = ((x, y, x, y, MARKER), (low_x, y, high_x, y, BAR), (x, low_y, x, high_y, BAR))
    boxes: list[Bbox] = []
    for x0, y0, x1, y1, pad in bars:
        (left, bottom), (right, top) = axes.transData.transform([(x0, y0), (x1, y1)])
        boxes.append(Bbox([(left - pad * dot, bottom - pad * dot), (right + pad * dot, top + pad * dot)]))
    return boxes


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _common(a: Bbox, b: Bbox) -> float:
    """The area that both cover."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return width * height if width > 0 and height > 0 else 0.0
