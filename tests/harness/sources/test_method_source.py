"""What counts as a method's source: all that it imports and that can change under the same name and version."""

from __future__ import annotations

import hashlib
import importlib
import os
import py_compile
import shutil
import sys
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import bench, refused
from plugin_files import imported, plugin, read_source, write
from tests_support import raises_sentence

from harness import registry
from harness.method import Method
from harness.sources.method_source import method_source
from methods.clora import CLoRA
from methods.custom_diffusion import UpperBound
from methods.stamina import Stamina
from methods.textual_inversion import TextualInversionPlusPlus

# ------------------------------------------------------------------------------------------------ what belongs to it

HELPERS = {
    "from a sub-folder": ("from lib.penalty import l2", "pass", "lib/penalty.py"),
    "a module of a package": ("import lib.penalty", "pass", "lib/penalty.py"),
    "under another name": ("import lib.penalty as p", "pass", "lib/penalty.py"),
    "a submodule from its package": ("from lib import penalty", "pass", "lib/penalty.py"),
    "the package's own file": ("from lib.penalty import l2", "pass", "lib/__init__.py"),
    "in a function": ("", "from lib.penalty import l2", "lib/penalty.py"),
    "by a name that is text": ("", "import importlib; importlib.import_module('lib.penalty')", "lib/penalty.py"),
    "in turn": ("import first", "pass", "lib/penalty.py"),
    "relatively, in turn": ("import first", "pass", "lib/deep/norm.py"),
    "without a package's file": ("from bare.inner import thing", "pass", "bare/inner/thing.py"),
    "in a function, without a package's file": ("", "from bare.inner import thing", "bare/inner/thing.py"),
    "all of a package": ("from lib import *", "pass", "lib/__init__.py"),
    "where it can fail": ("try:\n    import lib.penalty\nexcept ImportError:\n    pass", "pass", "lib/penalty.py"),
    "by a name made when it runs": (
        "import importlib\nHELPER = importlib.import_module('lib.' + 'pen' + 'alty')", "pass", "lib/penalty.py",
    ),
    "a neighbour": ("import beside", "pass", "beside.py"),
    "in code that is text": ("exec('import lib.penalty')", "pass", "lib/penalty.py"),
    "itself": ("", "pass", "my_method.py"),
    "round in a circle": ("import round_about", "pass", "round_about.py"),
    "one that stands for a standard module": ("import tabnanny", "pass", "tabnanny.py"),
}  # fmt: skip
TREE = {
    "lib/__init__.py": "A = 1\n", "lib/penalty.py": "from .deep import norm\ndef l2(): return norm.N\n",
    "lib/deep/__init__.py": "", "lib/deep/norm.py": "from ..unused_here import U\nN = 1\n",
    "lib/unused_here.py": "U = 1\n", "first.py": "def f():\n    import lib.penalty\n",
    "bare/inner/thing.py": "T = 1\n", "beside.py": "B = 1\n", "round_about.py": "import my_method, round_about\n",
    "tabnanny.py": "C = 1\n", "never.py": "raise SystemExit('imported')\n", "lib/never.py": "raise SystemExit('no')\n",
}  # fmt: skip


@pytest.mark.parametrize(("imports", "body", "edited"), HELPERS.values(), ids=HELPERS)
def test_an_edit_of_what_is_imported_is_noticed(tmp_path: Path, imports: str, body: str, edited: str) -> None:
    root = write(tmp_path, {**TREE, "my_method.py": plugin(imports, body)})
    first = read_source(root)
    assert read_source(root).digest == first.digest
    (root / edited).write_bytes((root / edited).read_bytes() + b"# edited\n")
    assert read_source(root).digest != first.digest
    assert root / edited in read_source(root).files
    (root / "never.py").write_text("# edited\n")
    (root / "lib" / "never.py").write_text("# edited\n")
    assert read_source(root).digest != first.digest
    assert not [path for path in first.files if path.name == "never.py"]


def test_a_package_with_relative_imports_only(tmp_path: Path) -> None:
    tree = {
        "pack/__init__.py": "", "pack/sub/__init__.py": "",
        "pack/sub/my_method.py": plugin("from . import near\nfrom ..far import f\nfrom .. import wide"),
        "pack/sub/near.py": "", "pack/far.py": "def f(): pass\n", "pack/wide.py": "",
    }  # fmt: skip
    root = write(tmp_path, tree)
    seen = {read_source(root, of="pack.sub.my_method:Mine").digest}
    for name in tree:
        (root / name).write_bytes((root / name).read_bytes() + b"# edited\n")
        seen.add(read_source(root, of="pack.sub.my_method:Mine").digest)
    assert len(seen) == len(tree) + 1


