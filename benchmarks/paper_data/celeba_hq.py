"""CelebA-HQ, as its archive CelebAMask-HQ.zip has it, and CelebA's identities.

DIR/CelebA-HQ-img/0.jpg ... 29999.jpg         or named by the CelebA number: 000001.jpg ...
DIR/CelebA-HQ-to-CelebA-mapping.txt           a header, then `idx orig_idx orig_file` a line, any spaces
DIR/identity_CelebA.txt                       `000001.jpg 2880` a line; also in DIR/Anno, as CelebA has it
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.data.manifest import Credit
from harness.data.selection import Listed, Survey, Watch, natural
from harness.errors import UsageError

IMAGES, MAPPING, IDENTITIES = "CelebA-HQ-img", "CelebA-HQ-to-CelebA-mapping.txt", "identity_CelebA.txt"
HEADER = ["idx", "orig_idx", "orig_file"]
FILE = re.compile(r"\d{6}\.jpg")


@dataclass(frozen=True)
class CelebAHQ:
    """30,000 faces at 1024 px of some 6,200 people."""

    key: str = "celeba-hq"
    title: str = "CelebA-HQ"
    category: str = "person"
    list_option: str = "people"
    obtain: str = (
        "CelebAMask-HQ.zip, by way of github.com/switchablenorms/CelebAMask-HQ, and identity_CelebA.txt of CelebA "
        "(mmlab.ie.cuhk.edu.hk/projects/CelebA.html)"
    )
    terms: str = "non-commercial research only, no copy to be passed on (the agreements of CelebA and CelebAMask-HQ)"
    citation: str = (
        "Karras et al., Progressive Growing of GANs, ICLR 2018; Lee et al., MaskGAN, CVPR 2020; "
        "Liu et al., Deep Learning Face Attributes in the Wild, ICCV 2015"
    )
    people: bool = True

    def survey(self, root: Path, watch: Watch) -> Survey:
        """People and their images, by joining the mapping with the identities.

        Raises:
            UsageError: the folder is not that of CelebA-HQ, a file is missing, or two do not fit each other.
        """
        folder = _images(root)
        identities = _identities(_file(root, IDENTITIES, ("", "Anno")))
        mapping = _mapping(_file(root, MAPPING, ("",)))
        names = _names(folder, mapping)
        people: dict[str, list[str]] = {}
        for idx, file in mapping.items():
            if file not in identities:
                raise UsageError(
                    f"{IDENTITIES} does not list {file}, which {root / MAPPING} names for image {idx}; "
                    "one of them is cut off or of another data set: get it again."
                )
            people.setdefault(identities[file], []).append(idx)
        return Survey(
            root=root,
            concepts={
                person: Listed(person, f"person {person}", tuple(sorted(people[person], key=natural)))
                for person in sorted(people, key=natural)
            },
            basis="identity_CelebA.txt",
            locate=lambda idx: f"{IMAGES}/{names[idx]}",
            missing=f"unpack CelebAMask-HQ.zip again, all of {IMAGES}.",
            credits=_credits,
        )


CELEBA_HQ = CelebAHQ()


def _credits(images: Sequence[str]) -> Mapping[str, Credit]:
    """The set names no photographers, only the terms for all."""
    return {image: Credit(licence=CELEBA_HQ.terms, title=f"CelebA-HQ {image}") for image in images}


def _images(root: Path) -> Path:
    """The folder of the images; every way to name another one has its sentence."""
    if not root.is_dir():
        raise UsageError(f"--celeba-hq {root} is no folder; give the one that holds {IMAGES} and {MAPPING}.")
    if (root / IMAGES).is_dir():
        return root / IMAGES
    if root.name == IMAGES:
        raise UsageError(f"--celeba-hq {root} is the folder of the images; give the one above it.")
    inner = [folder for folder in sorted(root.iterdir()) if (folder / IMAGES).is_dir()]
    if inner:
        raise UsageError(f"--celeba-hq {root} has no {IMAGES}, but {inner[0].name} in it has; give {inner[0]}.")
    archives = sorted(path.name for path in root.glob("*.zip"))
    if archives:
        raise UsageError(f"--celeba-hq {root} has no {IMAGES}, but {archives[0]}; unpack that first.")
    raise UsageError(
        f"--celeba-hq {root} has no {IMAGES}; get {CELEBA_HQ.obtain} (terms: {CELEBA_HQ.terms}) and unpack it."
    )


def _file(root: Path, name: str, places: Sequence[str]) -> Path:
    for place in places:
        if (root / place / name).is_file():
            return root / place / name
    if name == IDENTITIES:
        raise UsageError(
            f"{root} has no {name}, which says who is on which image; put CelebA's (Anno/{name}, from its authors for "
            "research: mmlab.ie.cuhk.edu.hk/projects/CelebA.html) there."
        )
    raise UsageError(f"{root} has no {name}; it comes with {IMAGES} in CelebAMask-HQ.zip: put it there.")


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as text; get it again.") from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, line.split()


def _identities(path: Path) -> dict[str, str]:
    """CelebA's file -> person."""
    found: dict[str, str] = {}
    for number, words in _lines(path):
        if len(words) != 2 or not FILE.fullmatch(words[0]) or not words[1].isdecimal():
            raise UsageError(f"Line {number} of {path} does not read like '000001.jpg 2880'; get the file again.")
        found[words[0]] = str(int(words[1]))
    if not found:
        raise UsageError(f"{path} is empty; get the file again.")
    return found


def _mapping(path: Path) -> dict[str, str]:
    """CelebA-HQ's number -> CelebA's file."""
    found: dict[str, str] = {}
    for number, words in _lines(path):
        if number == 1 and words == HEADER:
            continue
        if len(words) != 3 or not (words[0] + words[1]).isdecimal() or not FILE.fullmatch(words[2]):
            raise UsageError(
                f"Line {number} of {path} does not read like '0 119613 119614.jpg' (cut off?); get the file again."
            )
        idx = str(int(words[0]))
        if idx in found:
            raise UsageError(f"Line {number} of {path} names image {idx} a second time; get the file again.")
        found[idx] = words[2]
    if not found:
        raise UsageError(f"{path} lists no image; get the file again.")
    return found


def _names(folder: Path, mapping: Mapping[str, str]) -> Mapping[str, str]:
    """CelebA-HQ's number -> the file's name, by the way of naming that this copy has.

    Raises:
        UsageError: the folder has no images, none that the mapping names, or some that it does not name.
    """
    there = {path.name for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".png")}
    if not there:
        raise UsageError(f"{folder} holds no images; unpack CelebAMask-HQ.zip again, all of {IMAGES}.")
    ways = [
        {idx: f"{idx}.jpg" for idx in mapping},
        dict(mapping),
        {idx: f"{int(idx):05d}.jpg" for idx in mapping},
        {idx: f"{idx}.png" for idx in mapping},
    ]
    best = max(ways, key=lambda way: len(there.intersection(way.values())))
    known = there.intersection(best.values())
    if not known:
        raise UsageError(
            f"{folder} holds no image that {MAPPING} names, such as {next(iter(ways[0].values()))}; "
            "the two are not of one data set: get both from CelebAMask-HQ.zip."
        )
    extra = sorted(there - known, key=natural)
    if extra:
        raise UsageError(
            f"{MAPPING} does not name {extra[0]} in {folder}, nor {len(extra) - 1} others; it is cut off or of another "
            "copy: get it again."
        )
    return best
