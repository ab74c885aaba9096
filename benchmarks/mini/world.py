"""The renderer of the procedural world: smooth signed-distance shapes, drawn for a whole batch at once.

    python -m benchmarks.mini.world --grid out.png      # one identity a row, nuisances vary along the row

Coordinates run over [-1, 1] with y pointing down; one pixel of a 64 x 64 image is 2/64 wide. All functions take
(B, 1, 1) parameters and (B, H, W) coordinates and return (B, H, W) signed distances, negative inside.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.mini.factors import KINDS, WORLDS, Identities, Kind, Split, draw_identities, draw_nuisance

SIZE = 64

_SKIN = torch.tensor([[0.97, 0.84, 0.74], [0.83, 0.62, 0.46], [0.46, 0.30, 0.21]])
_HAIR = torch.tensor(
    [[0.07, 0.06, 0.07], [0.36, 0.21, 0.10], [0.88, 0.72, 0.35], [0.70, 0.25, 0.09], [0.68, 0.68, 0.70]]
)
_IRIS = torch.tensor([[0.33, 0.17, 0.06], [0.15, 0.42, 0.88], [0.18, 0.62, 0.22]])
_CLIFF = torch.tensor([[0.56, 0.56, 0.58], [0.62, 0.32, 0.22], [0.25, 0.24, 0.28], [0.80, 0.68, 0.46]])
_LEAF = torch.tensor([[0.18, 0.46, 0.16], [0.86, 0.46, 0.10]])
_POOL = torch.tensor([[0.15, 0.40, 0.72], [0.14, 0.60, 0.50], [0.42, 0.32, 0.20]])


def _column(values: Tensor) -> Tensor:
    return values[:, None, None]


def _between(values: Tensor, low: float, high: float) -> Tensor:
    return _column(low + (high - low) * values)


def _cover(distance: Tensor, softness: float = 1.0) -> Tensor:
    """Anti-aliased coverage of a shape: 1 inside, 0 outside, over `softness` pixels."""
    return (0.5 - distance * (SIZE / 2) / softness).clamp(0, 1)


def _paint(image: Tensor, cover: Tensor, colour: Tensor) -> Tensor:
    """`colour` is (B, 3), or (B, 3, H, W), laid over `image` (B, 3, H, W) where `cover` (B, H, W) says."""
    colour = colour[:, :, None, None] if colour.ndim == 2 else colour
    return image + cover[:, None] * (colour - image)


def _ellipse(x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Signed distance (first order) to an ellipse of half-axes a, b."""
    k = torch.sqrt((x / a) ** 2 + (y / b) ** 2 + 1e-9)
    gradient = torch.sqrt((x / a**2) ** 2 + (y / b**2) ** 2 + 1e-9)
    return k * (k - 1) / gradient


