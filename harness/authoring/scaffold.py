"""What `stamina-bench new` writes: a plugin's file, commented hook by hook, and its test; a benchmark's file."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from pathlib import Path

from harness.errors import UsageError
from harness.store.store import write_atomically

# of each kind, the files to write, by their names, and their templates
FILES: Mapping[str, Mapping[str, str]] = {
    "method": {"{}.py": "method.py.jinja", "test_{}.py": "test_method.py.jinja"},
    "metric": {"{}.py": "metric.py.jinja", "test_{}.py": "test_metric.py.jinja"},
    "benchmark": {"{}.yaml": "benchmark.yaml.jinja"},
}


def class_name(name: str) -> str:
    """What the class in a module is called: 'MyMethod' of 'my_method'."""
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def new_plugin(kind: str, name: str, folder: Path) -> list[Path]:
    """Write a plugin to begin with, that works as it is.

    Args:
        kind: one of `FILES`. name: of its module, as 'my_method'. folder: where; it is made if there is none.

    Returns:
        The files: the plugin's first, then its test's.

    Raises:
        UsageError: a name that no module can have, or a file that is there already.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    if kind not in FILES:
        raise UsageError(f"There is no {kind} to begin with; write {' or '.join(FILES)}.")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise UsageError(
            f"'{name}' is no name for a file of Python; use small letters, digits and '_', as in my_{kind}."
        )
    texts = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), undefined=StrictUndefined,
        keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    title = " ".join(name.split("_")).capitalize()
    values = {"name": name, "class_name": class_name(name), "title": title, "test": f"test_{name}.py"}
    files = {folder / file.format(name): template for file, template in FILES[kind].items()}
    if there := [file for file in files if file.exists()]:
        raise UsageError(f"{there[0]} is there already; give another name, or another --folder.")
    for file, template in files.items():
        write_atomically(file, texts.get_template(template).render(values))
    return list(files)
