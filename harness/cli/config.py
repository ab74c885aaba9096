"""`--config`: a YAML file's values as defaults of the command's options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer
import yaml

from harness.errors import UsageError, nearest


def read_config(context: typer.Context, value: Path | None) -> Path | None:
    """Make a YAML file's values the defaults of the command's options: below the command line and the environment."""
    if value is None:
        return None
    try:
        content: Any = yaml.safe_load(value.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"--config {value} cannot be read as YAML ({str(error).splitlines()[0]}).") from None
    if not isinstance(content, dict):
        raise UsageError(f"--config {value} must hold option: value lines.")
    if "spec" in content and "cells" in content:  # the file that a run leaves beside its results
        try:
            content = _defaults_from_spec(content["spec"])
        except (KeyError, TypeError, AttributeError):
            raise UsageError(f"--config {value} is not a run's file; give option: value lines.") from None
    known = {p.name for p in context.command.params if p.name}
    defaults: dict[str, Any] = {}
    for key, entry in content.items():
        name = {"set": "changes", "output-dir": "output"}.get(str(key), str(key).replace("-", "_"))
        if name not in known:
            close = nearest(name, known)
            hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(sorted(known))}."
            raise UsageError(f"--config {value}: unknown key '{key}'; {hint}")
        if name == "changes":
            defaults[name] = entry if isinstance(entry, list) else [str(entry)]
        else:
            defaults[name] = ",".join(map(str, entry)) if isinstance(entry, list) else entry
    context.default_map = {**(context.default_map or {}), **defaults}
    return value


def _defaults_from_spec(spec: dict[str, Any]) -> dict[str, Any]:
    changes = [f"{m['name']}.{k}={json.dumps(v)}" for m in spec["methods"] for k, v in m["changes"].items()]
    taken = {"methods", "tasks", "sampling", "output"}
    rest = {k: v for k, v in spec.items() if k not in taken and v is not None}
    if spec.get("tasks"):
        rest["tasks"] = f"1-{len(spec['tasks'])}"
    changes += [f"sampling.{k}={json.dumps(v)}" for k, v in spec["sampling"].items()]
    return {**rest, "methods": [m["name"] for m in spec["methods"]], "output": spec["output"], "changes": changes}