def _box(x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.maximum(x.abs() - a, y.abs() - b)


def _hue(values: Tensor, saturation: float, value: Tensor) -> Tensor:
    """(B, 3) colours around the hue circle."""
    offsets = torch.tensor([0.0, -1 / 3, 1 / 3])
    wave = ((values[:, None] + offsets + 0.5) % 1.0 - 0.5).abs() * 6 - 1
    pure = 1 - wave.clamp(0, 1)
    return value[:, None] * (1 - saturation + saturation * pure)


def _grid(count: int, dx: Tensor, dy: Tensor, zoom: Tensor, roll: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Object coordinates of every pixel, (B, H, W) each."""
    axis = (torch.arange(SIZE) + 0.5) / (SIZE / 2) - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    x = (x.expand(count, -1, -1) - _column(dx)) / _column(zoom)
    y = (y.expand(count, -1, -1) - _column(dy)) / _column(zoom)
    if roll is None:
        return x, y
    cos, sin = _column(roll.cos()), _column(roll.sin())
    return cos * x + sin * y, cos * y - sin * x


def render(identities: Identities, nuisance: Tensor) -> Tensor:
    """Images of B identities under B nuisance vectors.

    Args:
        identities: B identities of one kind.
        nuisance: (B, n) in [0, 1], from `draw_nuisance`.

    Returns:
        (B, 3, 64, 64) float32 in [0, 1].
    """
    draw = _render_people if identities.kind == "person" else _render_waterfalls
    return draw(identities, nuisance).clamp(0, 1)


def _render_people(identities: Identities, nuisance: Tensor) -> Tensor:
    world = WORLDS["person"]
    f = {factor.name: identities.continuous[:, i] for i, factor in enumerate(world.continuous)}
    d = {factor.name: identities.discrete[:, i] for i, factor in enumerate(world.discrete)}
    n = {name: nuisance[:, i] for i, name in enumerate(world.nuisance)}
    count = len(identities)
    x, y = _grid(
        count, 0.10 * (n["dx"] - 0.5), 0.05 + 0.08 * (n["dy"] - 0.5), 1.09 + 0.13 * n["zoom"], 0.20 * (n["roll"] - 0.5)
    )

    backdrop = _hue(n["background"], 0.45, 0.45 + 0.5 * n["background_value"])
    shade = 1 + 0.25 * y
    image = (backdrop[:, :, None, None] * shade[:, None]).clamp(0, 1)

    half_width = _between(f["face_width"], 0.37, 0.54)
    half_length = _between(f["face_length"], 0.53, 0.69)
    hair = _HAIR[d["hair_colour"]]
    skin_position = 2 * f["skin"]
    skin = torch.where(
        (skin_position < 1)[:, None],
        _SKIN[0] + skin_position[:, None] * (_SKIN[1] - _SKIN[0]),
        _SKIN[1] + (skin_position[:, None] - 1) * (_SKIN[2] - _SKIN[1]),
    )

    # hair behind the head: how far down it falls is its length
    fall = _column(torch.tensor([-0.10, 0.32, 0.95])[d["hair_length"]])
    hair_top = _ellipse(x, y + 0.06, half_width + 0.11, half_length + 0.10)
    hair_sides = _box(x, y - (fall - 0.25) / 2, half_width + 0.10, (fall + 0.25) / 2)
    image = _paint(image, _cover(torch.minimum(torch.where(y < fall, hair_top, torch.ones(())), hair_sides)), hair)

    # neck and shirt
    neck = skin * 0.86
    image = _paint(image, _cover(_box(x, y - 0.62, half_width * 0.45, torch.full_like(half_width, 0.35))), neck)
    shirt = _hue(n["shirt"], 0.6, 0.35 + 0.5 * n["shirt"])
    image = _paint(
        image, _cover(_ellipse(x, y - 1.18, half_width * 1.0 + 0.42, torch.full_like(half_width, 0.42))), shirt
    )

    # the head: an ellipse above, a superellipse below; the jaw is how far out its diagonal lies
    diagonal = _between(f["jaw"], 0.55, 0.89)
    exponent = torch.where(y > 0, -math.log(2) / diagonal.log(), torch.full_like(y, 2.0))
    ratio = ((x.abs() / half_width) ** exponent + (y.abs() / half_length) ** exponent + 1e-9) ** (1 / exponent)
    head = (ratio - 1) * torch.minimum(half_width, half_length)
    head_cover = _cover(head)
    yaw = _column(n["yaw"] - 0.5)
    lit = 1 + 0.25 * _column(n["shade"] - 0.5) * x / half_width
    skin_lit = skin[:, :, None, None] * lit[:, None]
    ears = torch.minimum(
        _ellipse(x - half_width, y, torch.full_like(half_width, 0.07), torch.full_like(half_width, 0.11)),
        _ellipse(x + half_width, y, torch.full_like(half_width, 0.07), torch.full_like(half_width, 0.11)),
    )
    image = _paint(image, _cover(ears) * _column((d["hair_length"] == 0).float()), skin * 0.9)
    image = _paint(image, head_cover, skin_lit)

    # hair in front: above the hairline
    hairline = -half_length * _between(f["hairline"], 0.66, 1.02)
    fringe = torch.maximum(hair_top, y - hairline - 0.12 * (x / half_width) ** 2)
    image = _paint(image, _cover(fringe), hair)

    # the face's features shift with the head's turn; each has room of its own, so that none hides another
    u = x - 0.10 * yaw
    eye_y = -_between(f["eye_height"], -0.02, 0.14)
    smile = _column(n["smile"] - 0.35)
    mouth_y = half_length - 0.165
    dark_hair = hair * 0.45

    # beard along the jaw, around the mouth
    mouth_width = _between(f["mouth_width"], 0.07, 0.29)
    beard_hole = _ellipse(u, y - mouth_y + 0.19, half_width * 0.80, torch.full_like(half_width, 0.27))
    beard = torch.maximum(torch.maximum(head, 0.10 - y), -beard_hole)
    image = _paint(image, _cover(beard) * _column((d["beard"] == 2).float()), dark_hair)
    nose_bottom = eye_y + _between(f["nose_length"], 0.11, 0.33)
    moustache = _ellipse(u, y - mouth_y + 0.09, torch.full_like(half_width, 0.27), torch.full_like(half_width, 0.062))
    image = _paint(image, _cover(moustache) * _column((d["beard"] == 1).float()), dark_hair)

    # mouth: a band bent by the smile
    lip = _between(f["lip_fullness"], 0.026, 0.118)
    bend = y - mouth_y + smile * 0.40 * ((u / mouth_width) ** 2 - 0.5) * mouth_width
    lips = _ellipse(u, bend, mouth_width, lip)
    lip_colour = 0.25 * skin + 0.75 * torch.tensor([0.80, 0.10, 0.22])
    image = _paint(image, _cover(lips), lip_colour)
    image = _paint(image, _cover(_ellipse(u, bend, mouth_width * 0.9, torch.full_like(lip, 0.016))), lip_colour * 0.35)

    # nose: a wedge that widens to its shaded tip
    nose_width = _between(f["nose_width"], 0.035, 0.205)
    along = ((y - eye_y) / (nose_bottom - eye_y)).clamp(0, 1)
    wedge = torch.maximum((u - 0.07 * yaw * along).abs() - nose_width * (0.35 + 0.65 * along), eye_y - y)
    wedge = torch.maximum(wedge, y - nose_bottom)
    tip = _box(u - 0.07 * yaw, y - nose_bottom, nose_width, torch.full_like(nose_width, 0.032))
    image = _paint(image, _cover(wedge), 0.5 * skin + 0.5 * torch.tensor([0.80, 0.40, 0.30]))
    image = _paint(image, _cover(tip), skin * 0.40)

    # eyes
    spacing = _between(f["eye_spacing"], 0.150, 0.245)
    eye = _between(f["eye_size"], 0.056, 0.132)
    iris = _IRIS[d["eye_colour"]]
    white = torch.full((count, 3), 0.96)
    for side in (-1.0, 1.0):
        ex, ey = u - side * spacing, y - eye_y
        image = _paint(image, _cover(_ellipse(ex, ey, eye * 1.12, eye * 0.90)), white)
        ex = ex - 0.05 * yaw
        image = _paint(image, _cover(_ellipse(ex, ey, eye * 0.72, eye * 0.72)), iris)
        image = _paint(image, _cover(_ellipse(ex, ey, eye * 0.26, eye * 0.26)), torch.zeros(count, 3))

    # glasses: frames only
    glasses = d["glasses"]
    square = _column(glasses == 2)
    frame = None
    for side in (-1.0, 1.0):
        ex, ey = u - side * torch.clamp(spacing, min=0.165), y - eye_y
        size = torch.full_like(eye, 0.150)
        lens = torch.where(square, _box(ex, ey, size, size * 0.80), _ellipse(ex, ey, size, size * 0.92))
        rim = lens.abs() - 0.021
        frame = rim if frame is None else torch.minimum(frame, rim)
    bridge = _box(u, y - eye_y, torch.full_like(eye, 0.03), torch.full_like(eye, 0.02))
    assert frame is not None
    frame = torch.minimum(frame, bridge)
    rim_colour = torch.where(
        (glasses == 2)[:, None], torch.tensor([0.05, 0.05, 0.10]), torch.tensor([0.80, 0.62, 0.10])
    )
    image = _paint(image, _cover(frame) * _column((glasses > 0).float()), rim_colour)

    # brows, above any glasses
    thickness = _between(f["brow_thickness"], 0.014, 0.070)
    tilt = _between(f["brow_tilt"], -0.45, 0.45)
    for side in (-1.0, 1.0):
        bx = u - side * spacing
        brow = _box(bx, y - (eye_y - 0.205) + side * tilt * bx, torch.full_like(eye, 0.135), thickness)
        image = _paint(image, _cover(brow), dark_hair)
    return image * _column(0.86 + 0.26 * n["light"])[:, None]


def _render_waterfalls(identities: Identities, nuisance: Tensor) -> Tensor:
    world = WORLDS["waterfall"]
    f = {factor.name: identities.continuous[:, i] for i, factor in enumerate(world.continuous)}
    d = {factor.name: identities.discrete[:, i] for i, factor in enumerate(world.discrete)}
    n = {name: nuisance[:, i] for i, name in enumerate(world.nuisance)}
    count = len(identities)
    x, y = _grid(count, 0.14 * (n["dx"] - 0.5), 0.07 * (n["dy"] - 0.5), 0.97 + 0.12 * n["zoom"])

    # sky: sunset, day, dusk
    anchors_top = torch.tensor([[0.95, 0.55, 0.35], [0.38, 0.66, 0.95], [0.16, 0.17, 0.38]])
    anchors_low = torch.tensor([[1.00, 0.80, 0.50], [0.80, 0.92, 1.00], [0.45, 0.38, 0.55]])
    third = (n["time"] * 3).long().clamp(max=2)
    down = ((y + 1) / 1.4).clamp(0, 1)[:, None]
    image = anchors_top[third][:, :, None, None] * (1 - down) + anchors_low[third][:, :, None, None] * down
    cloud = _ellipse(
        x - _between(n["cloud"], -0.7, 0.7), y + 0.82, torch.full((count, 1, 1), 0.32), torch.full((count, 1, 1), 0.09)
    )
    image = _paint(image, 0.7 * _cover(cloud, 4), torch.ones(count, 3))

    # cliff under the skyline, with strata
    skyline = (
        _between(f["cliff_height"], -0.12, -0.66)
        + _between(f["skyline_slope"], -0.34, 0.34) * x
        + _between(f["skyline_bumps"], 0.0, 0.17) * torch.sin(9.5 * x) * torch.cos(3.1 * x + 0.6)
    )
    cliff = skyline - y
    period = _between(f["strata_thickness"], 0.13, 0.36)
    phase = (y + _between(f["strata_tilt"], 0.42, -0.42) * x) / period
    bands = torch.sin(2 * math.pi * phase)
    bands = (bands * 2.2).clamp(-1, 1)
    strata = 1 + _between(f["strata_contrast"], 0.04, 0.48) * bands
    rock = _CLIFF[d["cliff_colour"]][:, :, None, None] * strata[:, None]
    image = _paint(image, _cover(cliff), rock)

    # pool and ground
    level = _between(f["pool_level"], 0.32, 0.68)
    ground = level - y
    earth = _CLIFF[d["cliff_colour"]] * torch.tensor([0.55, 0.62, 0.45]) + 0.05
    image = _paint(image, _cover(ground), earth)

    # plants stand on the ground's edge, left and right, behind the pool
    full = _between(f["tree_size"], 0.10, 0.29)
    leaf = _LEAF[d["season"]]
    kind = d["vegetation"]
    offset = _between(f["fall_offset"], -0.34, 0.34)
    plants = torch.full_like(x, 10.0)
    trunks = torch.full_like(x, 10.0)
    for slot, place in enumerate((-0.84, 0.86, -0.60, 0.63, -0.38, 0.42)):
        # the denser, the more plants; the last one is still growing
        grown = (6 * _column(f["tree_density"]) + 1 - slot).clamp(0, 1)
        present = grown > 0.15
        size = full * grown.clamp(min=0.15)
        px, base = x - place, y - level
        bush = _ellipse(px, base + size * 0.40, size * 1.05, size * 0.62)
        pine = torch.maximum(px.abs() - (base + size * 2.5).clamp(min=0) * 0.33, base)
        pine = torch.maximum(pine, -(base + size * 2.5)) * 0.9
        leafy = _ellipse(px, base + size * 1.55, size * 0.90, size * 0.90)
        trunk = _box(px, base + size * 0.4, torch.full_like(size, 0.028), size * 0.5)
        shape = torch.where(_column(kind == 0), bush, torch.where(_column(kind == 1), pine, leafy))
        far = torch.full_like(x, 10.0)
        plants = torch.minimum(plants, torch.where(present, shape, far))
        trunks = torch.minimum(trunks, torch.where(present & _column(kind == 2), trunk, far))
    image = _paint(image, _cover(trunks), torch.tensor([0.30, 0.18, 0.10]).expand(count, 3))
    image = _paint(image, _cover(plants), leaf[:, :, None, None] * (1 - 0.25 * torch.sin(23 * x + 17 * y))[:, None])

    pool = _ellipse(
        x - offset, y - level - 0.17, _between(f["pool_width"], 0.34, 0.92), torch.full((count, 1, 1), 0.165)
    )
    ripples = 1 + 0.10 * torch.sin(40 * y + 6 * x + 6.28 * _column(n["streaks"]))
    image = _paint(image, _cover(pool), _POOL[d["pool_colour"]][:, :, None, None] * ripples[:, None])

    # the falls: one to three streams from the skyline to the pool
    streams = d["count"] + 1
    total = _between(f["fall_width"], 0.085, 0.20)
    half = total / (1 + 0.28 * _column(streams.float() - 1))
    gap = half * 2 + 0.13
    step = _column((d["steps"] == 1).float())
    middle = (skyline + level) / 2
    lower = y > middle
    falls = torch.full_like(x, 10.0)
    for k in range(3):
        centre = offset + (k - _column(streams.float() - 1) / 2) * gap
        widen = half * (1 + step * lower.float() * 0.55)
        shift = step * lower.float() * 0.10
        stream = torch.maximum((x - centre - shift).abs() - widen, torch.maximum(skyline - y - 0.02, y - level - 0.10))
        falls = torch.minimum(falls, torch.where(_column(k < streams), stream, torch.full_like(x, 10.0)))
    streaks = 0.90 + 0.10 * torch.sin(60 * x + 6.28 * _column(n["streaks"]))
    water = torch.tensor([0.90, 0.95, 1.0])[None, :, None, None] * streaks[:, None]
    image = _paint(image, _cover(falls), water)
    ledge = torch.maximum((y - middle).abs() - 0.028, (falls - 0.05))
    image = _paint(image, _cover(ledge) * step, _CLIFF[d["cliff_colour"]] * 0.6)
    mist = torch.exp(-((y - level - 0.02) ** 2) / 0.020 - ((x - offset) ** 2) / 0.16)
    image = _paint(image, mist * _between(n["mist"], 0.0, 0.40), torch.ones(count, 3))

    tint = torch.tensor([[1.06, 0.94, 0.84], [1.0, 1.0, 1.0], [0.76, 0.78, 0.92]])[third]
    return image * tint[:, :, None, None] * _column(0.88 + 0.20 * n["light"])[:, None]


def contact_sheet(kind: Kind, split: Split, rows: int, columns: int, seed: int) -> Tensor:
    """(3, rows * 64, columns * 64): one identity a row, its nuisances along the row."""
    generator = torch.Generator().manual_seed(seed)
    identities = draw_identities(kind, split, rows, generator).repeat(columns)
    images = render(identities, draw_nuisance(kind, len(identities), generator))
    images = images.reshape(rows, columns, 3, SIZE, SIZE).permute(2, 0, 3, 1, 4)
    return images.reshape(3, rows * SIZE, columns * SIZE)


def main() -> None:
    """Write a contact sheet of both kinds side by side."""
    parser = argparse.ArgumentParser(description="Look at the procedural world: one identity a row.")
    parser.add_argument("--grid", type=Path, required=True, metavar="OUT.png", help="the picture to write")
    parser.add_argument("--split", choices=["pretrain", "probe", "tuning", "benchmark"], default="pretrain")
    parser.add_argument("--rows", type=int, default=8, help="identities of each kind (default 8)")
    parser.add_argument("--columns", type=int, default=6, help="photos of each identity (default 6)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    from PIL import Image

    sheets = [contact_sheet(k, arguments.split, arguments.rows, arguments.columns, arguments.seed) for k in KINDS]
    pixels = (torch.cat(sheets, dim=2) * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(arguments.grid)


if __name__ == "__main__":
    main()
