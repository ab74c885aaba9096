"""What object classes are drawn with: a pen of signed-distance shapes, and the layers it leaves for the renditions.

A class draws a batch of B objects at once, part after part, back to front. What is kept of each pixel is not a finished
colour but what any rendition may need of it: the part's own colour, how much of the pixel the object covers, outlines,
a rounded height, and the part's number. Coordinates run over [-1, 1] with y pointing down, as in `world.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import torch
from torch import Tensor

from benchmarks.mini.world import SIZE

Number = float | Tensor
Split = Literal["pretrain", "tune", "train", "test"]

# One row of uniforms an image: the first ten are the class's proportions, the rest is named below.
PROPORTIONS: Final = 10
NAMES: Final = (
    "palette", "jitter_a", "jitter_b", "jitter_c", "hue_a", "hue_b", "hue_c", "value_a", "value_b", "value_c",
    "dx", "dy", "zoom", "roll", "shear", "stretch", "perspective", "flip",
    "light", "shade", "backdrop", "back_a", "back_b", "back_c", "horizon", "grain", "tint", "blur", "contrast",
    "style_a", "style_b", "style_c", "style_d", "clutter_x", "clutter_y", "clutter_a", "clutter_b", "clutter_hue",
)  # fmt: skip

# As in `factors.py`: the first proportion lies in one of 64 thin slabs, and a slab's number modulo 8 says which split
# owns it. Images of different splits differ in that proportion, by construction.
SLABS: Final = 64
SPLIT_RESIDUES: Final[dict[Split, tuple[int, ...]]] = {
    "pretrain": (0, 2, 4, 6),
    "tune": (1,),
    "train": (3, 5),
    "test": (7,),
}

COLOURS: Final[dict[str, tuple[float, float, float]]] = {
    "red": (0.80, 0.14, 0.12), "orange": (0.93, 0.52, 0.12), "yellow": (0.95, 0.82, 0.20), "green": (0.22, 0.55, 0.20),
    "lime": (0.55, 0.75, 0.25), "teal": (0.15, 0.55, 0.55), "blue": (0.18, 0.36, 0.75), "sky": (0.50, 0.72, 0.90),
    "purple": (0.48, 0.24, 0.60), "pink": (0.93, 0.58, 0.68), "brown": (0.45, 0.28, 0.15), "tan": (0.78, 0.61, 0.42),
    "cream": (0.95, 0.90, 0.76), "white": (0.94, 0.94, 0.93), "silver": (0.72, 0.74, 0.77), "grey": (0.48, 0.49, 0.51),
    "dark": (0.20, 0.20, 0.23), "black": (0.09, 0.09, 0.10), "gold": (0.85, 0.66, 0.22), "glass": (0.66, 0.82, 0.86),
}  # fmt: skip


def cell(values: Tensor) -> Tensor:
    """(B,) as (B, 1, 1)."""
    return values[:, None, None]


@dataclass(frozen=True)
class Draws:
    """Everything random about B images: `uniforms` (B, n) in [0, 1), `coarse` (B, 4, 10, 10) and `fine` (B, 64, 64)."""

    uniforms: Tensor
    coarse: Tensor
    fine: Tensor

    def __len__(self) -> int:
        return self.uniforms.shape[0]

    def __getitem__(self, index: Tensor | slice) -> Draws:
        return Draws(self.uniforms[index], self.coarse[index], self.fine[index])

    def __call__(self, name: str) -> Tensor:
        """(B,) of the uniform called `name`."""
        return self.uniforms[:, PROPORTIONS + NAMES.index(name)]

    def between(self, name: str, low: float, high: float) -> Tensor:
        """(B, 1, 1) in [low, high)."""
        return cell(low + (high - low) * self(name))


def draw(count: int, split: Split, generator: torch.Generator) -> Draws:
    """What `count` images of one split are made from."""
    uniforms = torch.rand(count, PROPORTIONS + len(NAMES), generator=generator)
    residues = torch.tensor(SPLIT_RESIDUES[split])
    residue = residues[torch.randint(len(residues), (count,), generator=generator)]
    group = torch.randint(SLABS // 8, (count,), generator=generator)
    uniforms[:, 0] = (group * 8 + residue + 0.05 + 0.9 * uniforms[:, 0]) / SLABS
    coarse = torch.randn(count, 4, 10, 10, generator=generator)
    fine = torch.randn(count, SIZE, SIZE, generator=generator)
    return Draws(uniforms, coarse, fine)


def split_of(draws: Draws) -> list[Split]:
    """Which split owns each image, from its first proportion."""
    owner = {residue: split for split, residues in SPLIT_RESIDUES.items() for residue in residues}
    return [owner[int(slab) % 8] for slab in (draws.uniforms[:, 0] * SLABS).long()]


def hsv(hue: Tensor, saturation: Number, value: Number) -> Tensor:
    """(B, 3) colours around the hue circle."""
    wave = ((hue[:, None] + torch.tensor([0.0, -1 / 3, 1 / 3]) + 0.5) % 1.0 - 0.5).abs() * 6 - 1
    saturation = saturation[:, None] if isinstance(saturation, Tensor) else saturation
    value = value[:, None] if isinstance(value, Tensor) else value
    return value * (1 - saturation * wave.clamp(0, 1))


@dataclass
class Layers:
    """What a rendition gets: (B, 64, 64) each, `albedo` (B, 3, 64, 64)."""

    albedo: Tensor
    alpha: Tensor
    edge: Tensor
    height: Tensor
    part: Tensor

    def __getitem__(self, rows: Tensor) -> Layers:
        return Layers(self.albedo[rows], self.alpha[rows], self.edge[rows], self.height[rows], self.part[rows])


def cut(shape: Tensor, *holes: Tensor) -> Tensor:
    """`shape` without `holes`."""
    for hole in holes:
        shape = torch.maximum(shape, -hole)
    return shape


def both(*shapes: Tensor) -> Tensor:
    """Where all shapes are."""
    result = shapes[0]
    for shape in shapes[1:]:
        result = torch.maximum(result, shape)
    return result


def join(*shapes: Tensor) -> Tensor:
    """Where any shape is."""
    result = shapes[0]
    for shape in shapes[1:]:
        result = torch.minimum(result, shape)
    return result


class Pen:
    """Shapes as (B, 64, 64) signed distances, negative inside, and `fill` to lay them down.

    `u(low, high)` is the next free proportion of the class, (B, 1, 1); the call order is part of the class.
    Slots of colour: "a", "b", "c" from the class's palettes, or a name of `COLOURS`; "a-" is darker, "a+" lighter.
    """

    def __init__(self, x: Tensor, y: Tensor, draws: Draws, slots: dict[str, Tensor], scale: Tensor) -> None:
        self.x, self.y, self.draws, self.slots = x, y, draws, slots
        self.pixels = scale * (SIZE / 2)  # of one unit of the object's coordinates
        self.used = 0
        zeros = torch.zeros_like(x)
        self.layers = Layers(zeros[:, None].repeat(1, 3, 1, 1), zeros, zeros, zeros, zeros)
        self.parts = 0
        self.root = self

    def u(self, low: float, high: float) -> Tensor:
        """The next proportion, uniform in [low, high]."""
        value = self.root.draws.uniforms[:, self.root.used]
        self.root.used += 1
        if self.root.used > PROPORTIONS:
            raise IndexError(f"a class has at most {PROPORTIONS} proportions")
        return cell(low + (high - low) * value)

    def _child(self, x: Tensor, y: Tensor) -> Pen:
        child = object.__new__(Pen)
        child.root, child.x, child.y = self.root, x, y
        return child

    def at(self, cx: Number, cy: Number, turn: Number = 0.0, size: Number = 1.0) -> Pen:
        """A pen whose origin is (cx, cy), turned by `turn` degrees (clockwise) and scaled by `size`."""
        x, y = (self.x - cx) / size, (self.y - cy) / size
        if isinstance(turn, float) and turn == 0.0:
            return self._child(x, y)
        angle = torch.as_tensor(turn) * (math.pi / 180)
        cos, sin = torch.cos(angle), torch.sin(angle)
        return self._child(cos * x + sin * y, cos * y - sin * x)

    def mirror(self) -> Pen:
        """A pen that draws left and right alike."""
        return self._child(self.x.abs(), self.y)

    def spin(self, count: int) -> Pen:
        """A pen that draws `count` times around the origin, the first upwards."""
        radius, step = torch.hypot(self.x, self.y), 2 * math.pi / count
        angle = torch.atan2(self.x, -self.y)
        angle = angle - step * torch.round(angle / step)
        return self._child(radius * torch.sin(angle), -radius * torch.cos(angle))

    # shapes

    def ell(self, cx: Number, cy: Number, a: Number, b: Number | None = None, turn: Number = 0.0) -> Tensor:
        """An ellipse of half-axes a, b (a circle without b)."""
        pen = self.at(cx, cy, turn)
        x, y = pen.x, pen.y
        if b is None:
            return torch.sqrt(x * x + y * y + 1e-9) - a
        x, y = x / a, y / b
        k = torch.sqrt(x * x + y * y + 1e-9)
        x, y = x / a, y / b
        return k * (k - 1) / torch.sqrt(x * x + y * y + 1e-9)

    def box(self, cx: Number, cy: Number, a: Number, b: Number, turn: Number = 0.0, r: Number = 0.0) -> Tensor:
        """A box of half-sides a, b, its corners rounded by r."""
        pen = self.at(cx, cy, turn)
        x, y = pen.x.abs() - a + r, pen.y.abs() - b + r
        if isinstance(r, float) and r == 0.0:
            return torch.maximum(x, y)
        return torch.hypot(x.clamp(min=0), y.clamp(min=0)) + torch.maximum(x, y).clamp(max=0) - r

    def trap(self, cx: Number, top: Number, w0: Number, bottom: Number, w1: Number) -> Tensor:
        """A trapezium from half-width w0 at y = top to w1 at y = bottom; w0 = 0 is a triangle."""
        t = (self.y - top) / (bottom - top)
        side = ((self.x - cx).abs() - (w0 + (w1 - w0) * t)) * 0.9
        return torch.maximum(side, torch.maximum(top - self.y, self.y - bottom))

    def line(self, x0: Number, y0: Number, x1: Number, y1: Number, w: Number, w1: Number | None = None) -> Tensor:
        """A stroke with round ends, half-width w (to w1 at its end)."""
        dx, dy = x1 - x0, y1 - y0
        x, y = self.x - x0, self.y - y0
        t = ((x * dx + y * dy) / (dx * dx + dy * dy)).clamp(0, 1)
        width = w if w1 is None else w + (w1 - w) * t
        return torch.hypot(x - t * dx, y - t * dy) - width

    def path(self, points: Sequence[tuple[Number, Number]], w: Number) -> Tensor:
        """Strokes through `points`."""
        return join(*(self.line(*p, *q, w) for p, q in pairwise(points)))

    def poly(self, *points: tuple[Number, Number]) -> Tensor:
        """A convex polygon, its corners clockwise as seen (y down)."""
        sides = []
        for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
            dx, dy = x1 - x0, y1 - y0
            length = torch.sqrt(torch.as_tensor(dx * dx + dy * dy))
            sides.append(((self.x - x0) * dy - (self.y - y0) * dx) / length)
        return both(*sides)

    def ring(self, cx: Number, cy: Number, a: Number, b: Number | None, w: Number, turn: Number = 0.0) -> Tensor:
        """An elliptical band of half-width w."""
        return self.ell(cx, cy, a, b, turn).abs() - w

    def below(self, y: Number) -> Tensor:
        """The half-plane below y."""
        return y - self.y

    def above(self, y: Number) -> Tensor:
        """The half-plane above y."""
        return self.y - y

    def right(self, x: Number) -> Tensor:
        """The half-plane right of x."""
        return x - self.x

    def left(self, x: Number) -> Tensor:
        """The half-plane left of x."""
        return self.x - x

    # paint

    def colour(self, slot: str) -> Tensor:
        """(B, 3)."""
        name, shade = (slot[:-1], slot[-1]) if slot[-1] in "+-" else (slot, "")
        slots = self.root.slots
        base = slots[name] if name in slots else torch.tensor(COLOURS[name]).expand(len(self.root.draws), 3)
        if shade == "-":
            return base * 0.62
        return base + 0.45 * (1 - base) if shade == "+" else base

    def fill(self, shape: Tensor, slot: str = "a", *, line: bool = True, flat: bool = False) -> None:
        """Lay a part over what is there; without `line` it has no outline, `flat` leaves the height alone."""
        root = self.root
        layers, pixels = root.layers, root.pixels
        distance = shape * pixels
        cover = (0.5 - distance).clamp(0, 1)
        keep = 1 - cover
        root.parts += 1
        layers.albedo = layers.albedo + cover[:, None] * (self.colour(slot)[:, :, None, None] - layers.albedo)
        layers.alpha = torch.maximum(layers.alpha, cover)
        layers.part = torch.where(cover > 0.5, float(root.parts), layers.part)
        layers.edge = layers.edge * keep
        if line:
            layers.edge = torch.maximum(layers.edge, (1.6 - distance.abs()).clamp(0, 1))
        if not flat:
            inside = (-distance * (1 / 7)).clamp(0, 1)
            layers.height = layers.height * keep + cover * (0.5 + 0.5 * inside * (2 - inside))


@dataclass(frozen=True)
class ObjectClass:
    """A parametric family of shapes: `outline` draws a batch of it; `palettes` name the colours of slots a, b, c.

    A palette is up to three words, each a name of `COLOURS` or "any". `upright` classes are hardly ever seen rolled.
    """

    name: str
    outline: Callable[[Pen], None]
    palettes: tuple[str, ...]
    upright: bool


CLASSES_BY_NAME: Final[dict[str, ObjectClass]] = {}


def kind(name: str, *palettes: str, upright: bool = True) -> Callable[[Callable[[Pen], None]], Callable[[Pen], None]]:
    """Register a class under `name`."""

    def register(outline: Callable[[Pen], None]) -> Callable[[Pen], None]:
        CLASSES_BY_NAME[name] = ObjectClass(name, outline, palettes, upright)
        return outline

    return register
