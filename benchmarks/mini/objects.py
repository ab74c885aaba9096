"""Object classes in renditions: what the mini tier of image classification is pre-trained on and made of.

    python -m benchmarks.mini.objects --grid out.png      # one class a row, the photo first, then the other renditions

A class is a parametric family of shapes (`shapes/`); an image is one draw of its proportions and
colours, of pose, background and light, in one rendition (`renditions.py`). Pre-training sees photo-like images of all
classes, the benchmark shows its 40 in the eight other renditions: as ImageNet pre-training is to ImageNet-R.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.mini.canvas import CLASSES_BY_NAME, COLOURS, Draws, ObjectClass, Pen, Split, cell, draw, hsv
from benchmarks.mini.renditions import RENDITIONS, UNSTEADY, axes, cloud
from benchmarks.mini.shapes import BENCHMARK_MODULES, MODULES
from benchmarks.mini.world import SIZE
from harness.seeds import derive_seed

CLASSES: Final[tuple[ObjectClass, ...]] = tuple(CLASSES_BY_NAME.values())
BENCHMARK_CLASSES: Final = tuple(
    c.name for c in CLASSES if c.outline.__module__ in {m.__name__ for m in BENCHMARK_MODULES}
)
PHOTO: Final = "photo"
OTHER_RENDITIONS: Final = tuple(name for name in RENDITIONS if name != PHOTO)
CHUNK = 32  # images drawn at once: what fits the caches

_INDEX = {c.name: i for i, c in enumerate(CLASSES)}
_RENDITION_NAMES = tuple(RENDITIONS)


def objects_hash() -> str:
    """Hash of the source of every image: an edited shape or rendition makes every image new."""
    folder = Path(__file__).parent
    files = [folder / f"{name}.py" for name in ("canvas", "objects", "renditions", "world")]
    files += [folder / "shapes" / "__init__.py", *(Path(str(module.__file__)) for module in MODULES)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def render(
    labels: Sequence[int] | Tensor, renditions: Sequence[str], generator: torch.Generator, split: Split = "pretrain"
) -> Tensor:
    """One image of class `labels[i]` in rendition `renditions[i]` each.

    Args:
        labels: n indices into `CLASSES`.
        renditions: n names of `RENDITIONS`.
        generator: where all that is random comes from.
        split: whose images these are; images of different splits are never the same.

    Returns:
        (n, 3, 64, 64) float32 in [0, 1].
    """
    return render_draws(labels, renditions, draw(len(renditions), split, generator))


def render_draws(labels: Sequence[int] | Tensor, renditions: Sequence[str], draws: Draws) -> Tensor:
    """As `render`, from draws; an image does not depend on what else is in the batch."""
    which = torch.as_tensor(labels)
    styles = torch.tensor([_RENDITION_NAMES.index(name) for name in renditions])
    images = torch.empty(len(styles), 3, SIZE, SIZE)
    for label in which.unique().tolist():
        for part in torch.nonzero(which == label)[:, 0].split(CHUNK):
            images[part] = _render_chunk(CLASSES[label], styles[part], draws[part])
    return images


def _render_chunk(who: ObjectClass, styles: Tensor, draws: Draws) -> Tensor:
    unsteady = torch.tensor([UNSTEADY[name] for name in _RENDITION_NAMES])[styles]
    pen = Pen(*_pose(who, draws, cell(unsteady)), draws, _colours(who, draws), _zoom(draws))
    who.outline(pen)
    images = torch.empty_like(pen.layers.albedo)
    for style in styles.unique().tolist():
        rows = torch.nonzero(styles == style)[:, 0]
        images[rows] = RENDITIONS[_RENDITION_NAMES[style]](pen.layers[rows], draws[rows]).clamp(0, 1)
    return images


def _zoom(draws: Draws) -> Tensor:
    return draws.between("zoom", 0.74, 1.10)


def _pose(who: ObjectClass, draws: Draws, unsteady: Tensor) -> tuple[Tensor, Tensor]:
    """Object coordinates of every pixel: shift, zoom, roll, shear, stretch, perspective, flip and an unsteady hand."""
    x, y = axes()
    zoom = _zoom(draws)
    room = (1.12 - zoom).clamp(min=0.06)
    x = (x - draws.between("dx", -1, 1) * room) / zoom
    y = (y - draws.between("dy", -1, 1) * room * 0.8) / zoom
    x = x * (1 + draws.between("perspective", -0.14, 0.14) * y)
    roll = draws.between("roll", -0.22, 0.22) * (1.0 if who.upright else 3.2)
    x, y = torch.cos(roll) * x + torch.sin(roll) * y, torch.cos(roll) * y - torch.sin(roll) * x
    x = (x + draws.between("shear", -0.16, 0.16) * y) * draws.between("stretch", 0.88, 1.14)
    x = x * torch.where(cell(draws("flip") < 0.5), 1.0, -1.0)
    return x + unsteady * cloud(draws, 0), y + unsteady * cloud(draws, 1)


def _colours(who: ObjectClass, draws: Draws) -> dict[str, Tensor]:
    """Slots a, b, c of each image, (B, 3): a palette of the class, its colours jittered."""
    choice = (draws("palette") * len(who.palettes)).long()
    slots = {}
    for position, slot in enumerate("abc"):
        free = hsv(draws(f"hue_{slot}"), 0.25 + 0.6 * draws(f"value_{slot}"), 0.35 + 0.6 * draws(f"jitter_{slot}"))
        options = []
        for palette in who.palettes:
            words = palette.split()
            word = words[min(position, len(words) - 1)]
            base = free if word == "any" else torch.tensor(COLOURS[word]).expand(len(draws), 3)
            options.append(base)
        colour = torch.stack(options)[choice, torch.arange(len(draws))]
        lightness = 0.80 + 0.36 * draws(f"jitter_{slot}")[:, None]
        drift = 0.16 * (hsv(draws(f"hue_{slot}"), 1.0, 1.0) - 0.5)
        slots[slot] = (colour * lightness + drift * draws(f"value_{slot}")[:, None]).clamp(0.02, 1)
    return slots


def dataset(
    split: Split, classes: Sequence[str], per_class: int, seed: int, renditions: Sequence[str] | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """`per_class` images of each class, class after class.

    Args:
        split: "pretrain" is photo-like; the others show the eight other renditions in equal parts, in turn.
        classes: names of classes; labels are positions in this sequence.
        per_class: images of a class.
        seed: the same seed gives the same images; images of a class do not depend on the other classes.
        renditions: names of `RENDITIONS` to take in turn instead.

    Returns:
        images (n, 64, 64, 3) uint8 and labels (n,) int64.
    """
    names = tuple(renditions) if renditions else (PHOTO,) if split == "pretrain" else OTHER_RENDITIONS
    images = []
    for name in classes:
        generator = torch.Generator().manual_seed(derive_seed("objects", split, name, seed))
        styles = [names[i % len(names)] for i in range(per_class)]
        batch = render([_INDEX[name]] * per_class, styles, generator, split)
        images.append((batch * 255).round().byte().permute(0, 2, 3, 1))
    return torch.cat(images).numpy(), np.repeat(np.arange(len(classes), dtype=np.int64), per_class)


def contact_sheet(split: Split, classes: Sequence[str], columns: int, seed: int) -> NDArray[np.uint8]:
    """(len(classes) * 64, columns * 64, 3): one class a row, the renditions in turn, photos first."""
    images, _ = dataset(split, classes, columns, seed, _RENDITION_NAMES)
    grid = images.reshape(len(classes), columns, SIZE, SIZE, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(grid.reshape(len(classes) * SIZE, columns * SIZE, 3))


def main() -> None:
    """Write a contact sheet."""
    parser = argparse.ArgumentParser(description="Look at the object classes: one class a row, one rendition a column.")
    parser.add_argument("--grid", type=Path, required=True, metavar="OUT.png", help="the picture to write")
    parser.add_argument("--split", choices=["pretrain", "tune", "train", "test"], default="train")
    parser.add_argument("--classes", nargs="+", choices=list(_INDEX), metavar="CLASS", help="(the benchmark's 40)")
    parser.add_argument("--columns", type=int, default=9, help="images of each class (default 9)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    from PIL import Image

    sheet = contact_sheet(arguments.split, arguments.classes or BENCHMARK_CLASSES, arguments.columns, arguments.seed)
    Image.fromarray(sheet).save(arguments.grid)


if __name__ == "__main__":
    main()
