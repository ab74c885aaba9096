"""The `train` set of Google Landmarks Dataset v2: its waterfalls.

    DIR/train_clean.csv, else DIR/train.csv       landmark_id,images (ids with spaces between); id,url,landmark_id
    DIR/train_attribution.csv                     id,url,author,license,title
    DIR/train_label_to_hierarchical.csv, else     landmark_id,category,supercategory,hierarchical_label,...
    DIR/train_label_to_category.csv               landmark_id,category: the URL of a category of Wikimedia Commons
    DIR/train/a/b/c/abc0123456789def.jpg          or DIR/a/b/c/..., unpacked from images_000.tar to images_499.tar

The tables may also lie in DIR/metadata, as on the server. Waterfalls are the landmarks with 'waterfall' in their
supercategory or hierarchical label; where that table is absent, those with a word that ends in 'fall' or 'falls' in
the name of their category.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from benchmarks.paper_data.tables import rows
from harness.data.manifest import Credit
from harness.data.selection import Listed, Survey, Watch, natural
from harness.errors import UsageError

CLEAN, TRAIN = "train_clean.csv", "train.csv"
CREDITS = "train_attribution.csv"
HIERARCHY, CATEGORY = "train_label_to_hierarchical.csv", "train_label_to_category.csv"
ID = re.compile(r"[0-9a-f]{16}")
FALLS = re.compile(r"falls?\b", re.IGNORECASE)
SITE = "github.com/cvdfoundation/google-landmark"


@dataclass(frozen=True)
class GoogleLandmarks:
    """4.1 million photographs of 203,000 landmarks; here only the waterfalls."""

    key: str = "gldv2"
    title: str = "Google Landmarks v2"
    category: str = "waterfall"
    list_option: str = "landmarks"
    obtain: str = f"the tables and the TAR files of the train set, by way of {SITE}"
    terms: str = "each image under its own Creative Commons licence, which asks for attribution; tables CC BY 4.0"
    citation: str = "Weyand et al., Google Landmarks Dataset v2, CVPR 2020"
    people: bool = False

    def survey(self, root: Path, watch: Watch) -> Survey:
        """Waterfalls and their images.

        Raises:
            UsageError: the folder is not that of the train set, a table is missing or cut off, or no image is unpacked.
        """
        if not root.is_dir():
            raise UsageError(f"--gldv2 {root} is no folder; give the one that holds train.csv and the folder train.")
        listing = _table(root, CLEAN) or _table(root, TRAIN)
        if listing is None:
            hint = f"give {root.parent}" if _table(root.parent, TRAIN) or _table(root.parent, CLEAN) else (
                f"get the tables of the train set from {SITE} and put them there"
            )  # fmt: skip
            raise UsageError(f"--gldv2 {root} has neither {CLEAN} nor {TRAIN}; {hint}.")
        credits = _table(root, CREDITS)
        if credits is None:
            raise UsageError(
                f"--gldv2 {root} has no {CREDITS}, and the images' licences ask for attribution; get it from {SITE}."
            )
        names, how = _waterfalls(root, watch)
        images = _images(listing, names, watch)
        prefix = _prefix(root)
        return Survey(
            root=root,
            concepts={
                landmark: Listed(landmark, names[landmark], tuple(sorted(images[landmark])))
                for landmark in sorted(images, key=natural)
            },
            basis=f"{listing.name} and {how}",
            locate=lambda one: f"{prefix}{one[0]}/{one[1]}/{one[2]}/{one}.jpg",
            missing=f"unpack the train set's other TAR files (images_000.tar to images_499.tar) into {root}/train.",
            credits=lambda chosen: _credits(credits, chosen, watch),
        )


GLDV2 = GoogleLandmarks()


def _table(root: Path, name: str) -> Path | None:
    places = (root / name, root / "metadata" / name)
    return next((path for path in places if path.is_file()), None)


def _prefix(root: Path) -> str:
    """Where the images' folders begin: 'train/', or nothing.

    Raises:
        UsageError: there are none.
    """
    for prefix in ("train/", ""):
        if any((root / prefix / letter).is_dir() for letter in "0123456789abcdef"):
            return prefix
    archives = sorted([*root.glob("*.tar"), *root.glob("train/*.tar")])
    if archives:
        raise UsageError(
            f"{archives[0]} is not unpacked; unpack the TAR files, so that images lie at {root}/train/0/1/2/ID.jpg."
        )
    if (root / "index").is_dir() or (root / "test").is_dir():
        raise UsageError(
            f"--gldv2 {root} has images of the index or test set only; get the TAR files of the train set."
        )
    raise UsageError(
        f"--gldv2 {root} has no images at {root}/train/0/1/2/ID.jpg; get the TAR files of the train set from {SITE} "
        "and unpack them there."
    )


def _landmark(text: str, line: int, path: Path) -> str:
    if not text.strip().isdecimal():
        raise UsageError(f"Line {line} of {path} has the landmark_id '{text[:40]}', no number; download it again.")
    return str(int(text))


def _waterfalls(root: Path, watch: Watch) -> tuple[Mapping[str, str], str]:
    """Landmark -> its name, of every waterfall; and by which table."""
    path = _table(root, HIERARCHY)
    found: dict[str, str] = {}
    if path is not None:
        columns = ("landmark_id", "category", "supercategory", "hierarchical_label")
        for line, (landmark, category, above, label) in rows(path, columns, watch):
            if "waterfall" in f"{above} {label}".lower():
                found[_landmark(landmark, line, path)] = _name(category)
    else:
        path = _table(root, CATEGORY)
        if path is None:
            raise UsageError(
                f"--gldv2 {root} has neither {HIERARCHY} nor {CATEGORY}, which say what is a waterfall; get them from "
                f"{SITE}."
            )
        for line, (landmark, category) in rows(path, ("landmark_id", "category"), watch):
            if FALLS.search(_name(category)):
                found[_landmark(landmark, line, path)] = _name(category)
    if not found:
        raise UsageError(f"{path} lists no waterfall; get it again from {SITE}.")
    return found, path.name


def _name(category: str) -> str:
    """'Niagara Falls', of the category's URL at Wikimedia Commons."""
    return " ".join(unquote(category.rpartition("Category:")[2]).replace("_", " ").split()) or "waterfall"


def _images(path: Path, wanted: Mapping[str, str], watch: Watch) -> dict[str, set[str]]:
    """Landmark -> ids of its images."""
    found: dict[str, set[str]] = {}
    clean = path.name == CLEAN
    for line, (landmark, images) in rows(path, ("landmark_id", "images" if clean else "id"), watch):
        number = _landmark(landmark, line, path)
        if number not in wanted:
            continue
        for image in images.split():
            if not ID.fullmatch(image):
                raise UsageError(
                    f"Line {line} of {path} has the image id '{image[:40]}', not 16 hexadecimal digits (cut off?); "
                    "download it again."
                )
            found.setdefault(number, set()).add(image)
    return found


def _credits(path: Path, chosen: Sequence[str], watch: Watch) -> Mapping[str, Credit]:
    """Image -> whom it is owed to.

    Raises:
        UsageError: one is not listed.
    """
    wanted = set(chosen)
    found: dict[str, Credit] = {}
    for _, (image, url, author, licence, title) in rows(path, ("id", "url", "author", "license", "title"), watch):
        if image in wanted:
            found[image] = Credit(author=author, licence=licence, title=title, url=url)
            if len(found) == len(wanted):
                break
    for image in chosen:
        if image not in found:
            raise UsageError(
                f"{path} does not list image {image}, whose licence asks for attribution; it is cut off: download it "
                "again."
            )
    return found
