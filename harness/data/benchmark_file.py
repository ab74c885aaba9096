"""A benchmark of the user's own photographs as a YAML file says: which concepts, in which order, under which words.

    name: pets
    photos: photos          # a folder beside the file, with one sub-folder per concept
    concepts: [max, tabby]  # these, in this order
    categories: {max: dog, tabby: cat}

docs/schema/benchmark.schema.json is for editors.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import Field, ValidationError, field_validator

from harness.data.category_words import Category, checked_category
from harness.data.concept_folder import checked, read_photos
from harness.data.folder_benchmark import PhotoTasks
from harness.data.image_folders import composed
from harness.data.selection import Watch, unwatched
from harness.errors import UsageError, nearest, shortened
from harness.registry import NAME
from harness.spec import EDITS, Benchmark, Frozen


class BenchmarkFile(Frozen):
    """What such a file may say."""

    name: str = Field(pattern=f"^{NAME.pattern}$", description="what tables call it")
    title: str = Field("", description="what captions call it; by default its name")
    summary: str = "the user's own photographs"
    photos: str = Field(description="the folder with one sub-folder per concept, from the file's own folder")
    concepts: tuple[str, ...] | None = Field(
        None, min_length=1, description="the sub-folders to learn, in this order; by default all, by their names"
    )
    categories: Mapping[str, str] = Field({}, description="sub-folder -> category word, instead of its name's")
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

    licence: str = Field("", description="whose photographs these are, and on which terms")
    citation: str = ""


def file_benchmark(path: Path, tier: str, watch: Watch = unwatched, min_side: int | None = None) -> Benchmark:
    """The benchmark that a file describes, at any tier.

    Args:
        watch: shows how far the reading is. min_side: pixels that an image's shorter side needs; None for the decoder's
            default.

    Raises:
        UsageError: the file says something that cannot be used, or a photograph cannot; every image is opened first.
    """
    from harness import registry

    said = _read(path)
    if said.name in registry.benchmarks().names():
        raise UsageError(f"{shortened(path)} is called '{said.name}', as a benchmark that is there; give another name.")
    given = {
        composed(name): Category(checked_category(word, f"{shortened(path)}, categories.{name},"), path.name)
        for name, word in said.categories.items()
    }
    wanted = None if said.concepts is None else tuple(map(composed, said.concepts))
    if wanted is not None and len(set(wanted)) < len(wanted):
        raise UsageError(f"{shortened(path)} names a concept twice; name each once.")
    reading = read_photos(path.parent / said.photos, given=given, only=wanted)
    names = {concept.name for concept in reading.concepts}
    folders = [composed(each.name) for each in reading.folder.iterdir() if each.is_dir()]
    for name in dict.fromkeys((*(wanted or ()), *given)):
        if name not in names and (name in (wanted or ()) or name not in folders):
            close = nearest(name, folders)
            hint = f"did you mean {' or '.join(map(shortened, close))}?" if close else "remove it."
            raise UsageError(
                f"{shortened(path)} names '{shortened(name)}', which is no concept in {said.photos}; {hint}"
            )
    reading = checked(reading, watch, min_side)
    tasks = PhotoTasks(reading)
    words = {"", *(task.category for task in tasks.tasks())}
    for word in said.edits if "edits" in said.model_fields_set else ():
        if word not in words:
            known = ", ".join(shortened(each) for each in sorted(words) if each)
            raise UsageError(
                f"{shortened(path)} has edits for '{shortened(word)}', which is no concept's category word; use one of "
                f"{known}, or '' for all."
            )
    return Benchmark(        name=said.name, title=said.title or said.name, summary=said.summary, sources={tier: tasks},
        licence=said.licence, citation=said.citation, composition=said.composition, edits=said.edits, tuning=True,
    )  # fmt: skip


def _read(path: Path) -> BenchmarkFile:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{shortened(path)} cannot be read ({reason}); name a benchmark's YAML file.") from None
    except (ValueError, yaml.YAMLError):
        raise UsageError(f"{shortened(path)} is no YAML text in UTF-8; correct it.") from None
    if not isinstance(content, dict):
        raise UsageError(f"{shortened(path)} must hold name: value lines, with name and photos at least.")
    try:
        return BenchmarkFile.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            close = nearest(name, BenchmarkFile.model_fields)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(BenchmarkFile.model_fields)}."
            raise UsageError(f"{shortened(path)} says '{name}', which is unknown; {hint}") from None
        if first["type"] == "missing":
            raise UsageError(f"{shortened(path)} lacks '{name}'; add it.") from None
        raise UsageError(f"{shortened(path)}, '{name}': {first['msg'].lower()}; correct it.") from None
