"""Versions of files: what a newer program wrote is refused, and what a run file of an older version holds is migrated.

A run file of version 1 names real images and X_{N,j}; 2 adds `variant`, which tells apart cells of other sources; 3
names all images and features, trainings and compositions, and has orders; 4 says its version; 5 says whether the
U-Net was compiled; 6 says the setting, and how a classification benchmark is split; 7 says what the tasks are and by
what a cell was made, so that what shares a name is told apart (of older ones the store tells most of that: see
`harness.records.old_identity`); 8 names the metrics that were asked for. The first three say no version: their fields
tell them apart. Migration is in memory, one version after another; files stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import UsageError

VERSION = 8  # of run files

Content = Mapping[str, Any]


def refuse_newer(path: Path, version: object, known: int) -> None:
    """Refuse a file that a newer program wrote; what is no version is for the reader to judge.

    Raises:
        UsageError: its version is above the one known.
    """
    if isinstance(version, int) and version > known:
        raise UsageError(f"{path} is of a newer version ({version}; this is {known}); update stamina-bench.")


def version_of(content: Content) -> int:
    """The version of a run file.

    Raises:
        ValueError, TypeError, KeyError: it is no run file's content.
    """
    if "schema_version" in content:
        version = content["schema_version"]
        if type(version) is not int or version < 1:
            raise ValueError(f"schema_version is {version!r}")
        return version
    fields = {name for cell in content["cells"] for name in cell}
    return 3 if "compositions" in fields else 2 if "variant" in fields else 1


def migrate(content: Content) -> Content:
    """A run file's content as the present version has it.

    Raises:
        ValueError, TypeError, KeyError: it is no run file's content.
    """
    for version in range(version_of(content), VERSION):
        content = STEPS[version](content)
    return content


def _with_variant(content: Content) -> Content:
    return {**content, "cells": [{**cell, "variant": ""} for cell in content["cells"]]}


def _with_all_images(content: Content) -> Content:
    """Features and trainings were not named, and X_{j,j} neither."""

    def task(old: Content, last: int) -> Content:
        kept = {name: old[name] for name in ("index", "name", "category", "real")}
        images = {last: old["generated"]}
        return {**kept, "train": None, "real_features": None, "images": images, "features": {}}

    def cell(old: Content) -> Content:
        last = max(t["index"] for t in old["tasks"])
        tasks = [task(t, last) for t in old["tasks"]]
        return {**old, "order": 0, "base": "", "tasks": tasks, "compositions": []}

    return {**content, "cells": [cell(old) for old in content["cells"]]}


def _with_version(content: Content) -> Content:
    return {"schema_version": 4, **content}


def _with_compile(content: Content) -> Content:
    return {**content, "schema_version": 5, "spec": {**content["spec"], "compile": False}}


def _with_setting(content: Content) -> Content:
    spec = {**content["spec"], "setting": None, "split_into": None, "class_order": None, "recognition": {}}
    cells = [{**cell, "setting": "customization"} for cell in content["cells"]]
    return {**content, "schema_version": 6, "spec": spec, "cells": cells}


def _with_identity(content: Content) -> Content:
    """What the tasks were and by what a cell was made is not in these files: empty, to be found in the store.

    A registered benchmark with one class order for all seeds had no name of its own.
    """
    order, asked = content["spec"].get("class_order"), content["spec"]["benchmark"]

    def cell(old: Content) -> Content:
        if order is not None and old["benchmark"] == asked:
            told = {"benchmark": f"{asked}-order{order}", "title": f"{old['title']}, class order {order}"}
            old = {**old, **told, "base": asked}
        tasks = [{**task, "content": ""} for task in old["tasks"]]
        return {**old, "content": "", "made_by": {}, "inherited": [], "tasks": tasks}

    return {**content, "schema_version": 7, "cells": [cell(old) for old in content["cells"]]}


def _with_measures(content: Content) -> Content:
    return {**content, "schema_version": 8, "cells": [{**cell, "measures": {}} for cell in content["cells"]]}


STEPS: Mapping[int, Callable[[Content], Content]] = {
    1: _with_variant, 2: _with_all_images, 3: _with_version, 4: _with_compile, 5: _with_setting,
    6: _with_identity, 7: _with_measures,
}  # fmt: skip
