"""Files of a folder that say of many images what each shows: COCO's, Label Studio's, tables.

As in `annotations`, they are not read for training.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

SUFFIXES = frozenset({".csv", ".json", ".jsonl", ".tsv"})
MOST = 1 << 24  # bytes of such a file
_FILES = ("file_name", "filename", "file", "image", "image_name", "image_path", "path", "image_id", "id", "name")
_LABELS = ("label", "labels", "class", "class_name", "category", "species", "breed", "object", "subject")


def table_labels(path: Path, stems: Collection[str]) -> dict[str, frozenset[str]]:
    """Name of an image, without its suffix -> the things that a file says it shows; empty if there are none.

    Args:
        path: with one of `SUFFIXES`. stems: names of the folder's images; what is said of others does not count.
    """
    found: dict[str, set[str]] = {}
    try:
        if path.stat().st_size > MOST:
            return {}
        for name, label in _said(path.suffix.lower(), path.read_text(encoding="utf-8-sig")):
            stem = name.replace("\\", "/").rpartition("/")[2]
            stem = stem if stem in stems else stem.rpartition(".")[0]
            if stem in stems and label:
                found.setdefault(stem, set()).add(label)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error, RecursionError):
        return {}  # what cannot be read, or is made otherwise, is not used either way
    return {stem: frozenset(labels) for stem, labels in found.items()}


def _said(suffix: str, text: str) -> Iterator[tuple[str, str]]:
    """Names of files, each with a label."""
    if suffix == ".json":
        data = json.loads(text)
        yield from _of_coco(data) if isinstance(data, dict) else _of_label_studio(data)
    elif suffix == ".jsonl":
        yield from _of_rows([json.loads(line) for line in text.splitlines() if line.strip()])
    else:
        lines = text.splitlines()
        separator = max(",;\t", key=(lines or [""])[0].count)
        yield from _of_rows(list(csv.DictReader(io.StringIO(text), delimiter=separator)))


def _of_coco(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    files = {one["id"]: one["file_name"] for one in data["images"]}
    names = {one["id"]: str(one["name"]) for one in data["categories"]}
    for one in data["annotations"]:
        yield files[one["image_id"]], names[one["category_id"]]


def _of_label_studio(tasks: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Of what was uploaded, before the names of which it puts eight letters and digits, and of what lies elsewhere."""
    for task in tasks:
        for one in (each for done in task["annotations"] for each in done["result"]):
            for labels in one["value"].values():
                for label in labels if isinstance(labels, list) else ():
                    if isinstance(label, str):
                        yield task["data"]["image"], label
                        yield task["data"]["image"].rpartition("/")[2].partition("-")[2], label


def _of_rows(rows: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Of a table with a column of files and one of labels, by their heads."""
    heads = {str(head).strip().casefold(): head for head in (rows[0] if rows else ())}
    file, label = (next((heads[one] for one in known if one in heads), "") for known in (_FILES, _LABELS))
    for row in rows if file and label else ():
        if row[file] and row[label] not in (None, ""):
            yield str(row[file]), str(row[label])
