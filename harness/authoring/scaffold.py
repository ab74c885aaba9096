"""What `stamina-bench new` writes: a plugin's file, commented hook by hook, and its test."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from harness.errors import UsageError
from harness.store.store import write_atomically

KINDS = ("method", "metric")


def new_plugin(kind: str, name: str, folder: Path) -> list[Path]:
    """Write a plugin to begin with, that works as it is.

    Args:
        kind: one of `KINDS`. name: of its module, as 'my_method'. folder: where; it is made if there is none.

    Returns:
        The files: the plugin's, and its test's.

    Raises:
        UsageError: a name that no module can have, or a file that is there already.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    if kind not in KINDS:
        raise UsageError(f"There is no {kind} to begin with; write {' or '.join(KINDS)}.")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise UsageError(
            f"'{name}' is no name for a file of Python; use small letters, digits and '_', as in my_{kind}."
        )
    texts = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), undefined=StrictUndefined,
        keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    words = name.split("_")
    values = {
        "name": name, "class_name": "".join(word[:1].upper() + word[1:] for word in words),
        "title": " ".join(words).capitalize(), "test": f"test_{name}.py",
    }  # fmt: skip
    files = {folder / f"{name}.py": f"{kind}.py.jinja", folder / f"test_{name}.py": f"test_{kind}.py.jinja"}
    if there := [file for file in files if file.exists()]:
        raise UsageError(f"{there[0]} is there already; give another name, or another --folder.")
    for file, template in files.items():
        write_atomically(file, texts.get_template(template).render(values))
    return list(files)