@settings(max_examples=25)
@given(st.lists(st.integers(0, 5), min_size=5, max_size=5), st.integers(0, 5), st.booleans())
def test_exactly_the_reachable_files_count(
    tmp_path_factory: pytest.TempPathFactory, parents: list[int], edited: int, inside: bool
) -> None:
    """A random graph of imports over m0 (the plugin) to m5, circles included: an edit counts if it can be reached."""
    root = tmp_path_factory.mktemp("graph")
    edges = {(parents[i], i + 1) for i in range(5)}
    reached = {0}
    while more := {b for a, b in edges if a in reached} - reached:
        reached |= more
    for number in range(6):
        named = [f"m{b}" for a, b in sorted(edges) if a == number and b != number]
        lines = "\n".join(f"import {name}" for name in named)
        local = "def f():\n    pass\n" + "".join(f"    import {name}\n" for name in named)
        text = plugin(lines) if number == 0 else local if inside else lines
        write(root, {"my_method.py" if number == 0 else f"m{number}.py": text})
    before = read_source(root).digest
    target = root / ("my_method.py" if edited == 0 else f"m{edited}.py")
    target.write_text(target.read_text() + "# edited\n")
    assert (read_source(root).digest != before) == (edited in reached)


def test_a_mixin_and_a_base_in_other_folders(tmp_path: Path) -> None:
    one = write(tmp_path / "one", {"base.py": plugin("import helper_of_base"), "helper_of_base.py": "X = 1\n"})
    two = write(tmp_path / "two", {"mixin.py": "class Mixin:\n    pass\n"})
    three = write(
        tmp_path / "three", {"my_method.py": "import base, mixin\nclass Mine(mixin.Mixin, base.Mine):\n    pass\n"}
    )
    seen = {read_source(one, two, three).digest}
    for path in (one / "base.py", one / "helper_of_base.py", two / "mixin.py", three / "my_method.py"):
        path.write_text(path.read_text() + "# edited\n")
        seen.add(read_source(one, two, three).digest)
    assert len(seen) == 5


def test_two_modules_of_one_file_name_are_told_apart(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {"my_method.py": plugin("import a.common, b.common"), "a/common.py": "X = 1\n", "b/common.py": "X = 2\n"},
    )
    first = read_source(root).digest
    write(root, {"a/common.py": "X = 2\n", "b/common.py": "X = 1\n"})
    assert read_source(root).digest != first


def test_a_moved_or_linked_checkout_is_the_same_method(tmp_path: Path) -> None:
    here = write(
        tmp_path / "aaa", {**TREE, "my_method.py": plugin("import first, lib.penalty\nfrom methods import parts")}
    )
    there = tmp_path / "zzz" / "elsewhere"
    shutil.copytree(here, there)
    (tmp_path / "link").symlink_to(here)
    assert read_source(here).digest == read_source(there).digest == read_source(tmp_path / "link").digest
    write(there, {"more.py": "# not imported\n", "data.bin": b"\0" * 1000})
    assert read_source(here).digest == read_source(there).digest


def test_archives_and_compiled_files_count_by_their_bytes(tmp_path: Path) -> None:
    seen = set()
    for value in (1, 2):
        root = tmp_path / str(value)
        write(root, {"my_method.py": plugin("import compiled, lib_in_zip.penalty")})
        (root / "x.py").write_text(f"X = {value}\n")
        py_compile.compile(str(root / "x.py"), cfile=str(root / "compiled.pyc"), doraise=True)
        for inner in (1, 2):
            archive = root / f"lib{inner}.zip"
            with zipfile.ZipFile(archive, "w") as file:
                file.writestr("lib_in_zip/__init__.py", "")
                file.writestr("lib_in_zip/penalty.py", f"P = {inner}\n")
            seen.add(read_source(root, archive).digest)
    assert len(seen) == 4


def test_what_was_imported_counts_not_what_was_edited_since(tmp_path: Path) -> None:
    root = write(
        tmp_path, {"my_method.py": plugin("from lib.penalty import l2") + "\n\nclass Other(Mine):\n    pass\n", **TREE}
    )
    with imported(root) as module:
        first, own = module.Mine.source_hash(), (root / "my_method.py").read_text()
        write(root, {"lib/penalty.py": "def l2(): return 2\n", "my_method.py": own + "# edited\n"})
        assert module.Mine.source_hash() == first
        other = module.Other.source_hash()
        importlib.reload(sys.modules["lib.penalty"])
        importlib.reload(module)
        assert module.Mine.source_hash() != first
        assert module.Other.source_hash() != other
    write(root, {"lib/penalty.py": TREE["lib/penalty.py"], "my_method.py": own})
    assert read_source(root).digest == first
    assert read_source(root, of="my_method:Other").digest == other


