"""Photographs by way of Hugging Face `datasets`: a folder of images or of Parquet files, or a hub id the user names.

A hub id is first fetched as plain files into the local hub cache (from the cache alone where offline), at one commit;
`datasets` then only reads what lies on this machine, by its own readers for these two formats: it runs no code of a
data set's and asks no server. Of a folder of images the manifest holds paths, and `datasets` is not needed any more; of
Parquet it holds rows.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.data.category_words import checked_category, words_of_name
from harness.data.concept_folder import MIN_IMAGES
from harness.data.folder_names import alike_names
from harness.data.manifest import Concept, DataFile, Manifest, Origin, Photo, Table
from harness.data.parquet_rows import offline_datasets
from harness.data.selection import Draw, Watch, natural, photo, photo_file, unwatched
from harness.data.skipped_files import few, few_of
from harness.errors import UsageError, nearest, reason, shortened
from harness.formats.figure_text import counted
from harness.seeds import derive_seed

NOT_STATED = "not stated"  # of a data set's licence
PATTERNS = ["*.parquet", "*.csv", "*.jsonl", "*.md", "LICENSE*"]


@dataclass(frozen=True)
class Columns:
    """Which columns say what. category: one word for all concepts; category_column: a word for each row."""

    concept: str = "label"
    image: str = "image"
    category: str | None = None
    category_column: str | None = None


@dataclass(frozen=True)
class Named:
    """A folder or a hub id as sentences call it: that of `--hf`, or of the line `hf` of a benchmark's `file`."""

    place: str
    file: str = ""

    def __str__(self) -> str:
        return f"{self.file}, hf: {self.place}" if self.file else f"--hf {self.place}"

    def option(self, name: str) -> str:
        """What else the user can say, as 'concept-column'."""
        if not self.file:
            return f"--{name}"
        return "categories" if name == "category" else f"hf.{name.replace('-', '_')}"


def prepare_table(
    name: str,
    place: str,
    columns: Columns,
    draw: Draw,
    *,
    split: str = "train",
    revision: str | None = None,
    concepts: int | None = None,
    only: Sequence[str] | None = None,
    given: Mapping[str, str] | None = None,
    images_per_concept: int | None = None,
    file: str = "",
    offline: bool = True,
    watch: Watch = unwatched,
    notes: list[str] | None = None,
) -> Manifest:
    """The manifest of a benchmark of the user's own.

    Args:
        place: a folder, or a hub id.
        draw: its seed and min_images count.
        concepts: how many to draw (all, in natural order).
        only: these concepts, in this order.
        given: concept -> category word, before what `columns` say.
        images_per_concept: how many to draw of each (all).
        file: the benchmark's file that asks for it, where no options of a command do.
        notes: takes what is odd about images that are used, and which concepts are left out, in sentences.

    Raises:
        UsageError: `datasets` is not installed, the source cannot be read, or it has too little.
    """
    source = Named(place, file)
    folder, commit = _folder(source, revision, offline=offline)
    kind = _kind(folder, source)
    with tempfile.TemporaryDirectory() as scratch:
        # of an image folder the table holds paths only: nothing of it is worth keeping
        table = _load(kind, folder, source, split, scratch if kind == "imagefolder" else None)
        groups = _groups(table, source, columns)
        if only is not None:
            groups = _only(groups, only, source)
        chosen = _choose(groups, source, draw, concepts, images_per_concept)
        if notes is not None and concepts is None and len(chosen) < len(groups):
            kept = {concept for concept, _ in chosen}
            left = [concept for concept in groups if concept not in kept]
            notes.append(f"{counted(len(left), 'concept')} with too few images left out: {few(left)}.")
        rows = [row for _, some in chosen for row in some]
        words = _categories(table, chosen, columns, source, given or {})
        images = _encoded(table, columns.image, source)
        photos = {
            row: _photo(images, row, columns.image, folder, source, notes) for row in watch(rows, "reading images")
        }
        if notes is not None:
            notes += [*alike_names([concept for concept, _ in chosen], "Concepts"), *_again(chosen, photos)]
            if kind == "imagefolder":
                notes += _unlisted(images[columns.image], folder, split, source)
    files = _parquet_of(folder, split, source) if kind == "parquet" else ()
    how = f"{concepts} drawn by seed {draw.seed}" if concepts else "all"
    origin = Origin(
        title=place if commit else folder.name, root=str(folder), terms=_licence(folder), obtain=place,
        drawn=f"concepts of column '{columns.concept}', split '{split}', with {draw.min_images} images or more: {how}; "
        + (f"{images_per_concept} images of each, by seed {draw.seed}" if images_per_concept else "all their images"),
        seed=draw.seed, min_images=draw.min_images, images_per_concept=images_per_concept,
        hub_id=place if commit else "", revision=commit,
        table=Table(split=split, column=columns.image, files=files) if files else None,
    )  # fmt: skip
    tasks = [
        Concept(
            id=concept, name=concept, category=words[concept], origin="hf", images=tuple(photos[row] for row in some)
        )
        for concept, some in chosen
    ]
    return Manifest(name=name, origins={"hf": origin}, tasks=tuple(tasks))


