"""The walls of the house hold by themselves: which room may know which, and that settings alone know their names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest
from click.testing import CliRunner
from importlinter.cli import lint_imports_command

HOME = Path(__file__).parents[2]
SETTINGS = {"customization", "classification"}
FLAT = 16  # modules that may lie in harness/ itself


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Every import of the four packages, those in functions too; what is imported for types alone is none."""
    return grimp.build_graph(
        "harness", "reports", "methods", "benchmarks", exclude_type_checking_imports=True, cache_dir=None
    )


def test_each_room_knows_only_rooms_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HOME)
    found = CliRunner().invoke(lint_imports_command, ["--no-cache"])
    assert found.exit_code == 0, found.output


def test_no_module_takes_part_in_a_circle(graph: grimp.ImportGraph) -> None:
    above = {module: graph.find_modules_directly_imported_by(module) - {module} for module in graph.modules}
    while free := [module for module, imported in above.items() if not imported & above.keys()]:
        for module in free:  # what imports nothing that is left is in no circle
            del above[module]
    assert above.keys() == set()


def test_few_modules_lie_flat() -> None:
    assert len(list((HOME / "harness").glob("*.py"))) <= FLAT


def compared(tree: ast.AST) -> Iterator[ast.AST]:
    """Comparisons and matches with a setting's name, and tables that a setting's name chooses from."""
    for node in ast.walk(tree):
        parts: list[ast.expr | None] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        elif isinstance(node, ast.Subscript):
            parts = [node.slice]
        elif isinstance(node, ast.Dict):
            parts = [*node.keys]
        for part in parts:
            every = part.elts if isinstance(part, ast.Tuple | ast.List | ast.Set) else [part]
            if any(isinstance(each, ast.Constant) and each.value in SETTINGS for each in every):
                yield node


def test_nothing_but_a_setting_asks_for_its_name() -> None:
    asked = {
        f"{path.relative_to(HOME)}:{getattr(node, 'lineno', '?')}"
        for package in ("harness", "reports")
        for path in (HOME / package).rglob("*.py")
        if "settings" not in path.relative_to(HOME).parts
        for node in compared(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert asked == set()


@pytest.mark.parametrize(
    "source",
    [
        "x == 'classification'", "'customization' != x", "x in ('classification',)", "{'classification': 1}",
        "t['customization']",
    ],
)  # fmt: skip
def test_such_a_question_would_be_found(source: str) -> None:
    assert list(compared(ast.parse(source)))
