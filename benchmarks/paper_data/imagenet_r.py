"""ImageNet-R, as its archive imagenet-r.tar has it, and the split of CODA-Prompt.

DIR/n01443537/art_0.jpg ...        or DIR/imagenet-r/n01443537/...: a folder for each of 200 classes
DIR/README.txt                     optional: `n01443537 goldfish` a line
imagenet-r_train.yaml, imagenet-r_test.yaml    in DIR, beside it, or in a folder of the user's: the published lists

A list is YAML with `data`, paths that end in `n01443537/art_0.jpg`, and `targets`, as many labels from 0. Without the
lists, a fifth of each class's images is drawn, and labels follow the folders' names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.data.class_manifest import Found, FoundClass
from harness.errors import UsageError

TRAIN, TEST = "imagenet-r_train.yaml", "imagenet-r_test.yaml"
ARCHIVE, README = "imagenet-r.tar", "README.txt"
CLASSES, IMAGES = 200, (24_000, 6_000)  # of the published lists
FOLDER = re.compile(r"n\d{8}")
FILE = re.compile(r"[^/\\]+\.(?:jpe?g|png|webp|bmp|gif)", re.IGNORECASE)
ENTRY = re.compile(r"(?:^|/)(?P<wnid>n\d{8})/(?P<file>[^/\\]+)$")
NAME = re.compile(r"\s*(?P<wnid>n\d{8})[\s:,]+(?P<name>\S.*?)\s*")
LIMIT = 1 << 24  # bytes of a list; the published ones have about 1.2 million
SPLITS = "dataloaders/splits of github.com/GT-RIPL/CODA-Prompt"


@dataclass(frozen=True)
class ImageNetR:
    """30,000 renditions (art, cartoons, sketches, toys, ...) of 200 classes of ImageNet."""

    key: str = "imagenet-r"
    title: str = "ImageNet-R"
    obtain: str = f"{ARCHIVE}, by way of github.com/hendrycks/imagenet-r; its published split: {SPLITS}"
    terms: str = (
        "MIT, says the card of its copy on the Hugging Face hub; the images remain their authors', for research"
    )
    citation: str = "Hendrycks et al., The Many Faces of Robustness, ICCV 2021"

    def find(self, root: Path, lists: Path | None) -> Found:
        """Classes and images by the lists if they are there, else by the folders alone.

        Raises:
            UsageError: the folder is not that of ImageNet-R, a list is missing, malformed or does not fit it.
        """
        place = _place(root)
        names = _names(place)
        tables = _tables([lists] if lists is not None else [root, place, root.resolve().parent], given=lists)
        if tables is not None:
            return _listed(place, names, *tables)
        classes = tuple(
            FoundClass(folder.name, names.get(folder.name, folder.name), _images(folder)) for folder in _folders(place)
        )
        few = f" of {len(classes)} of {CLASSES} classes" if len(classes) != CLASSES else ""
        drawn = f"a fifth of each class's images{few}, drawn once, are the test set"
        return Found(place, classes, drawn, f"not the published split: {drawn}")


IMAGENET_R = ImageNetR()


def _folders(root: Path) -> list[Path]:
    return [path for path in _entries_of(root) if FOLDER.fullmatch(path.name) and path.is_dir()]


def _entries_of(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise UsageError(f"{folder} cannot be read ({error.strerror}); check its permissions.") from error


def _place(root: Path) -> Path:
    """The folder of the classes' folders; every way to name another one has its sentence."""
    if not root.is_dir():
        raise UsageError(f"--imagenet-r {root} is no folder; give the one that holds n01443537 and the other classes.")
    for place in (root, root / "imagenet-r"):
        if place.is_dir() and _folders(place):
            return place
    if FOLDER.fullmatch(root.resolve().name):
        raise UsageError(f"--imagenet-r {root} is the folder of one class; give the one above it.")
    if (root / ARCHIVE).is_file():
        raise UsageError(f"--imagenet-r {root} has no classes' folders, but {ARCHIVE}; unpack that first.")
    raise UsageError(
        f"--imagenet-r {root} has no folder such as n01443537; get {ARCHIVE}, by way of "
        "github.com/hendrycks/imagenet-r, and unpack it."
    )


def _images(folder: Path) -> tuple[str, ...]:
    """A class's images, by name, as paths under the root."""
    images = tuple(f"{folder.name}/{p.name}" for p in _entries_of(folder) if FILE.fullmatch(p.name))
    if not images:
        raise UsageError(f"{folder} holds no images; unpack {ARCHIVE} again.")
    return images