# Where it is


def _folder(source: Named, revision: str | None, *, offline: bool) -> tuple[Path, str]:
    """A data set's folder, and the commit if it came from the hub."""
    path = Path(source.place).expanduser()
    if path.is_dir():
        if revision is not None:
            option = source.option("revision")
            raise UsageError(f"{option} {revision} is for a hub id, and {source.place} is a folder; leave it out.")
        return path.resolve(), ""
    if path.exists() or source.place.startswith((".", "/", "~")) or source.place.count("/") > 1:
        raise UsageError(f"{source} is no folder; give a folder of images or Parquet files, or a hub id.")
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(
            source.place, repo_type="dataset", revision=revision, local_files_only=offline,
            allow_patterns=[*PATTERNS, *(f"*{ending}" for ending in _endings())],
        )  # fmt: skip
    except Exception as error:  # not in the cache, no such id, no network, not allowed
        if offline:
            raise UsageError(
                f"{source} is neither a folder nor a data set in the local hub cache; check the name, or "
                f"{_to_fetch(source)}."
            ) from error
        raise UsageError(
            f"{source} cannot be fetched from the hub ({reason(error)}); check the id, "
            f"{source.option('revision')} and the network."
        ) from error
    return Path(found).resolve(), Path(found).name


def _to_fetch(source: Named) -> str:
    """How a data set that is not here is fetched."""
    if source.file:  # reading a file asks no server: what a benchmark is must not hang on a network
        return f"fetch it with `hf download {source.place} --repo-type dataset`"
    return "allow its download with --no-offline"