def test_the_same_hash_whatever_else_a_process_hasimported(tmp_path: Path) -> None:
    """Workers load one method, the planning process all of them."""
    lazy = (
        "def __getattr__(name):\n    import importlib\n    value = importlib.import_module('.' + name, __name__)\n"
        "    globals()[name] = value\n    return value\n"
    )
    root = write(
        tmp_path,
        {
            "lazy/__init__.py": lazy, "lazy/a.py": "A = 1\n", "lazy/b.py": "B = 1\n", "pack/__init__.py": "",
            "pack/a.py": "A = 1\n", "pack/b.py": "import lazy.b\n",
            "my_method.py": plugin("import lazy, pack.a", "import late"),
            "late.py": "import importlib\nNAME = importlib.import_module('pack.' + 'b')\n",
        },
    )  # fmt: skip
    alone = read_source(root)
    sys.path.insert(0, str(root))
    try:
        with imported(root, module="late"), imported(root) as module:
            import lazy  # type: ignore[import-not-found]

            assert lazy.a.A == lazy.b.B == 1
            assert module.Mine.source_hash() == alone.digest
    finally:
        sys.path.remove(str(root))


# ----------------------------------------------------------------------------------------- distributions and packages


def installed(root: Path, name: str, version: str, files: Mapping[str, str], editable: str = "") -> Path:
    """What an installer leaves: the files, and a folder that lists them."""
    listed = [*files, f"{name}-{version}.dist-info/METADATA", f"{name}-{version}.dist-info/RECORD"]
    more = {f"{name}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}
    if editable:
        more[f"{name}-{version}.dist-info/direct_url.json"] = (
            f'{{"url": "{editable}", "dir_info": {{"editable": true}}}}'
        )
    record = "".join(f"{file},sha256=x,1\n" for file in listed)
    return write(root, {**files, **more, f"{name}-{version}.dist-info/RECORD": record})


def test_a_distribution_counts_by_name_and_version(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain", {"my_method.py": plugin("from helping.deep import thing, other")})
    files = {
        "helping/__init__.py": "",
        "helping/deep/__init__.py": "",
        "helping/deep/thing.py": "",
        "helping/deep/other.py": "",
    }
    first = read_source(plain, installed(tmp_path / "1", "helping-kit", "1.0", files))
    edited = {**files, "helping/deep/thing.py": "# edited by hand\n"}
    assert read_source(plain, installed(tmp_path / "2", "helping-kit", "1.0", edited)).digest == first.digest
    assert read_source(plain, installed(tmp_path / "3", "helping-kit", "1.1", files)).digest != first.digest
    assert read_source(plain, installed(tmp_path / "4", "other-kit", "1.0", files)).digest != first.digest
    assert [path.name for path in first.files] == ["my_method.py"]


def test_what_stands_beside_a_distribution_but_is_not_of_it_counts_by_its_text(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain", {"my_method.py": plugin("import by_hand")})
    root = installed(tmp_path / "site-packages", "helping-kit", "1.0", {"helping/__init__.py": ""})
    write(root, {"by_hand.py": "X = 1\n"})
    first = read_source(plain, root)
    write(root, {"by_hand.py": "X = 2\n"})
    assert read_source(plain, root).digest != first.digest


@pytest.mark.parametrize("how", ["path file", "link", "checkout's own metadata"])
def test_a_distribution_installed_in_place_counts_by_its_text(tmp_path: Path, how: str) -> None:
    plain = write(tmp_path / "plain", {"my_method.py": plugin("from helping import thing")})
    checkout = write(tmp_path / "checkout", {"helping/__init__.py": "", "helping/thing.py": "X = 1\n"})
    site = installed(tmp_path / "site-packages", "helping-kit", "1.0", {}, editable=f"file://{checkout}")
    if how == "link":
        (site / "helping").symlink_to(checkout / "helping")
        roots = (plain, site)
    else:
        roots = (plain, site, checkout)
    if how == "checkout's own metadata":
        metadata = {
            "PKG-INFO": "Metadata-Version: 2.1\nName: helping-kit\nVersion: 1.0\n",
            "top_level.txt": "helping\n",
        }
        sources = {"SOURCES.txt": "helping/__init__.py\nhelping/thing.py\n"}
        write(checkout / "helping_kit.egg-info", {**metadata, **sources})
    first = read_source(*roots)
    write(checkout, {"helping/thing.py": "X = 2\n"})
    assert read_source(*roots).digest != first.digest


def test_a_method_in_a_distribution_counts_by_its_files_and_its_version(tmp_path: Path) -> None:
    files = {"kit/__init__.py": "", "kit/my_method.py": plugin("from kit import near\nfrom kit.sub import far"),
             "kit/near.py": "", "kit/sub/__init__.py": "", "kit/sub/far.py": ""}  # fmt: skip
    seen = [read_source(installed(tmp_path / "1", "kit", "1.0", files), of="kit.my_method:Mine").digest]
    for number, (name, version) in enumerate([("kit/my_method.py", "1.0"), ("kit/near.py", "1.0"), ("", "1.1")]):
        changed = {**files, **({name: files[name] + "# edited\n"} if name else {})}
        root = installed(tmp_path / f"other{number}", "kit", version, changed)
        seen.append(read_source(root, of="kit.my_method:Mine").digest)
    assert len(set(seen)) == 4


def test_libraries_that_this_program_requires_are_in_no_key(tmp_path: Path) -> None:
    root = write(
        tmp_path, {"my_method.py": plugin("import json\nimport numpy as np\nfrom PIL import Image\nimport torch.nn")}
    )
    digest = hashlib.sha256(b"\nclass 0: my_method.py %d\n" % len(text := (root / "my_method.py").read_bytes()) + text)
    assert read_source(root).digest == digest.hexdigest()


def test_packages_that_say_they_are_method_source_count_whole(tmp_path: Path) -> None:
    files = {"shared/__init__.py": "__method_source__ = True\n", "shared/one.py": "X = 1\n"}
    root = write(tmp_path, {"my_method.py": plugin("import shared"), **files})
    first = read_source(root).digest
    write(root, {"shared/one.py": "X = 2\n"})
    assert read_source(root).digest != first


# ------------------------------------------------------------------------------------------- methods of this program


def test_built_in_methods_count_by_their_own_files_alone() -> None:
    """By the rule that their results were made under: file, imports of the same folder, shared parts."""
    for setting in registry.setting_names():
        for name in registry.methods(setting).names():
            found = registry.methods(setting).get(name)
            folder = Path(sys.modules["methods"].__path__[0])
            files = method_source(found, Method).files
            assert {path.parent for path in files} <= {folder, folder / "parts"}
            assert set((folder / "parts").glob("*.py")) <= set(files)
            digest = hashlib.sha256()
            for path in files:
                digest.update(path.name.encode() + path.read_bytes())
            assert found.source_hash() == digest.hexdigest()
            assert found.source_notes() == ()


def test_no_two_methods_share_a_hash_by_chance() -> None:
    plugins: list[type[Method[Any]]] = [Stamina, CLoRA, UpperBound, TextualInversionPlusPlus]
    assert len({plugin.source_hash() for plugin in plugins}) == len(plugins)


def test_what_a_plugin_takes_of_the_built_in_methods_counts(tmp_path: Path) -> None:
    def names(imports: str, body: str = "pass") -> set[str]:
        root = write(tmp_path / str(len(list(tmp_path.iterdir()))), {"my_method.py": plugin(imports, body)})
        return {f"{path.parent.name}/{path.name}" for path in read_source(root).files} - {f"{root.name}/my_method.py"}

    assert names("") == set()
    assert names("from harness.backbones.adapters import attach\nimport reports") == set()
    parts = names("from methods import parts")
    assert "parts/adapters.py" in parts
    assert parts == names("", "from methods.parts import LowRank") == names("import methods.parts.losses")
    assert "methods/lora.py" in names("", "from methods.lora import LoRA")


def test_a_child_of_a_built_in_method_changes_with_its_own_file(tmp_path: Path) -> None:
    text = "from methods.lora import LoRA\nclass Mine(LoRA):\n    pass\n"
    first = read_source(write(tmp_path, {"my_method.py": text}))
    assert {"lora.py", "my_method.py", "adapters.py"} <= {path.name for path in first.files}
    assert read_source(write(tmp_path, {"my_method.py": text + "# edited\n"})).digest != first.digest


# ----------------------------------------------------------------------------------------------- what cannot be counted

UNKNOWN = {
    "import": ("", "import importlib; importlib.import_module(self.name)",
               "imports a module that it names only when it runs (import_module)"),
    "builtin": ("", "__import__(self.name)", "imports a module that it names only when it runs (__import__)"),
    "exec": ("", "exec(open('x').read())", "runs code with exec"),
    "path": ("", "import runpy; runpy.run_path('x')", "runs a file with run_path"),
    "library": ("import ctypes", "ctypes.CDLL('libx.so')", "loads a library with ctypes"),
}  # fmt: skip


@pytest.mark.parametrize(("imports", "body", "told"), UNKNOWN.values(), ids=UNKNOWN)
def test_code_that_is_found_when_it_runs_is_told(tmp_path: Path, imports: str, body: str, told: str) -> None:
    root = write(tmp_path, {"my_method.py": plugin(imports, body)})
    line = 1 + (root / "my_method.py").read_text().splitlines().index(f"        {body}")
    assert read_source(root).notes == (
        f"{root / 'my_method.py'}, line {line}, {told}: an edit of that would go unnoticed.",
    )


@pytest.mark.parametrize(
    ("imports", "body"),
    [
        ("import os", "os.environ['LAMBDA']"), ("import os as system", "system.environ.get('LAMBDA', '1')"),
        ("from os import getenv", "getenv('LAMBDA')"), ("from os import environ", "environ['LAMBDA']"),
    ],
)  # fmt: skip
def test_a_variable_of_the_environment_is_told(tmp_path: Path, imports: str, body: str) -> None:
    root = write(tmp_path, {"my_method.py": plugin(imports, f"return float({body})")})
    (note,) = read_source(root).notes
    assert note.endswith(
        f"reads the environment ({body}), which is no part of what results are known by: after a change of it, a run "
        "would take old ones as they are; make it an option."
    )
    root = write(tmp_path, {"my_method.py": plugin("import os", "os.environ['A'] = '1'")})
    assert read_source(root).notes == ()


def test_a_file_beside_it_is_told_until_it_is_data(tmp_path: Path) -> None:
    root = write(
        tmp_path, {"my_method.py": plugin(body="open('weights.json')"), "weights.json": "1", "other.json": "1"}
    )
    (note,) = read_source(root).notes
    assert note.endswith(
        "names 'weights.json' beside it, and an edit of that would go unnoticed: if the method reads it, add it to the "
        "class's data_files."
    )
    write(root, {"my_method.py": plugin(body="open('weights.json')", attributes="data_files = ('weights.json',)")})
    first = read_source(root)
    assert first.notes == ()
    write(root, {"weights.json": "2"})
    assert read_source(root).digest != first.digest
    (root / "weights.json").unlink()
    raises_sentence(
        lambda: read_source(root), "Mine.data_files names 'weights.json'", "no such file", "name files beside"
    )


def test_data_of_a_base_lies_beside_the_base(tmp_path: Path) -> None:
    one = write(tmp_path / "one", {"base.py": plugin(attributes="data_files = 'd/w.json'"), "d/w.json": "1"})
    two = write(tmp_path / "two", {"my_method.py": "import base\nclass Mine(base.Mine):\n    pass\n"})
    first = read_source(one, two)
    write(one, {"d/w.json": "2"})
    assert read_source(one, two).digest != first.digest


def test_a_class_without_a_file_is_refused(tmp_path: Path) -> None:
    module = ModuleType("typed_in")
    sys.modules["typed_in"] = module
    try:
        exec(plugin(), vars(module))
        told = "The class Mine of 'typed_in' has no file, as it was typed in or made by exec: an edit of it would go"
        raises_sentence(module.Mine.source_hash, told, "put it into a file")
        raises_sentence(lambda: registry.methods().get("typed_in:Mine"), told)
    finally:
        del sys.modules["typed_in"]
    made = f"from harness.method import Method\nTEXT = {plugin()!r}\nexec(compile(TEXT, '<made>', 'exec'))\n"
    root = write(tmp_path, {"my_method.py": made})
    assert [note.removeprefix(str(root / "my_method.py")) for note in read_source(root).notes] == [
        " makes hooks of Mine that have no text (exec, perhaps).",
        ", line 3, runs code with exec: an edit of that would go unnoticed.",
    ]


NOTEBOOK = (
    plugin("import beside as near", "return helper(self, near)")
    + """
def helper(method, near, rate=FACTOR):
    return Other.scale(rate) + TABLE["a"] + near.B


class Options(MethodOptions):
    start: float = 1.0
"""
)
OTHERS = """
FACTOR = 2

TABLE = {"a": (1, 2.5)}


class Other:
    @staticmethod
    def scale(rate):
        return rate * SHIFT


SHIFT, UNUSED = 3, 4
"""


def typed_in(*cells: str) -> tuple[str, tuple[str, ...]]:
    """What a notebook's class `Mine` counts as, and what is said of it, the cells having been run in this order."""
    import linecache

    module = ModuleType("notebook")
    sys.modules["notebook"] = module
    names = [f"<cell {number}>" for number in range(len(cells))]
    try:
        for name, text in zip(names, cells, strict=True):
            linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
            exec(compile(text, name, "exec"), vars(module))
        return module.Mine.source_hash(), module.Mine.source_notes()
    finally:
        del sys.modules["notebook"]
        for name in names:
            linecache.cache.pop(name, None)


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ("FACTOR = 2", "FACTOR = 5", True), ("2.5", "2.6", True), ("rate * SHIFT", "rate + SHIFT", True),
        ("SHIFT, UNUSED = 3, 4", "SHIFT, UNUSED = 3, 4  # the cell of Other", True), ("B = 1", "B = 2", True),
        ("quite = 1", "quite = 2", False),
    ],
)  # fmt: skip
def test_a_class_of_a_notebook_counts_by_its_cells_and_by_what_they_refer_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, differs: bool
) -> None:
    monkeypatch.syspath_prepend(write(tmp_path, {"beside.py": "B = 1\n"}))
    cells = [*OTHERS.split("\n\n", 1), NOTEBOOK, "quite = 1"]
    first = typed_in(*cells)
    assert first[1] == ()
    assert typed_in(*cells) == first
    edited = [cell.replace(old, new) for cell in cells]
    if old == "B = 1":
        write(tmp_path, {"beside.py": "B = 2\n"})
        sys.modules.pop("beside")
        importlib.invalidate_caches()
    try:
        assert (typed_in(*edited) != first) == differs
    finally:
        sys.modules.pop("beside", None)


