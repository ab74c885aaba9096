"""Small copies of published data sets in their true file formats, with images of noise."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

HIERARCHY = "landmark_id,category,supercategory,hierarchical_label,natural_or_human_made"


@cache
def picture(seed: int, width: int = 22, height: int = 18) -> bytes:
    """A JPEG."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def make_celeba_hq(root: Path, people: Mapping[int, int], name: str = "{idx}.jpg", anno: bool = False) -> Path:
    """CelebA-HQ with so many images of each person, as CelebAMask-HQ.zip and CelebA's Anno have it."""
    (root / "CelebA-HQ-img").mkdir(parents=True)
    owners = [person for person, count in people.items() for _ in range(count)]
    owners = [owners[k] for k in np.random.default_rng(0).permutation(len(owners))]
    lines, identities = ["idx     orig_idx  orig_file"], []
    for idx, person in enumerate(owners):
        file = f"{3 * idx + 2:06d}.jpg"  # CelebA has more images than CelebA-HQ
        lines.append(f"{idx:<8}{3 * idx + 1:<10}{file}")
        identities += [f"{3 * idx + 1:06d}.jpg 9999", f"{file} {person}", f"{3 * idx + 3:06d}.jpg 9998"]
        (root / "CelebA-HQ-img" / name.format(idx=idx, file=file)).write_bytes(picture(idx))
    (root / "CelebA-HQ-to-CelebA-mapping.txt").write_text("\n".join(lines) + "\n")
    (root / "Anno").mkdir()
    place = root / "Anno" if anno else root
    (place / "identity_CelebA.txt").write_text("\n".join(identities) + "\n")
    return root


def image_id(landmark: int, number: int) -> str:
    """An id as GLDv2 has them: 16 hexadecimal digits."""
    return hashlib.sha256(f"{landmark}/{number}".encode()).hexdigest()[:16]


def make_gldv2(
    root: Path, falls: Mapping[int, int], clean: bool = True, hierarchy: bool = True, prefix: str = "train/",
    metadata: str = "",
) -> Path:  # fmt: skip
    """The train set of GLDv2 with so many images of each waterfall, and a castle; train.csv lists one more of each."""
    (root / metadata).mkdir(parents=True, exist_ok=True)
    tables = {
        "train.csv": ["id,url,landmark_id"],
        "train_clean.csv": ["landmark_id,images"],
        "train_attribution.csv": ["id,url,author,license,title"],
        "train_label_to_category.csv": ["landmark_id,category"],
        "train_label_to_hierarchical.csv": [HIERARCHY],
    }
    castle = 7
    for landmark, count in {castle: 20, **falls}.items():
        name = "Fallmann_Castle" if landmark == castle else f"F%C3%A4lls_of_No._{landmark}_Falls"
        category = f"http://commons.wikimedia.org/wiki/Category:{name}"
        label = "castle,Castle/Fort,human-made" if landmark == castle else "waterfall,natural landmark,natural"
        tables["train_label_to_category.csv"].append(f"{landmark},{category}")
        tables["train_label_to_hierarchical.csv"].append(f"{landmark},{category},{label}")
        ids = [image_id(landmark, number) for number in range(count + 1)]
        tables["train_clean.csv"].append(f"{landmark},{' '.join(ids[:count])}")
        for number, one in enumerate(ids):
            url = f"https://upload.wikimedia.org/{one}.jpg"
            tables["train.csv"].append(f"{one},{url},{landmark}")
            page = f"https://commons.wikimedia.org/wiki/File:{one}.jpg"
            licence = "https://creativecommons.org/licenses/by/3.0/"
            tables["train_attribution.csv"].append(f'{one},{page},"Doe, Jané {number}",{licence},"A ""fall"", {one}"')
            if landmark != castle:
                place = root / f"{prefix}{one[0]}/{one[1]}/{one[2]}/{one}.jpg"
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(picture(landmark * 100 + number, 20 + number, 30))
    if not clean:
        del tables["train_clean.csv"]
    if not hierarchy:
        del tables["train_label_to_hierarchical.csv"]
    for table, lines in tables.items():
        (root / metadata / table).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def wnid(number: int) -> str:
    """A class's folder in ImageNet-R."""
    return f"n{1440000 + 37 * number:08d}"


def make_imagenet_r(root: Path, classes: int, images: int = 3, lists: bool = True) -> Path:
    """ImageNet-R in small, in `root/imagenet-r`; the split's lists beside it, with labels against the folders' order.

    Of each class, the last image is for testing.
    """
    listed: dict[str, list[tuple[str, int]]] = {"train": [], "test": []}
    for number in range(classes):
        folder = root / "imagenet-r" / wnid(number)
        folder.mkdir(parents=True)
        for k in range(images):
            (folder / f"art_{k}.jpg").write_bytes(picture(1000 * number + k, 12, 10))
            split = "test" if k == images - 1 else "train"
            listed[split].append((f"data/imagenet-r/{folder.name}/art_{k}.jpg", classes - 1 - number))
    if lists:
        for split, entries in listed.items():
            write_list(root / f"imagenet-r_{split}.yaml", entries)
    return root / "imagenet-r"


def write_list(path: Path, entries: Sequence[tuple[str, int]]) -> None:
    """A list of the published split's form."""
    lines = ["data:", *(f"- {image}" for image, _ in entries), "targets:", *(f"- {label}" for _, label in entries)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def state(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every file's and folder's time, and every file's bytes."""
    found = sorted([root, *root.rglob("*")])
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in found}
