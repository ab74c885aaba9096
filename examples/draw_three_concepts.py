"""Draws the pictures of three_concepts.yaml: twelve each of a mug, a kite and a boat, into three_concepts/ beside it.

    python examples/draw_three_concepts.py

Another folder's name behind it is where they go instead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIDE = 128
PICTURES = 12

Points = list[tuple[float, float]]
Place = Callable[[Points], Points]  # from the unit square to where the thing is in a picture


def mug(draw: ImageDraw.ImageDraw, place: Place) -> None:
    """A blue one with a white stripe."""
    draw.line(place([(0.75, 0.35), (1.0, 0.35), (1.0, 0.7), (0.75, 0.7)]), "#1f4e9c", width=5, joint="curve")
    draw.polygon(place([(0.1, 0.1), (0.75, 0.1), (0.7, 0.95), (0.15, 0.95)]), "#2b65c7")
    draw.polygon(place([(0.12, 0.4), (0.73, 0.4), (0.72, 0.55), (0.13, 0.55)]), "#f4f4f0")


def kite(draw: ImageDraw.ImageDraw, place: Place) -> None:
    """A red and yellow one, with a tail."""
    draw.line(place([(0.5, 0.7), (0.4, 0.8), (0.6, 0.9), (0.5, 1.0)]), "#333333", width=2, joint="curve")
    draw.polygon(place([(0.5, 0.0), (0.9, 0.3), (0.5, 0.7)]), "#e0b020")
    draw.polygon(place([(0.5, 0.0), (0.1, 0.3), (0.5, 0.7)]), "#d03a2a")


def boat(draw: ImageDraw.ImageDraw, place: Place) -> None:
    """A brown one with a white sail."""
    draw.polygon(place([(0.0, 0.7), (1.0, 0.7), (0.8, 1.0), (0.2, 1.0)]), "#6b4226")
    draw.polygon(place([(0.5, 0.0), (0.5, 0.62), (0.95, 0.62)]), "#fbfbf6")
    draw.polygon(place([(0.45, 0.15), (0.45, 0.62), (0.1, 0.62)]), "#d9d4c4")


def picture(thing: Callable[[ImageDraw.ImageDraw, Place], None], rng: np.random.Generator) -> Image.Image:
    """The thing at a place, of a size and at an angle of its own, before a ground of its own."""
    corners = rng.integers(40, 230, (2, 2, 3)).astype(np.uint8)
    image = Image.fromarray(corners).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    size, angle = rng.uniform(50, 90), rng.uniform(-0.3, 0.3)
    middle = SIDE / 2 + rng.uniform(-15, 15, 2)
    turn = size * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])

    def place(points: Points) -> Points:
        return [(float(x), float(y)) for x, y in (np.array(points) - 0.5) @ turn + middle]

    thing(ImageDraw.Draw(image), place)
    return image


def main(folder: Path) -> None:
    """The same pictures each time."""
    rng = np.random.default_rng(0)
    for name, thing in {"blue_mug": mug, "my_kite": kite, "boat": boat}.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(PICTURES):
            picture(thing, rng).save(folder / name / f"{number:02}.png")
    print(f"Drawn: {3 * PICTURES} pictures in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "three_concepts")
