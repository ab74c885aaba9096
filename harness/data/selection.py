"""Choosing concepts and images of published data sets, by a seed or by the user's list, and checking every one.

A reader of one data set's files is a `PhotoSet`; it knows the format and says what is wrong with a copy.
What is the same for all is here: the draw, the decoding, the hashes, and the manifest that comes of it.

The draw: concepts with enough images are sorted by a hash of (data set, seed, concept), and the first n are taken;
images within a concept likewise, and are then put in the order of their names. So a longer sequence begins with the
concepts of a shorter one, and what else a data set holds does not change which of two concepts comes first.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from harness.data.manifest import Concept, Credit, Manifest, Origin, Part, Photo, parse_manifest
from harness.errors import UsageError, presentable
from harness.seeds import derive_seed

T = TypeVar("T")

MIN_IMAGES = 15  # C-LoRA's rule, as reported; the STAMINA paper's own is in a supplement that we could not read
IMAGES_PER_CONCEPT = 15  # ours: as many as every eligible concept has, so that all estimates have the same n


class Watch(Protocol):
    """Hands items on, and may show how far it is."""

    def __call__(self, items: Iterable[T], label: str, total: int | None = None) -> Iterable[T]:
        """The same items; `total` of them, if known."""
        ...


def unwatched(items: Iterable[T], label: str, total: int | None = None) -> Iterable[T]:
    """Shows nothing."""
    return items


@dataclass(frozen=True)
class Listed:
    """A concept as the data set's tables list it: its id, a name for it, and the ids of its images."""

    id: str
    name: str
    images: tuple[str, ...]


@dataclass(frozen=True)
class Survey:
    """What a copy of a data set lists.

    basis: which of its files say so, in words. locate: image id -> path under `root`, with '/'.
    missing: what to do about an image that is not there, as the end of a sentence.
    """

    root: Path
    concepts: Mapping[str, Listed]
    basis: str
    locate: Callable[[str], str]
    missing: str
    credits: Callable[[Sequence[str]], Mapping[str, Credit]]


class Published(Protocol):
    """A published data set: what it is called, and where and how it is to be had."""

    @property
    def key(self) -> str:
        """Its option on the command line, without dashes."""
        ...

    @property
    def title(self) -> str:
        """Its name in a sentence."""
        ...

    @property
    def obtain(self) -> str:
        """Where it is to be had."""
        ...

    @property
    def terms(self) -> str:
        """Under which terms."""
        ...

    @property
    def citation(self) -> str:
        """The papers."""
        ...


class PhotoSet(Published, Protocol):
    """A published data set of concepts in its own file format; its `key` is its origin in a manifest, too."""

    @property
    def category(self) -> str:
        """The category word of its concepts."""
        ...

    @property
    def list_option(self) -> str:
        """The option that takes a list of its concepts, without dashes: what they are, in the plural."""
        ...

    @property
    def people(self) -> bool:
        """Whether it shows people."""
        ...

    def survey(self, root: Path, watch: Watch) -> Survey:
        """Read its tables.

        Raises:
            UsageError: the folder is not a whole copy of the data set; the sentence says what to do.
        """
        ...


@dataclass(frozen=True)
class Draw:
    """How concepts and images are chosen."""

    seed: int = 0
    min_images: int = MIN_IMAGES
    images_per_concept: int = IMAGES_PER_CONCEPT

    def check(self) -> None:
        """Raises `UsageError` where no concept could have enough images."""
        if self.images_per_concept > self.min_images:
            raise UsageError(
                f"--images-per-concept {self.images_per_concept} is more than --min-images {self.min_images} promises; "
                "raise that one, too."
            )


def prepare(
    name: str,
    parts: Sequence[Part],
    roots: Mapping[str, Path],
    draw: Draw,
    lists: Mapping[str, Path],
    watch: Watch = unwatched,
    notes: list[str] | None = None,
) -> Manifest:
    """The manifest of a benchmark: concepts of each part in turn, every image decoded and hashed once.

    Args:
        roots: data set's key -> folder. lists: data set's key -> file with the concepts' ids, instead of a draw.
        notes: takes what is odd about images that are used, in sentences.

    Raises:
        UsageError: a folder is no whole copy, has too few concepts, or an image cannot be used.
    """
    draw.check()
    origins: dict[str, Origin] = {}
    sequences: list[list[Concept]] = []
    for part in parts:
        listing, found = lists.get(part.photo_set.key), part.photo_set.survey(roots[part.photo_set.key], watch)
        if listing is None:
            chosen = drawn(part, found, draw)
            many = sum(len(concept.images) >= draw.min_images for concept in found.concepts.values())
            how = f"{part.concepts} of the {many} with at least {draw.min_images} images, by seed {draw.seed}"
        else:
            chosen = listed(part, found, draw, listing)
            how = f"the {part.concepts} that {listing.name} lists"
        origins[part.photo_set.key] = Origin(
            title=part.photo_set.title, root=str(found.root.resolve()), terms=part.photo_set.terms,
            citation=part.photo_set.citation, obtain=part.photo_set.obtain, people=part.photo_set.people,
            drawn=f"{part.photo_set.list_option} by {found.basis}: {how}; {draw.images_per_concept} images of each, "
            f"by seed {draw.seed}", seed=draw.seed, min_images=draw.min_images,
            images_per_concept=draw.images_per_concept,
        )  # fmt: skip
        sequences.append(_checked(part.photo_set, found, chosen, draw, watch, notes))
    return Manifest(name=name, origins=origins, tasks=tuple(_in_turn(sequences)))


