"""`--config`: a YAML file's values as defaults of the command's options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer
import yaml

from harness.errors import UsageError, nearest
from harness.migrations import VERSION, refuse_newer


def read_config(context: typer.Context, value: Path | None) -> Path | None:
    """Make a YAML file's values the defaults of the command's options: below the command line and the environment."""
    if value is None:
        return None
    content = _read(value)
    if "spec" in content and "cells" in content:  # the file that a run leaves beside its results
        refuse_newer(value, content.get("schema_version"), VERSION)
        try:
            content = _defaults_from_spec(content["spec"])
        except (KeyError, TypeError, AttributeError):
            raise UsageError(f"--config {value} is not a run's file; give option: value lines.") from None
    known = {_key(p): p for p in context.command.params if p.name != "config" and p.expose_value}
    defaults: dict[str, Any] = {}
    for key, entry in content.items():
        name = str(key).replace("-", "_")
        parameter = known.get("output_dir" if name == "output" else name)
        if parameter is None:
            close = nearest(name, known)
            hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(sorted(known))}."
            raise UsageError(f"--config {value}: unknown key '{key}'; {hint}")
        if entry is not None:
            defaults[str(parameter.name)] = _value(context, parameter, entry, f"--config {value}: '{key}'")
    context.default_map = {**(context.default_map or {}), **defaults}
    return value


def _read(path: Path) -> dict[str, Any]:
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
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


def _key(parameter: Any) -> str:
    """A parameter as the command line calls it: `output_dir` of `--output-dir`."""
    long = next((name for name in parameter.opts if name.startswith("--")), str(parameter.name))
    return str(long).removeprefix("--").replace("-", "_")


def _value(context: typer.Context, parameter: Any, entry: Any, where: str) -> Any:
    """An entry as the command line would have it: of a list, the items one by one, or with commas between them."""
    if isinstance(entry, dict):
        raise UsageError(f"{where} cannot be a mapping; write a value, or a list.")
    items = [str(item) for item in entry] if isinstance(entry, list) else None
    if parameter.multiple:
        given: Any = [str(entry)] if items is None else items
    else:
        given = entry if items is None else ",".join(items)
    try:
        parameter.process_value(context, given)
    except Exception as error:
        reason = getattr(error, "message", None)  # of the parser's own errors, whichever click typer brings along
        if reason is None:
            raise
        raise UsageError(f"{where} cannot be {entry!r}: {str(reason).lower().rstrip('.')}.") from None
    return given


def _defaults_from_spec(spec: dict[str, Any]) -> dict[str, Any]:
    changes = [f"{m['name']}.{k}={json.dumps(v)}" for m in spec["methods"] for k, v in m["changes"].items()]
    taken = {"methods", "tasks", "sampling", "recognition", "output"}
    rest = {k: v for k, v in spec.items() if k not in taken and v is not None}
    if spec.get("tasks"):
        rest["tasks"] = f"1-{len(spec['tasks'])}"
    for part in ("sampling", "recognition"):
        changes += [f"{part}.{k}={json.dumps(v)}" for k, v in spec.get(part, {}).items()]
    return {**rest, "methods": [m["name"] for m in spec["methods"]], "output": spec["output"], "set": changes}
