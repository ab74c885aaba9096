"""What a cell's tasks were and by what it was made, where its run's file is too old to say so: from the store.

The manifests of its steps tell it: the recipe of a step holds what its key was made of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.store.identity import DIGITS, MadeBy, content_of, short, step_versions, task_content

if TYPE_CHECKING:
    from harness.records.run_file import CellRecord, TaskRecord
    from harness.store.store import Store

Recipe = Mapping[str, Any]


class Recipes:
    """The recipes of a store's steps, each read once. Nothing is verified: they are looked at, not built on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Recipe] = {}

    def of(self, key: str | None) -> Recipe:
        """A step's recipe; empty where there is none that can be read."""
        if key is None:
            return {}
        if key not in self._known:
            try:
                manifest = json.loads((self._store.folder(key) / "manifest.json").read_text(encoding="utf-8"))
                self._known[key] = dict(manifest["recipe"])
            except (OSError, ValueError, KeyError, TypeError):
                self._known[key] = {}
        return self._known[key]


def identified(cell: CellRecord, recipes: Recipes) -> CellRecord:
    """The cell with what its file does not say; what the store does not tell either stays empty."""
    if cell.content or cell.made_by != MadeBy():
        return cell
    tasks = tuple(task.model_copy(update={"content": _content(task, recipes)}) for task in cell.tasks)
    each = any(task.content for task in tasks)  # else tasks differ from trial to trial
    return cell.model_copy(
        update={
            "tasks": tasks if each else cell.tasks,
            "content": content_of([task.content for task in tasks]) if each else _classes(cell, recipes),
            "made_by": _made_by(cell, recipes),
        }
    )


def _content(task: TaskRecord, recipes: Recipes) -> str:
    """By the images' own hash; else by the key of the step that made them, which is other for other images."""
    images, trained = recipes.of(task.real).get("images"), recipes.of(task.train).get("concept")
    if isinstance(images, str):
        if isinstance(trained, str) and trained != images:  # measured against others than it was trained on
            return task_content(trained, task.category, images)
        return task_content(images, task.category)
    return short("key", task.real, task.category) if task.real is not None else ""


def _classes(cell: CellRecord, recipes: Recipes) -> str:
    """Of all classes, where they were learnt in their own order; other seeds drew orders that tell nothing of it."""
    if cell.seed or cell.partial:
        return ""
    concepts = [concept for task in cell.tasks for concept in recipes.of(task.train).get("concepts", ())]
    concepts = list(dict.fromkeys(concepts))  # a joint method's training has them all, and serves each task
    if len(concepts) != len(cell.tasks):
        return ""
    return content_of([task_content(c, task.category) for c, task in zip(concepts, cell.tasks, strict=True)])


def _made_by(cell: CellRecord, recipes: Recipes) -> MadeBy:
    last = cell.tasks[-1]
    score = recipes.of(cell.score)
    keys = [last.train, last.real, *last.images.values(), *last.features.values()]
    found = [recipe for key in keys if (recipe := recipes.of(key))]
    parents = (key for recipe in found for key in recipe.get("parents", ()))
    steps = [recipe for recipe in (score, *found, *map(recipes.of, parents)) if recipe]
    train = recipes.of(last.train)
    drawn = recipes.of(last.real_features) or next((r for r in steps if r.get("kind") == "features"), {})

    def hashed(recipe: Recipe, name: str) -> str:
        value = recipe.get(name, "")
        return value[:DIGITS] if isinstance(value, str) else ""

    versions = [(step["kind"], step["version"]) for step in steps if {"kind", "version"} <= step.keys()]
    return MadeBy(
        # a merging method's own source is not in its learner's training
        source="" if train.get("method") != cell.method else hashed(train, "source"),
        metrics=hashed(score, "metrics"), steps=step_versions(versions) if train and drawn else "",
        backbone=hashed(train, "backbone"), extractor=hashed(drawn, "extractor"),
        device=str(train.get("device", "")), dtype=str(train.get("dtype", "")),
    )  # fmt: skip