def drawn(part: Part, found: Survey, draw: Draw) -> list[Listed]:
    """The first of the concepts with enough images, in the order of the draw.

    Raises:
        UsageError: there are too few.
    """
    enough = [concept for concept in found.concepts.values() if len(concept.images) >= draw.min_images]
    if len(enough) < part.concepts:
        what = part.photo_set.list_option
        raise UsageError(
            f"{found.root} lists {len(enough)} {what} with at least {draw.min_images} images, of "
            f"{len(found.concepts)}, and {part.concepts} are needed; use a whole copy of {part.photo_set.title}, or "
            "lower --min-images."
        )
    key = part.photo_set.key
    return sorted(enough, key=lambda concept: derive_seed("data", key, draw.seed, concept.id))[: part.concepts]


def listed(part: Part, found: Survey, draw: Draw, path: Path) -> list[Listed]:
    """The concepts that a file lists, in its order: one id a line, '#' begins a comment; or another's manifest.

    Raises:
        UsageError: the file cannot be read, has a wrong number of ids, one twice, one unknown, or one with too few
            images.
    """
    option = f"--{part.photo_set.list_option}"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{option} {path} cannot be read as text; give a file with one id per line.") from error
    if path.suffix == ".json":
        tasks = parse_manifest(text, path).tasks
        ids = [task.id for task in tasks if task.origin == part.photo_set.key]
    else:
        ids = [word for line in text.splitlines() if (word := line.partition("#")[0].strip())]
    for one, count in Counter(ids).items():
        if one not in found.concepts:
            raise UsageError(f"{option} {path} lists '{one}', which {found.root} does not have; correct it.")
        if count > 1:
            raise UsageError(f"{option} {path} lists '{one}' more than once; remove the repetition.")
        if (has := len(found.concepts[one].images)) < draw.images_per_concept:
            raise UsageError(
                f"{option} {path} lists '{one}', which has only {has} images; choose another, or lower "
                "--images-per-concept."
            )
    if len(ids) != part.concepts:
        raise UsageError(f"{option} {path} lists {len(ids)} ids, and {part.concepts} are needed; correct it.")
    return [found.concepts[one] for one in ids]


def natural(text: str) -> list[tuple[str, int]]:
    """Sort key by which 'task2' comes before 'task10'."""
    return [(word, int(digits) if digits else -1) for word, digits in re.findall(r"(\D*)(\d*)", text)]


def photo(
    data: bytes, where: object, path: str = "", row: int | None = None, mtime_ns: int = 0,
    notes: list[str] | None = None,
) -> Photo:  # fmt: skip
    """A manifest's entry of an encoded image, decoded once to see that it is whole; `notes` takes what is odd.

    Raises:
        UsageError: it is no image that can be used.
    """
    from harness.data.images.decoding import examine_image

    found = examine_image(io.BytesIO(data), where)
    if notes is not None:
        notes += found.notes
    return Photo(
        path=path, row=row, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data), mtime_ns=mtime_ns,
        width=found.width, height=found.height, decoding=found.decoding,
    )  # fmt: skip


def photo_file(root: Path, path: str, notes: list[str] | None = None) -> Photo:
    """The same of a file under `root`.

    Raises:
        UsageError: it is missing, or no image that can be used.
    """
    place = root / path
    if not place.is_file():
        raise UsageError(f"{place} does not exist or is no file; restore it.")
    try:
        mtime_ns, data = place.stat().st_mtime_ns, place.read_bytes()
    except OSError as error:
        raise UsageError(f"{place} cannot be read ({error.strerror}); check its permissions.") from error
    return photo(data, place, path, mtime_ns=mtime_ns, notes=notes)


def _checked(
    photo_set: PhotoSet, found: Survey, chosen: Sequence[Listed], draw: Draw, watch: Watch, notes: list[str] | None
) -> list[Concept]:
    """The concepts with their chosen images, each decoded once."""
    picked: list[tuple[Listed, list[str]]] = []
    for concept in chosen:
        order = sorted(concept.images, key=lambda one: derive_seed("data", photo_set.key, draw.seed, concept.id, one))
        picked.append((concept, sorted(order[: draw.images_per_concept], key=natural)))
    images = [image for _, some in picked for image in some]
    absent = [path for image in images if not (path := found.root / found.locate(image)).is_file()]
    if absent:
        more = f", as are {len(absent) - 1} more of the {len(images)} chosen images" if len(absent) > 1 else ""
        raise UsageError(f"{absent[0]} is missing{more}; {found.missing}")
    credits = found.credits(images)
    photos = {
        image: photo_file(found.root, found.locate(image), notes).model_copy(update={"credit": credits.get(image)})
        for image in watch(images, f"reading images of {photo_set.title}", len(images))
    }
    names = Counter(concept.name for concept, _ in picked)
    return [
        Concept(
            id=concept.id, category=photo_set.category, origin=photo_set.key,
            name=presentable(concept.name if names[concept.name] == 1 else f"{concept.name} ({concept.id})"),
            images=tuple(photos[image] for image in some),
        )
        for concept, some in picked
    ]  # fmt: skip


def _in_turn(sequences: Sequence[Sequence[Concept]]) -> list[Concept]:
    """The first of each, the second of each, ..."""
    longest = max(map(len, sequences))
    return [sequence[k] for k in range(longest) for sequence in sequences if k < len(sequence)]
