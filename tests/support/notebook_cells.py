"""Notebooks without Jupyter: their code cells one after another in one namespace, as a kernel would run them."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

WRITE = "%%writefile "


def cells_of(book: Path, kind: str) -> list[dict[str, Any]]:
    """Its cells of one kind, 'code' or 'markdown', their source as one text."""
    cells = json.loads(book.read_text(encoding="utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in cells if cell["cell_type"] == kind]


def run_cells(book: Path, folder: Path) -> list[Any]:
    """Run all code cells; `%%writefile` writes into the folder.

    Returns:
        What each cell shows: the value of the expression that it ends with.
    """
    names: dict[str, Any] = {"__name__": "a_notebook"}
    shown = []
    for number, cell in enumerate(cells_of(book, "code")):
        source: str = cell["source"]
        if source.startswith(WRITE):
            name, _, text = source.removeprefix(WRITE).partition("\n")
            (folder / name).write_text(text + "\n", encoding="utf-8")
            continue
        tree, place = ast.parse(source), f"{book.name}, code cell {number}"
        last = tree.body.pop()
        assert isinstance(last, ast.Expr), f"{place} shows nothing"
        exec(compile(tree, place, "exec"), names)
        shown.append(eval(compile(ast.Expression(last.value), place, "eval"), names))
    return shown
