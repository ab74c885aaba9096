"""A plugin that cannot be loaded: which one, of which distribution, why, and in which line of its own files."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests_support import raises_sentence

from harness import registry
from harness.plugins.errors import line_in_plugin

CASES: Mapping[str, tuple[str, str]] = {
    "raises": ("x = 1\nraise ValueError('no such option.')\n", "ValueError: no such option, in {file}, line 2"),
    "no message": ("raise ValueError\n", "ValueError, in {file}, line 1"),
    "a key": ("{}['missing']\n", "KeyError: 'missing', in {file}, line 1"),
    "ends the program": ("\nraise SystemExit(3)\n", "it ends the program, in {file}, line 2"),
    "no Python": ("x = 1\ndef f(:\n", "SyntaxError: invalid syntax, in {file}, line 2"),
    "lacks a library": ("import not_installed_at_all\n", "No module named 'not_installed_at_all', in {file}, line 1"),
    "a library raises": (
        "import json\n\njson.loads('{')\n",
        "JSONDecodeError: Expecting property name enclosed in double",
    ),
    "this program raises": (
        "from harness.engine.devices import make_slots\nmake_slots([], 1)\n",
        "by zero, in {file}, line 2",
    ),
    "a helper raises": (
        "import a_helper_of_it\n",
        "RuntimeError: of the helper, in {folder}/a_helper_of_it.py, line 2",
    ),
    "no such class": ("x = 1\n", "module 'PLUGIN' has no attribute 'Mine')"),
}


@pytest.mark.parametrize(("text", "told"), CASES.values(), ids=CASES)
def test_what_is_said_of_a_plugin_by_its_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, text: str, told: str
) -> None:
    module = "failing_" + "".join(c if c.isalpha() else "_" for c in request.node.callspec.id)
    (tmp_path / f"{module}.py").write_text(text)
    (tmp_path / "a_helper_of_it.py").write_text("\nraise RuntimeError('of the helper')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    told = told.format(file=tmp_path / f"{module}.py", folder=tmp_path).replace("PLUGIN", module)
    said = raises_sentence(
        lambda: registry.methods().get(f"{module}:Mine"),
        f"The method '{module}:Mine' cannot be loaded (",
        told,
        "; fix it.",
    )
    if "line" not in told and "no attribute" not in told:
        assert f", in {tmp_path / module}.py, line 3)" in said
    sys.modules.pop(module, None)


GONE = "; install its distribution again, or uninstall it."


def test_a_module_that_is_not_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    nowhere = (
        "name its file, FILE.py:NAME, or put PYTHONPATH=FOLDER before the command, with the folder that it lies in."
    )
    raises_sentence(lambda: registry.methods().get("unheard_of.here:Mine"), f"named 'unheard_of'); {nowhere}")
    (tmp_path / "unheard_of").mkdir()
    here = "it lies in the current folder, which is not on the import path; name its file, ./unheard_of.py:NAME."
    raises_sentence(lambda: registry.methods().get("unheard_of.here:Mine"), f"named 'unheard_of'); {here}")


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A distribution 'stylish 2.1' in its own site-packages, with a method 'style' in the package `stylish_method`."""
    site = tmp_path / "site-packages"
    metadata = site / "stylish-2.1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: stylish\nVersion: 2.1\n")
    (metadata / "entry_points.txt").write_text("[stamina_bench.methods]\nstyle = stylish_method.main:Style\n")
    (site / "stylish_method").mkdir()
    (site / "stylish_method" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(registry.methods(), "_points", None)
    yield site
    for name in ("stylish_method.main", "stylish_method"):
        sys.modules.pop(name, None)


def test_what_is_said_of_a_registered_plugin(distribution: Path) -> None:
    file = distribution / "stylish_method" / "main.py"
    file.write_text("import json\nX = json.loads('')\n")
    raises_sentence(
        lambda: registry.methods().get("style"),
        "The method 'style' of stylish 2.1 (stylish_method.main:Style) cannot be loaded (JSONDecodeError: Expecting",
        f", in {file}, line 2); fix or uninstall it.",
    )
    file.unlink()
    raises_sentence(lambda: registry.methods().get("style"), "No module named 'stylish_method.main'", GONE)


def test_a_registered_plugin_whose_package_is_gone(distribution: Path) -> None:
    (distribution / "stylish_method" / "__init__.py").unlink()
    (distribution / "stylish_method").rmdir()
    raises_sentence(
        lambda: registry.methods().get("style"),
        "'style' of stylish 2.1", "No module named 'stylish_method'", GONE,
    )  # fmt: skip


def test_an_error_of_no_plugin_has_no_line() -> None:
    with pytest.raises(ValueError, match="Expecting") as caught:
        __import__("json").loads("{")
    caught.value.__traceback__ = caught.tb.tb_next  # without this test
    assert line_in_plugin(caught.value, "some.plugin") == ""


def test_a_class_of_nearly_that_name_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nearly_mine.py").write_text("class MyMethod:\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    raises_sentence(
        lambda: registry.methods().get("nearly_mine:MyMetod"),
        "(module 'nearly_mine' has no attribute 'MyMetod'); did you mean MyMethod?",
    )
    raises_sentence(lambda: registry.methods().get("nearly_mine:Other"), "has no attribute 'Other'); fix it.")
