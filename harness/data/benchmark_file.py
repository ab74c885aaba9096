"""A benchmark of the user's own photographs as a YAML file says: which concepts, in which order, under which words.

    name: pets
    photos: photos          # a folder beside the file, with one sub-folder per concept
    concepts: [max, tabby]  # these, in this order
    categories: {max: dog, tabby: cat}
    holdout: 2              # of each concept, measured against instead of trained on

In the place of `photos` can stand a data set: `hf: {data: FOLDER_OR_HUB_ID, concept_column: label}`.
docs/schema/benchmark.schema.json is for editors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import yaml
from pydantic import ConfigDict, Field, ValidationError, field_validator

from harness.data.category_words import Category, checked_category
from harness.data.concept_folder import MIN_IMAGES, checked, read_photos
from harness.data.doubled_words import doubled
from harness.data.folder_benchmark import PhotoTasks
from harness.data.hf_datasets import NOT_STATED, Columns, prepare_table
from harness.data.holdout import LEAST, hold_out
from harness.data.image_folders import CATEGORIES_FILE, composed, entries
from harness.data.manifest import ManifestTasks
from harness.data.selection import Draw, Watch, unwatched
from harness.data.skipped_files import first_ones
from harness.errors import UsageError, nearest, shortened
from harness.formats.yaml_text import DoubleKeyError, load_yaml
from harness.registry import NAME
from harness.spec import EDITS, Benchmark, Frozen

_WHOLE_PROMPT = re.compile(r"\s*(?:an? )?(?:photo|photograph|picture|image|painting) of ", re.IGNORECASE)


class HubImages(Frozen):
    """Images by Hugging Face `datasets`, as of `data prepare --hf`."""

    data: str = Field(
        min_length=1, description="a folder of images or Parquet files, from the file's own folder, or a hub id"
    )
    revision: str | None = Field(None, description="commit, tag or branch of a hub id")
    split: str = Field("train", description="which one to use")
    concept_column: str = Field("label", description="names the concept")
    image_column: str = Field("image", description="holds the image")
    category_column: str | None = Field(
        None, description="holds the category word; by default it is the concept's name"
    )


class BenchmarkFile(Frozen):
    """What such a file may say; of `photos` and `hf` one."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["photos"]}, {"required": ["hf"]}]})

    name: str = Field(pattern=f"^{NAME.pattern}$", description="what tables call it")
    title: str = Field("", description="what captions call it; by default its name")
    summary: str = "the user's own photographs"
    photos: str = Field("", description="the folder with one sub-folder per concept, from the file's own folder")
    hf: HubImages | None = Field(None, description="a data set instead of `photos`")
    concepts: tuple[str, ...] | None = Field(
        None, min_length=1, description="the concepts to learn, in this order; by default all, by their names"
    )
    categories: Mapping[str, str] = Field({}, description="concept -> category word, instead of its name's")
    holdout: int | None = Field(
        None, ge=LEAST, description="images of each concept that are not trained on, but measured against"
    )
    composition: str = Field(
        "a photo of {0} next to {1}", description="a prompt with two concepts, drawn in the end; empty for none"
    )
    edits: Mapping[str, tuple[str, ...]] = Field(
        EDITS, description="what metrics of edited prompts add to a prompt, by category word; '': of all others"
    )

    @field_validator("composition")
    @classmethod
    def _both_concepts(cls, text: str) -> str:
        if text and not ("{0}" in text and "{1}" in text):
            raise ValueError("must hold {0} and {1}, one for each concept, or be empty")
        return text

    @field_validator("edits")
    @classmethod
    def _words_to_add(cls, edits: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        for edit in (each for own in edits.values() for each in own):
            if "{" in edit or _WHOLE_PROMPT.match(edit):
                raise ValueError(
                    f"holds {shortened(edit)!r}, a whole prompt, and edits are words that are added to one; write 'in "
                    "the snow', say"
                )
        return edits

    licence: str = Field("", description="whose photographs these are, and on which terms")
    citation: str = ""


def file_benchmark(
    path: Path, tier: str, watch: Watch = unwatched, min_side: int | None = None, *, holdout: int | None = None
) -> Benchmark:
    """The benchmark that a file describes, at any tier.

    Args:
        watch: shows how far the reading is. min_side: pixels that an image's shorter side needs; None for the decoder's
            default. holdout: as of `--holdout`, which comes before the file's.

    Raises:
        UsageError: the file says something that cannot be used, or a photograph cannot; every image is opened first.
    """
    from harness import registry

    said = _read(path)
    if said.name in registry.benchmarks().names():
        raise UsageError(f"{shortened(path)} is called '{said.name}', as a benchmark that is there; give another name.")
    tasks = _table_tasks(path, said, watch, min_side) if said.hf else _folder_tasks(path, said, watch, min_side)
    words = {"", *(task.category for task in tasks.tasks())}
    for word in said.edits if "edits" in said.model_fields_set else ():
        if word not in words:
            known = ", ".join(shortened(each) for each in sorted(words) if each)
            raise UsageError(
                f"{shortened(path)} has edits for '{shortened(word)}', which is no concept's category word; use one of "
                f"{known}, or '' for all."
            )
    found = Benchmark(
        name=said.name, title=said.title or said.name, summary=said.summary, sources={tier: tasks},
        licence=said.licence or _terms(tasks), citation=said.citation, composition=said.composition, edits=said.edits,
        tuning=True,
    )  # fmt: skip
    if holdout is not None:
        return hold_out(found, tier, holdout)
    return found if said.holdout is None else _held_out(path, found, tier, said.holdout)


def _held_out(path: Path, benchmark: Benchmark, tier: str, count: int) -> Benchmark:
    try:
        return hold_out(benchmark, tier, count)
    except UsageError as error:
        text = str(error).replace(f"--holdout {count}", f"{shortened(path)}, holdout: {count}", 1)
        raise UsageError(text) from None


def _terms(tasks: PhotoTasks | ManifestTasks) -> str:
    """What a data set's card says of its licence."""
    origins = tasks.manifest.origins.values() if isinstance(tasks, ManifestTasks) else ()
    return "; ".join(origin.terms for origin in origins if origin.terms != NOT_STATED)


def _table_tasks(path: Path, said: BenchmarkFile, watch: Watch, min_side: int | None) -> ManifestTasks:
    """The concepts of a data set by `datasets`."""
    assert said.hf is not None
    if min_side is not None:
        raise UsageError(f"--min-side is for a folder of your own images, and {shortened(path)} names a data set.")
    if said.concepts is not None and len(set(said.concepts)) < len(said.concepts):
        raise UsageError(f"{shortened(path)} names a concept twice; name each once.")
    beside = path.parent / Path(said.hf.data).expanduser()
    notes: list[str] = []
    manifest = prepare_table(
        said.name, str(beside) if beside.is_dir() else said.hf.data,
        Columns(said.hf.concept_column, said.hf.image_column, category_column=said.hf.category_column),
        Draw(min_images=MIN_IMAGES, images_per_concept=MIN_IMAGES), split=said.hf.split, revision=said.hf.revision,
        only=said.concepts, given=_categories(path, said), file=shortened(path), watch=watch, notes=notes,
    )  # fmt: skip
    names = [task.name for task in manifest.tasks]
    for name in said.categories:
        if name not in names:
            raise _no_concept(path, name, said.hf.data, names)
    notes += _doubled(path, said, [task.category for task in manifest.tasks])
    return ManifestTasks(manifest, tuple(first_ones(notes)))


def _doubled(path: Path, said: BenchmarkFile, words: Sequence[str]) -> list[str]:
    """Sentences on category words that the file writes again beside one; its own edits alone are meant."""
    edits = said.edits if "edits" in said.model_fields_set else {}
    return doubled(shortened(path), said.composition, edits, words)


def _categories(path: Path, said: BenchmarkFile) -> dict[str, str]:
    return {
        name: checked_category(word, f"{shortened(path)}, categories.{name},") for name, word in said.categories.items()
    }


def _no_concept(path: Path, name: str, place: str, known: Sequence[str]) -> UsageError:
    close = nearest(name, known)
    hint = f"did you mean {' or '.join(map(shortened, close))}?" if close else "remove it."
    return UsageError(f"{shortened(path)} names '{shortened(name)}', which is no concept in {place}; {hint}")


def _folder_tasks(path: Path, said: BenchmarkFile, watch: Watch, min_side: int | None) -> PhotoTasks:
    """The concepts of a folder of photographs."""
    given = {composed(name): Category(word, path.name) for name, word in _categories(path, said).items()}
    wanted = None if said.concepts is None else tuple(map(composed, said.concepts))
    if wanted is not None and len(set(wanted)) < len(wanted):
        raise UsageError(f"{shortened(path)} names a concept twice; name each once.")
    reading = read_photos(path.parent / said.photos, given=given, only=wanted)
    remarks = (*reading.remarks, *_doubled(path, said, [concept.category for concept in reading.concepts]))
    reading = replace(reading, notes=(*reading.notes, *_tables_beside(path, reading.folder)), remarks=remarks)
    names = {concept.name for concept in reading.concepts}
    folders = [composed(each.name) for each in reading.folder.iterdir() if each.is_dir()]
    for name in dict.fromkeys((*(wanted or ()), *given)):
        if name not in names and (name in (wanted or ()) or name not in folders):
            raise _no_concept(path, name, said.photos, folders)
    return PhotoTasks(checked(reading, watch, min_side))


def _tables_beside(path: Path, photos: Path) -> list[str]:
    """A sentence on a table of category words that lies beside the file, and not in its folder of photographs."""
    if path.parent.resolve() == photos.resolve():
        return []
    return [
        f"{shortened(each)} is not read, as it is not in {shortened(photos)}; move it there, or write its words under "
        f"'categories' in {shortened(path.name)}."
        for each in entries(path.parent)
        if each.name.casefold() == CATEGORIES_FILE
    ]


def _read(path: Path) -> BenchmarkFile:
    try:
        content = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{shortened(path)} cannot be read ({reason}); name a benchmark's YAML file.") from None
    except DoubleKeyError as error:
        line = f"Line {error.problem_mark.line + 1} of " if error.problem_mark else ""
        raise UsageError(f"{line}{shortened(path)}: {error.problem}; remove one of the two.") from None
    except (ValueError, yaml.YAMLError):
        raise UsageError(f"{shortened(path)} is no YAML text in UTF-8; correct it.") from None
    if not isinstance(content, dict):
        raise UsageError(f"{shortened(path)} must hold name: value lines, with name and photos at least.")
    try:
        said = BenchmarkFile.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            known = HubImages.model_fields if name.startswith("hf.") else BenchmarkFile.model_fields
            close = nearest(name.removeprefix("hf."), known)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}."
            raise UsageError(f"{shortened(path)} says '{name}', which is unknown; {hint}") from None
        if first["type"] == "missing":
            raise UsageError(f"{shortened(path)} lacks '{name}'; add it.") from None
        said_of = {
            "string_type": f"{shortened(str(first['input']))} is no text as YAML reads it; write it in quotes.",
            "tuple_type": "must be a list; write [...] around it.",
        }
        kind = "" if isinstance(first["input"], dict | list) else first["type"]
        text = said_of.get(kind, f"{first['msg'].lower()}; correct it.")
        raise UsageError(f"{shortened(path)}, '{name.removesuffix('.[key]')}': {text}") from None
    if bool(said.photos) == bool(said.hf):
        raise UsageError(
            f"{shortened(path)} has both 'photos' and 'hf'; keep one."
            if said.hf
            else f"{shortened(path)} lacks 'photos', a folder, or 'hf', a data set; add one."
        )
    return said