def _names(place: Path) -> Mapping[str, str]:
    """Class -> its name in words, as far as README.txt says."""
    try:
        text = (place / README).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return {}
    found = (NAME.fullmatch(line) for line in text.splitlines())
    names = {match["wnid"]: match["name"].replace("_", " ") for match in found if match}
    return {wnid: name for wnid, name in names.items() if name.isprintable()}


def _tables(places: Sequence[Path], given: Path | None) -> tuple[Path, Path] | None:
    """The two lists, from the first place that has one of them."""
    for place in places:
        there = [(place / name).is_file() for name in (TRAIN, TEST)]
        if all(there):
            return place / TRAIN, place / TEST
        if any(there):
            names = (TRAIN, TEST) if there[0] else (TEST, TRAIN)
            raise UsageError(f"{place} has {names[0]} but no {names[1]}; put both there, from {SPLITS}, or neither.")
    if given is not None:
        raise UsageError(f"--split-lists {given} has no {TRAIN}; give the folder that holds it, from {SPLITS}.")
    return None


def _listed(place: Path, names: Mapping[str, str], train: Path, test: Path) -> Found:
    """Classes and their images by the lists."""
    wnids: dict[int, str] = {}
    seen: dict[str, Path] = {}
    images: dict[str, dict[int, list[str]]] = {"train": {}, "test": {}}
    for split, path in (("train", train), ("test", test)):
        for entry, label in _entries(path):
            match = ENTRY.search(entry)
            if match is None:
                raise UsageError(f"{path} has the entry '{entry[:80]}', not like n01443537/art_0.jpg; get it again.")
            image = f"{match['wnid']}/{match['file']}"
            if wnids.setdefault(label, match["wnid"]) != match["wnid"]:
                raise UsageError(f"{path} gives the label {label} to {wnids[label]} and {match['wnid']}; get it again.")
            if image in seen:
                where = " twice" if seen[image] == path else f", as does {seen[image].name}"
                raise UsageError(f"{path} lists {image}{where}; get both lists again.")
            seen[image] = path
            images[split].setdefault(label, []).append(image)
    _check_labels(wnids, images, train, test)
    absent = [image for image in seen if not (place / image).is_file()]
    if absent:
        more = f", as are {len(absent) - 1} more of the {len(seen)} listed images" if len(absent) > 1 else ""
        raise UsageError(f"{place / absent[0]} is missing{more}; unpack {ARCHIVE} again, all of it.")
    classes = tuple(
        FoundClass(
            wnids[label], names.get(wnids[label], wnids[label]), tuple(images["train"][label]),
            tuple(images["test"][label]),
        )
        for label in range(len(wnids))
    )  # fmt: skip
    counts = tuple(sum(map(len, images[split].values())) for split in ("train", "test"))
    split = f"{train.name} and {test.name}: {counts[0]} images to train and {counts[1]} to test, {len(classes)} classes"
    published = counts == IMAGES and len(classes) == CLASSES
    return Found(place, classes, split, "" if published else f"not the published split: {split}")


def _check_labels(wnids: Mapping[int, str], images: Mapping[str, Mapping[int, Any]], train: Path, test: Path) -> None:
    """No two labels are of one class, they run from 0, and each is in both lists."""
    labels: dict[str, int] = {}
    for label, wnid in sorted(wnids.items()):
        if labels.setdefault(wnid, label) != label:
            both = f"{labels[wnid]} and {label}"
            raise UsageError(f"{train} and {test.name} give {wnid} the labels {both}; get both lists again.")
    if sorted(wnids) != list(range(len(wnids))):
        missing = next(label for label in range(len(wnids)) if label not in wnids)
        raise UsageError(f"{train} and {test.name} have no label {missing} among {len(wnids)}; get both lists again.")
    for split, path in (("train", train), ("test", test)):
        absent = [label for label in sorted(wnids) if label not in images[split]]
        if absent:
            raise UsageError(f"{path} lists no image of {wnids[absent[0]]}, label {absent[0]}; get both lists again.")


def _entries(path: Path) -> list[tuple[str, int]]:
    """A list's paths and labels."""
    import yaml

    from harness.records.run_file import YAML_LOADER  # a safe one: no objects are made

    malformed = UsageError(f"{path} is not YAML with as many `targets` as `data`; get it again, from {SPLITS}.")
    try:
        if path.stat().st_size > LIMIT:
            raise malformed
        content = yaml.load(path.read_text(encoding="utf-8-sig"), YAML_LOADER)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise malformed from error
    if not isinstance(content, dict):
        raise malformed
    data, targets = content.get("data"), content.get("targets")
    if not isinstance(data, list) or not isinstance(targets, list) or not data or len(data) != len(targets):
        raise malformed
    if any(type(entry) is not str for entry in data) or any(type(label) is not int for label in targets):
        raise malformed
    return list(zip(data, targets, strict=True))
