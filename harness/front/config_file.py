"""Options from a YAML file: one that a user wrote, or the file that a run leaves beside its results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from harness.errors import UsageError
from harness.formats.yaml_text import load_yaml
from harness.sources.named_file import by_file
from harness.store.migrations import VERSION, refuse_newer


def read_options(path: Path) -> dict[str, Any]:
    """What the file says, by the command line's names of options.

    Raises:
        UsageError: it cannot be read, or holds something else.
    """
    content = _read(path)
    if "spec" not in content or "cells" not in content:
        return content
    refuse_newer(path, content.get("schema_version"), VERSION)
    try:
        return _from_spec(content["spec"])
    except (KeyError, TypeError, AttributeError):
        raise UsageError(f"--config {path} is not a run's file; give option: value lines.") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        content: Any = load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"--config {path} cannot be read ({reason}); give a YAML file.") from None
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise UsageError(f"--config {path} is no plain YAML ({line}{error.problem}); correct it.") from None
    except (ValueError, yaml.YAMLError, RecursionError):
        raise UsageError(f"--config {path} is no YAML text; give option: value lines, in UTF-8.") from None
    if not isinstance(content, dict):
        raise UsageError(f"--config {path} must hold option: value lines, such as 'limit: 3'.")
    return content


def _from_spec(spec: dict[str, Any]) -> dict[str, Any]:
    changes = [
        f"{m.get('called') or m['name']}.{k}={json.dumps(v)}" for m in spec["methods"] for k, v in m["changes"].items()
    ]
    protocols = {name: spec.get(name, {}) for name in ("sampling", "recognition")} | spec.get("protocol", {})
    taken = {"methods", "tasks", "protocol", "output", "plugin_folders", *protocols}
    rest = {k: v for k, v in spec.items() if k not in taken and v is not None}
    if spec.get("tasks"):
        rest["tasks"] = f"1-{len(spec['tasks'])}"
    changes += [f"{name}.{k}={json.dumps(v)}" for name, own in protocols.items() for k, v in own.items()]
    folders = spec.get("plugin_folders", ())
    rest["benchmark"] = by_file(rest["benchmark"], folders)
    names = [by_file(m["name"], folders) for m in spec["methods"]]
    methods = [
        f"{m['called']}={name}" if "called" in m else name for m, name in zip(spec["methods"], names, strict=True)
    ]
    return {**rest, "methods": methods, "output": spec["output"], "set": changes}
