"""`--config`: a YAML file's values as defaults of the command's options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from harness.errors import UsageError, nearest
from harness.front.config_file import read_options


def read_config(context: typer.Context, value: Path | None) -> Path | None:
    """Make a YAML file's values the defaults of the command's options: below the command line and the environment."""
    if value is None:
        return None
    content = read_options(value)
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