@pytest.mark.parametrize("change", ["FACTOR = 5", "def helper(rate):\n    return 3 * rate"])
def test_what_a_class_of_a_notebook_refers_to_counts_as_it_is_now(change: str) -> None:
    """A cell that is run again between two runs of one Python changes what the class does."""
    import linecache

    module = ModuleType("notebook")
    cells = ["FACTOR = 2", "def helper(rate):\n    return 2 * rate", plugin(body="print(FACTOR, helper(1))"), change]
    try:
        sys.modules["notebook"] = module
        for number, text in enumerate(cells):
            if number == len(cells) - 1:
                first = module.Mine.source_hash()
            linecache.cache[f"<{number}>"] = (len(text), None, text.splitlines(keepends=True), f"<{number}>")
            exec(compile(text, f"<{number}>", "exec"), vars(module))
        assert module.Mine.source_hash() != first
    finally:
        del sys.modules["notebook"]
        for number in range(len(cells)):
            linecache.cache.pop(f"<{number}>", None)


def test_what_a_notebooks_class_refers_to_and_no_text_tells_is_said() -> None:
    _, notes = typed_in("data = object()", plugin(body="print(data)"))
    assert notes == (
        "Mine was typed in and refers to data, whose value cannot be counted: a change of that would go unnoticed.",
    )


def test_files_that_are_no_python_count_by_their_bytes(tmp_path: Path) -> None:
    root = write(tmp_path, {"my_method.py": plugin(body="import broken"), "broken.py": b"def \xff\n"})
    first = read_source(root)
    write(root, {"broken.py": b"def \xfe\n"})
    assert read_source(root).digest != first.digest


def test_a_plan_says_what_it_cannot_count_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path / "files", {"my_method.py": plugin(body="exec(self.text)")})
    monkeypatch.chdir(tmp_path)
    with imported(root), warnings.catch_warnings():
        warnings.simplefilter("default")
        code, said = bench("run", "tuning6", "--methods", "my_method:Mine", "--limit", 1, "--dry-run", "-o", "r")
    assert code == 0, said
    assert said.count("Method 'my_method:Mine': ") == 1
    assert "my_method.py, line 12, runs code with exec: an edit of that would go unnoticed." in said
    refused(
        bench("run", "tuning6", "--methods", "my_method:Mine", "--dry-run", "-o", "r"), "No module named 'my_method'"
    )
    assert not (tmp_path / "my_method.py").exists()
    assert os.listdir(tmp_path / "files") == ["my_method.py"]