def _endings() -> list[str]:
    return [".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".JPG", ".JPEG", ".PNG"]


def _kind(folder: Path, source: Named) -> str:
    """'parquet' or 'imagefolder', by what the folder holds."""
    images = set(_endings())
    found = ""
    for _, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if any(name.endswith(".parquet") for name in names):
            return "parquet"
        found = found or ("imagefolder" if any(Path(name).suffix in images for name in names) else "")
    if not found:
        raise UsageError(
            f"{source} holds neither images nor Parquet files; give a folder with one sub-folder of images per "
            "concept, or a data set in Parquet."
        )
    return found


def _parquet_of(folder: Path, split: str, source: Named) -> tuple[DataFile, ...]:
    """The files of a split, as `datasets` tells them by their names."""
    found = _splits("parquet", folder, source)[split]
    paths = [Path(path) for path in found]
    return tuple(
        DataFile(path=path.relative_to(folder).as_posix(), bytes=path.stat().st_size) for path in sorted(paths)
    )


def _splits(kind: str, folder: Path, source: Named) -> Mapping[str, Sequence[str]]:
    """Split -> its files, none of them outside the folder."""
    try:
        with offline_datasets() as datasets:
            builder = datasets.load_dataset_builder(kind, data_dir=str(folder))
    except UsageError:
        raise
    except Exception as error:
        raise _unreadable(source, error) from error
    found = {str(split): [str(file) for file in files] for split, files in builder.config.data_files.items()}
    for path in (path for files in found.values() for path in files):
        if not Path(path).is_relative_to(folder):
            raise UsageError(f"{source} names {path}, which is not in its folder; remove that.")
    return found


def _load(kind: str, folder: Path, source: Named, split: str, cache: str | None) -> Any:
    """A split as a table."""
    splits = _splits(kind, folder, source)
    if split not in splits:
        raise UsageError(f"{source} has no split '{split}'; use {source.option('split')} {' or '.join(splits)}.")
    try:
        with offline_datasets() as datasets:
            if kind == "parquet":
                files = {split: sorted(splits[split])}
                return datasets.load_dataset(kind, data_files=files, split=split)
            return datasets.load_dataset(kind, data_dir=str(folder), split=split, cache_dir=cache)
    except UsageError:
        raise
    except Exception as error:  # damaged files, tables that do not fit each other
        raise _unreadable(source, error) from error


def _unreadable(source: Named, error: Exception) -> UsageError:
    return UsageError(f"{source} cannot be read ({reason(error)}); check its files.")


# What is in it


def _column(table: Any, name: str, source: Named, option: str) -> None:
    if name not in table.column_names:
        close = nearest(name, table.column_names)
        hint = f"did you mean {' or '.join(close)}?" if close else f"it has {', '.join(table.column_names)}."
        raise UsageError(f"{source} has no column '{name}' for {option}; {hint}")


def _values(table: Any, name: str) -> list[str]:
    """A column as texts; a class label by its name."""
    feature, values = table.features[name], table[name][:]
    if hasattr(feature, "int2str"):
        return ["" if value is None else str(feature.int2str(value)) for value in values]
    return ["" if value is None else str(value) for value in values]


def _groups(table: Any, source: Named, columns: Columns) -> dict[str, list[int]]:
    """Concept -> its rows, in natural order of the concepts."""
    _column(table, columns.image, source, source.option("image-column"))
    _column(table, columns.concept, source, source.option("concept-column"))
    groups: dict[str, list[int]] = {}
    for row, concept in enumerate(_values(table, columns.concept)):
        name = concept.strip()
        if not name or not name.isprintable():
            raise UsageError(f"Row {row} of {source} names no concept in '{columns.concept}'; correct it.")
        groups.setdefault(name, []).append(row)
    return {name: groups[name] for name in sorted(groups, key=natural)}


def _only(groups: Mapping[str, list[int]], only: Sequence[str], source: Named) -> dict[str, list[int]]:
    """These concepts, in this order."""
    for name in only:
        if name not in groups:
            close = nearest(name, groups)
            hint = f"did you mean {' or '.join(map(shortened, close))}?" if close else "remove it."
            raise UsageError(f"{source} has no concept '{shortened(name)}'; {hint}")
        if len(groups[name]) < MIN_IMAGES:
            raise UsageError(
                f"{source} has {counted(len(groups[name]), 'image')} of '{shortened(name)}'; choose another, since a "
                f"concept needs at least {MIN_IMAGES}."
            )
    return {name: groups[name] for name in only}


def _choose(
    groups: Mapping[str, list[int]], source: Named, draw: Draw, concepts: int | None, images: int | None
) -> list[tuple[str, list[int]]]:
    least = max(MIN_IMAGES, draw.min_images, images or 0)
    enough = [name for name, rows in groups.items() if len(rows) >= least]
    if len(enough) < (concepts or 1):
        raise UsageError(
            f"{source} has {counted(len(enough), 'concept')} with at least {least} images, of {len(groups)}, and "
            f"{concepts or 1} are needed; "
            + ("" if source.file else "lower --concepts or --min-images, or ")
            + f"name another {source.option('concept-column')}."
        )
    if concepts is not None:
        enough = sorted(enough, key=lambda name: derive_seed("data", "hf", draw.seed, name))[:concepts]

    def some(name: str) -> list[int]:
        order = sorted(groups[name], key=lambda row: derive_seed("data", "hf", draw.seed, name, row))
        return sorted(order[:images])

    return [(name, some(name)) for name in enough]


def _categories(
    table: Any, chosen: Sequence[tuple[str, list[int]]], columns: Columns, source: Named, given: Mapping[str, str]
) -> Mapping[str, str]:
    """Concept -> category word, those that are `given` first."""
    chosen = [(name, rows) for name, rows in chosen if name not in given]
    return {**given, **_unsaid_categories(table, chosen, columns, source)}


def _unsaid_categories(
    table: Any, chosen: Sequence[tuple[str, list[int]]], columns: Columns, source: Named
) -> Mapping[str, str]:
    """Concept -> category word, by the options, a column or the concept's name."""
    if columns.category is not None:
        word = checked_category(columns.category, "--category")
        return {name: word for name, _ in chosen}
    if columns.category_column is None:
        of_names = {name: words_of_name(name)[0] for name, _ in chosen}
        if wordless := [name for name, words in of_names.items() if not words]:
            raise UsageError(
                f"The concept '{shortened(wordless[0])}' of {source} has no word in its name that says what it "
                "shows; give one with "
                f"{source.option('category')}, or a column of them with {source.option('category-column')}."
            )
        return of_names
    _column(table, columns.category_column, source, source.option("category-column"))
    values = _values(table, columns.category_column)
    found: dict[str, str] = {}
    for name, rows in chosen:
        words = sorted({values[row] for row in rows})
        if len(words) > 1:
            raise UsageError(
                f"{source} gives '{name}' the categories {' and '.join(map(repr, words))}; give it one, or use "
                f"{source.option('category')}."
            )
        found[name] = checked_category(words[0], f"Column '{columns.category_column}' of {source}")
    return found


def _encoded(table: Any, column: str, source: Named) -> Any:
    """The images' column alone, as {"bytes", "path"}."""
    with offline_datasets() as datasets:
        try:
            return table.select_columns([column]).cast_column(column, datasets.Image(decode=False))
        except Exception as error:  # of numbers, say
            raise UsageError(f"Column '{column}' of {source} holds no images; name another one.") from error


def _photo(images: Any, row: int, column: str, folder: Path, source: Named, notes: list[str] | None) -> Photo:
    """A row's image as a manifest's entry: a file of the folder's, or the row."""
    where, value = f"Row {row} of {source}", images[row][column]
    if not value or not (value.get("bytes") or value.get("path")):
        raise UsageError(f"{where} holds no image; remove it.")
    if value.get("bytes"):
        return photo(bytes(value["bytes"]), where, row=row, notes=notes)
    path = Path(value["path"])
    if not path.is_absolute() or not Path(os.path.normpath(path)).is_relative_to(folder):
        raise UsageError(f"{where} names {path}, which is not in its folder; correct it.")
    return photo_file(folder, Path(os.path.normpath(path)).relative_to(folder).as_posix(), notes)


def _again(chosen: Sequence[tuple[str, list[int]]], photos: Mapping[int, Photo]) -> list[str]:
    """Sentences on files that stand in several rows: in one concept each counts, in two one is wrong."""
    rows: dict[str, list[tuple[str, int]]] = {}
    for concept, some in chosen:
        for row in some:
            rows.setdefault(photos[row].sha256, []).append((concept, row))
    inside, across = list[str](), list[str]()
    for found in rows.values():
        concepts = list(dict.fromkeys(concept for concept, _ in found))
        if len(found) > len(concepts):
            inside.append(
                f"rows {' and '.join(str(row) for _, row in found)} of {' and '.join(map(shortened, concepts))}"
            )
        if len(concepts) > 1:
            across.append(
                f"rows {' and '.join(str(row) for _, row in found)} ({' and '.join(map(shortened, concepts))})"
            )
    said: list[str] = []
    if inside:
        number = counted(len(inside), "picture is", "pictures are")
        said.append(f"{number} more than once in a concept, and each counts: {few_of(inside)}; remove the others.")
    if across:
        number = counted(len(across), "picture is", "pictures are")
        said.append(
            f"{number} in more than one concept, and right in one at most: {few_of(across)}; remove the others."
        )
    return said


def _unlisted(images: Sequence[Mapping[str, Any]], folder: Path, split: str, source: Named) -> list[str]:
    """A sentence on images of a split in a folder that has a table, but no row for them."""
    listed = {os.path.normpath(image["path"]) for image in images if image and image.get("path")}
    endings = {ending.lower() for ending in _endings()}
    there = [path for path in _splits("imagefolder", folder, source)[split] if Path(path).suffix.lower() in endings]
    missing = sorted(path for path in map(os.path.normpath, there) if path not in listed)
    if not missing:
        return []
    names = few([Path(path).relative_to(folder).as_posix() for path in missing])
    number = counted(len(missing), "image is", "images are")
    return [
        f"{number} in no row of the table in {shortened(folder)}, and not used: {names}; add rows for what is meant."
    ]


def _licence(folder: Path) -> str:
    """What the data set's card says of its licence."""
    if not (folder / "README.md").is_file():
        return NOT_STATED
    try:
        from huggingface_hub import DatasetCard

        licence = DatasetCard.load(folder / "README.md").data.to_dict().get("license")
    except Exception:  # a card that cannot be read
        licence = None
    words = licence if isinstance(licence, list) else [licence] if licence else []
    return ", ".join(str(word) for word in words) or NOT_STATED
