"""How an object is shown: photo-like for pre-training, eight other renditions for the benchmark, as in ImageNet-R.

A rendition is a function of a batch's layers (`canvas.Layers`) and draws to images (B, 3, 64, 64), roughly in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d, pad

from benchmarks.mini.canvas import Draws, Layers, cell, hsv
from benchmarks.mini.world import SIZE

Rendition = Callable[[Layers, Draws], Tensor]


@cache
def axes() -> tuple[Tensor, Tensor]:
    """x and y of every pixel, (64, 64) each, over [-1, 1]."""
    axis = (torch.arange(SIZE) + 0.5) / (SIZE / 2) - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return x, y


def cloud(draws: Draws, channel: int) -> Tensor:
    """Smooth noise (B, 64, 64) of unit size."""
    return interpolate(draws.coarse[:, channel : channel + 1], size=(SIZE, SIZE), mode="bilinear")[:, 0]


def _blur(layer: Tensor, radius: int, times: int = 1) -> Tensor:
    """Box blur of (B, H, W) or (B, C, H, W), edges repeated."""
    four = layer if layer.ndim == 4 else layer[:, None]
    for _ in range(times):
        four = avg_pool2d(pad(four, (radius,) * 4, mode="replicate"), 2 * radius + 1, stride=1)
    return four if layer.ndim == 4 else four[:, 0]


def _grow(layer: Tensor, radius: int) -> Tensor:
    return max_pool2d(layer[:, None], 2 * radius + 1, stride=1, padding=radius)[:, 0]


def _contour(layers: Layers) -> Tensor:
    """Lines, thick around the object and thin within it."""
    return torch.maximum(layers.edge * 0.85, _grow(layers.edge * (1 - layers.alpha), 1))


def _over(image: Tensor, cover: Tensor, colour: Tensor) -> Tensor:
    """`colour`, (B, 3) or (B, 3, H, W), over `image` where `cover` (B, H, W) says."""
    colour = colour[:, :, None, None] if colour.ndim == 2 else colour
    return image + cover[:, None] * (colour - image)


def _light(layers: Layers, draws: Draws, strength: float) -> Tensor:
    """Lambert shading (B, 64, 64) around 1 of the rounded height, light from above and a random side."""
    height = pad(_blur(layers.height, 1)[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    angle = draws.between("light", -1.1, 1.1)
    slope_x = height[:, 1:-1, 2:] - height[:, 1:-1, :-2]
    slope_y = height[:, 2:, 1:-1] - height[:, :-2, 1:-1]
    return 1 + strength * (slope_x * torch.sin(angle) + slope_y * torch.cos(angle))


def _luminance(image: Tensor) -> Tensor:
    return 0.3 * image[:, 0] + 0.55 * image[:, 1] + 0.15 * image[:, 2]


def _saturate(image: Tensor, factor: float) -> Tensor:
    grey = _luminance(image)[:, None]
    return grey + factor * (image - grey)


def photo(layers: Layers, draws: Draws) -> Tensor:
    """An object before a wall, a field, a table or a blurred scene, lit from above, with shadow, tint and noise."""
    x, y = axes()
    kind = cell((draws("backdrop") * 4).long())
    first = hsv(draws("back_a"), 0.1 + 0.5 * draws("back_b"), 0.35 + 0.6 * draws("back_c"))
    second = hsv(
        (draws("back_a") + 0.5 * draws("back_b")) % 1, 0.45 * draws("clutter_hue"), 0.3 + 0.6 * draws("back_b")
    )
    sky = torch.tensor([0.60, 0.76, 0.93]) * (0.7 + 0.35 * draws("back_c"))[:, None]
    field = hsv(0.16 + 0.2 * draws("back_a"), 0.35 + 0.3 * draws("back_b"), 0.3 + 0.4 * draws("clutter_hue"))
    outside = kind == 1
    upper, lower = torch.where(outside[:, 0], sky, first), torch.where(outside[:, 0], field, second)
    horizon = torch.where(
        kind >= 2, torch.full_like(kind, 3.0, dtype=torch.float32), draws.between("horizon", 0.05, 0.75)
    )
    soft = ((y - horizon) * 12).clamp(0, 1)
    image = _over(upper[:, :, None, None].expand(-1, -1, SIZE, SIZE), soft, lower)
    texture = cloud(draws, 2) * draws.between("grain", 0.02, 0.16)
    # a scene out of focus: blobs behind the object
    blobs = torch.exp(
        -((x - draws.between("clutter_x", -1, 1)) ** 2 + (y - draws.between("clutter_y", -1, 1)) ** 2) * 5
    )
    stripe = ((x - draws.between("clutter_a", -1, 1)).abs() < draws.between("clutter_b", 0.05, 0.4)).float()
    image = _over(image, 0.75 * blobs * (kind == 3) + 0.5 * stripe * (kind == 2), second)
    image = image * (1 + texture)[:, None]
    image = image * (1 + draws.between("shade", -0.35, 0.35) * x + draws.between("contrast", -0.2, 0.2) * y)[:, None]
    shadow = _blur(torch.roll(layers.alpha, (3, 2), dims=(1, 2)), 2, 2)
    image = image * (1 - draws.between("style_a", 0.1, 0.5) * shadow)[:, None]
    lit = layers.albedo * (_light(layers, draws, 1.1) * (0.98 + 0.12 * (layers.height - 0.8)))[:, None]
    shine = ((_light(layers, draws, 1.0) - 1.22).clamp(min=0) * 1.6 * draws.between("style_b", 0.0, 1.0)).clamp(0, 0.6)
    image = _over(image, layers.alpha, lit + shine[:, None])
    tint = 1 + 0.16 * (torch.stack([draws("tint"), draws("style_c"), 1 - draws("tint")], dim=1) - 0.5)
    image = image * tint[:, :, None, None] * draws.between("style_d", 0.7, 1.15)[:, None]
    mixed = draws.between("blur", 0.0, 0.9)[:, None]
    return image + mixed * (_blur(image, 1) - image) + 0.03 * draws.fine[:, None]


def cartoon(layers: Layers, draws: Draws) -> Tensor:
    """Flat, saturated, two-tone, thick black outlines, before rays or dots."""
    x, y = axes()
    paper = hsv(draws("back_a"), 0.15 + 0.4 * draws("back_b"), 0.85 + 0.15 * draws("back_c"))
    rays = (torch.sin(torch.atan2(y - draws.between("clutter_y", -0.5, 0.5), x) * 12) > 0).float()
    dots = (torch.sin(x * 30) * torch.sin(y * 30) > 0.35).float()
    pattern = torch.where(cell(draws("backdrop") < 0.4), rays, torch.where(cell(draws("backdrop") < 0.75), dots, 0.0))
    image = paper[:, :, None, None] * (1 - 0.18 * pattern)[:, None]
    flat = (_saturate(layers.albedo, 1.5).clamp(0, 1) * 4).round() / 4 * 0.92 + 0.06
    tone = torch.where(_light(layers, draws, 1.0) < 0.93, 0.72, 1.0)
    image = _over(image, layers.alpha, flat * tone[:, None])
    return _over(image, _contour(layers), torch.zeros(len(draws), 3) + 0.04)


def sketch(layers: Layers, draws: Draws) -> Tensor:
    """Pencil or ink on paper: outlines, and hatching where the object is dark."""
    x, y = axes()
    paper = 0.93 + torch.tensor([0.04, 0.02, -0.05]) * draws("tint")[:, None]
    ink = hsv(draws("back_a"), 0.35 * draws("back_b"), 0.12 + 0.25 * draws("back_c"))
    angle = draws.between("style_a", 0.4, 2.4)
    wave = torch.sin(
        (x * torch.cos(angle) + y * torch.sin(angle)) * draws.between("style_b", 45, 75) + 0.8 * cloud(draws, 2)
    )
    dark = 1 - _luminance(layers.albedo) * _light(layers, draws, 0.9)
    hatch = layers.alpha * (wave > 1.25 - 1.5 * dark).float() * 0.55
    gap = (0.85 + 0.35 * cloud(draws, 3)).clamp(0.25, 1)
    stroke = (layers.edge * gap * draws.between("style_c", 0.75, 1.1)).clamp(0, 1)
    scribble = (
        (1 - layers.alpha) * (y > 0.45).float() * (wave > 0.9).float() * 0.25 * cell((draws("backdrop") < 0.4).float())
    )
    image = paper[:, :, None, None] * (1 + 0.025 * draws.fine)[:, None]
    # the object is left white, so that lines behind it stay hidden
    image = _over(image, scribble, ink)
    return _over(image, torch.maximum(stroke, hatch), ink)


def embroidery(layers: Layers, draws: Draws) -> Tensor:
    """Thread on cloth: each part in stitches of its own direction, few colours, a satin border."""
    x, y = axes()
    cloth = hsv(draws("back_a"), 0.1 + 0.5 * draws("back_b"), 0.35 + 0.6 * draws("back_c"))
    weave = 0.9 + 0.1 * torch.sin(x * 100) * torch.sin(y * 100) + 0.02 * draws.fine
    image = cloth[:, :, None, None] * weave[:, None]
    image = image * (1 - 0.35 * _blur(_grow(layers.alpha, 1), 1))[:, None]
    angle = layers.part * 1.1 + draws.between("style_a", 0.0, 3.1)
    along = x * torch.cos(angle) + y * torch.sin(angle)
    across = y * torch.cos(angle) - x * torch.sin(angle)
    stitch = torch.sin(along * 58 + 1.5 * torch.sin(across * 9) + 0.5 * cloud(draws, 2))
    thread = (_saturate(layers.albedo, 1.2).clamp(0, 1) * 3).round() / 3 * 0.85 + 0.08
    thread = thread * (0.80 + 0.24 * stitch)[:, None]
    image = _over(image, layers.alpha, thread)
    border = hsv(draws("style_b"), 0.4, 0.15 + 0.75 * (draws("style_c") > 0.6).float())
    satin = 0.85 + 0.3 * torch.sin((x + y) * 70)
    return _over(image, layers.edge * 0.85, border[:, :, None, None] * satin)


def graffiti(layers: Layers, draws: Draws) -> Tensor:
    """Sprayed on bricks or concrete: a gradient of two loud colours, a black outline, a halo, overspray."""
    x, y = axes()
    wall = hsv(0.02 + 0.08 * draws("back_a"), 0.15 + 0.45 * draws("back_b"), 0.35 + 0.4 * draws("back_c"))
    row = torch.floor((y + 1) * 5)
    joint = torch.maximum(((y + 1) * 5 % 1 < 0.16).float(), (((x + 1) * 2.5 + 0.5 * (row % 2)) % 1 < 0.08).float())
    brick = cell((draws("backdrop") < 0.65).float())
    image = wall[:, :, None, None] * (1 + 0.10 * cloud(draws, 2) + 0.06 * draws.fine + 0.35 * brick * joint)[:, None]
    one, two = (
        hsv(draws("style_a"), 0.85, 0.95),
        hsv((draws("style_a") + 0.15 + 0.5 * draws("style_b")) % 1, 0.85, 0.95),
    )
    way = ((y * draws.between("style_c", -1, 1) + 0.35 * cloud(draws, 3)) * 0.9 + 0.5).clamp(0, 1)
    spray = _over(one[:, :, None, None].expand(-1, -1, SIZE, SIZE), way, two)
    spray = spray * (0.45 + 0.75 * _luminance(layers.albedo))[:, None]
    halo = _blur(_grow(layers.alpha, 3), 2)
    colour = torch.where(
        (draws("style_d") < 0.5)[:, None], torch.ones(3) * 0.95, hsv((draws("style_a") + 0.5) % 1, 0.8, 0.95)
    )
    image = _over(image, 0.85 * halo, colour)
    image = _over(image, layers.alpha * (0.93 + 0.1 * draws.fine).clamp(0.5, 1), spray)
    image = _over(image, _contour(layers), torch.zeros(len(draws), 3) + 0.06)
    return image + 0.12 * (draws.fine > 2.2).float()[:, None] * colour[:, :, None, None]


def painting(layers: Layers, draws: Draws) -> Tensor:
    """Oil: swirling background, colours out of true, soft contours, brush strokes over everything."""
    x, y = axes()
    one = hsv(draws("back_a"), 0.25 + 0.5 * draws("back_b"), 0.35 + 0.5 * draws("back_c"))
    two = hsv(
        (draws("back_a") + 0.1 + 0.4 * draws("style_b")) % 1,
        0.3 + 0.4 * draws("clutter_hue"),
        0.4 + 0.5 * draws("style_c"),
    )
    swirl = (0.5 + 0.5 * torch.sin(6 * y * draws.between("style_a", 0.2, 1.0) + 2.0 * cloud(draws, 2) + 2 * x)).clamp(
        0, 1
    )
    image = _over(one[:, :, None, None].expand(-1, -1, SIZE, SIZE), swirl, two)
    shift = 0.22 * (torch.stack([draws("tint"), draws("style_d"), draws("contrast")], dim=1) - 0.5)
    body = (layers.albedo + shift[:, :, None, None]) * (_light(layers, draws, 1.2) + 0.14 * cloud(draws, 3))[:, None]
    image = _over(image, layers.alpha, body)
    image = _over(image, 0.45 * layers.edge, image * 0.45)
    image = _blur(image, 1)
    flat, steep = avg_pool2d(draws.fine[:, None], (1, 7), 1, (0, 3)), avg_pool2d(draws.fine[:, None], (7, 1), 1, (3, 0))
    stroke = torch.where(cloud(draws, 2)[:, None] > 0, flat, steep)[:, 0]
    return (_saturate(image, 1.15) * 7).round() / 7 * (1 + 0.26 * stroke)[:, None]


def stencil(layers: Layers, draws: Draws) -> Tensor:
    """One flat colour on another, parts kept apart by thin gaps: a sign, a paper cut, a linocut."""
    paper = hsv(draws("back_a"), 0.55 * draws("back_b"), 0.75 + 0.25 * draws("back_c"))
    ink = hsv(draws("style_a"), 0.75 * draws("style_b"), 0.08 + 0.35 * draws("style_c"))
    swap = (draws("style_d") < 0.4)[:, None]
    paper, ink = torch.where(swap, ink, paper), torch.where(swap, paper, ink)
    inner = layers.edge * (_blur(layers.alpha, 1) > 0.97).float()
    light = layers.alpha * (_luminance(layers.albedo) > draws.between("contrast", 0.7, 1.1)).float()
    shape = (layers.alpha * (1 - 0.9 * inner) - 0.8 * light * (1 - layers.edge)).clamp(0, 1)
    image = paper[:, :, None, None] * (1 + 0.03 * cloud(draws, 2))[:, None]
    drop = torch.roll(layers.alpha, (2, 2), dims=(1, 2)) * cell((draws("backdrop") < 0.4).float())
    return _over(_over(image, 0.35 * drop, image * 0.4), shape, ink)


def pixels(layers: Layers, draws: Draws) -> Tensor:
    """A sprite of an old video game: 24 x 24 pixels, few colours, a dark border, before a plain or tiled ground."""
    x, y = axes()
    ground = hsv(draws("back_a"), 0.3 + 0.5 * draws("back_b"), 0.15 + 0.6 * draws("back_c"))
    tile = ((torch.floor((x + 1) * 6) + torch.floor((y + 1) * 6)) % 2) * cell((draws("backdrop") < 0.5).float())
    image = ground[:, :, None, None] * (1 - 0.25 * tile)[:, None]
    image = _over(image, layers.alpha, _saturate(layers.albedo, 1.4) * _light(layers, draws, 0.7)[:, None])
    image = _over(image, 0.8 * layers.edge * (1 - layers.alpha), torch.zeros(len(draws), 3) + 0.05)
    image = _over(image, 0.5 * layers.edge, image * 0.3)
    small = interpolate(image, size=(24, 24), mode="area")
    return interpolate((small.clamp(0, 1) * 3).round() / 3, size=(SIZE, SIZE), mode="nearest")


def sculpture(layers: Layers, draws: Draws) -> Tensor:
    """Carved in stone, wood or bronze: one material, deep shading, lines as grooves, before a plain wall."""
    _, y = axes()
    stuff = torch.tensor(
        [[0.88, 0.86, 0.82], [0.55, 0.40, 0.22], [0.42, 0.47, 0.40], [0.62, 0.60, 0.58], [0.80, 0.55, 0.40]]
    )
    colour = stuff[(draws("style_a") * 5).long()] * (0.85 + 0.25 * draws("style_b"))[:, None]
    wall = hsv(draws("back_a"), 0.3 * draws("back_b"), 0.12 + 0.7 * draws("back_c"))
    image = wall[:, :, None, None] * (1 + 0.25 * y)[None, None]
    image = image * (1 - 0.45 * _blur(torch.roll(layers.alpha, (3, 3), dims=(1, 2)), 2, 2))[:, None]
    groove = 1 - 0.55 * layers.edge * (_blur(layers.alpha, 1) > 0.5).float()
    relief = _light(layers, draws, 2.4) * groove * (0.86 + 0.2 * _luminance(layers.albedo))
    vein = 1 + 0.10 * torch.sin(5 * cloud(draws, 2) + 5 * y) + 0.03 * draws.fine
    return _over(image, layers.alpha, colour[:, :, None, None] * (relief * vein)[:, None])


RENDITIONS: Final[dict[str, Rendition]] = {
    "photo": photo, "cartoon": cartoon, "sketch": sketch, "embroidery": embroidery, "graffiti": graffiti,
    "painting": painting, "stencil": stencil, "pixels": pixels, "sculpture": sculpture,
}  # fmt: skip
# How unsteady the hand is: the amplitude of a smooth displacement of the drawing, in units of the object.
UNSTEADY: Final[dict[str, float]] = {
    "photo": 0.0, "cartoon": 0.02, "sketch": 0.03, "embroidery": 0.02, "graffiti": 0.035, "painting": 0.03,
    "stencil": 0.01, "pixels": 0.0, "sculpture": 0.01,
}  # fmt: skip
