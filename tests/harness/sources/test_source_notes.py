"""What a plugin's text alone shows to be a likely mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from plugin_files import plugin, read_source, write
from tests_support import raises_sentence

ENTROPY = {
    "default_rng": ("import numpy as np", "np.random.default_rng()", "numpy.random.default_rng() without a seed"),
    "None": ("from numpy.random import default_rng as r", "r(None)", "numpy.random.default_rng() without a seed"),
    "random": ("import random", "random.Random()", "random.Random() without a seed"),
    "generator": ("import torch", "torch.Generator().seed()", "?.seed() without a seed"),
    "secrets": ("from secrets import token_bytes", "token_bytes(4)", "secrets.token_bytes()"),
    "uuid": ("import uuid", "str(uuid.uuid4())", "uuid.uuid4()"),
    "time": ("import time", "generator.manual_seed(int(time.time()))", "manual_seed() seeded by time.time()"),
    "hash": ("import torch", "torch.manual_seed(hash('a') % 9)", "manual_seed() seeded by hash()"),
    "now": (
        "import datetime as d, random", "random.Random(d.datetime.now().second)",
        "Random() seeded by datetime.datetime.now()",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("imports", "body", "told"), ENTROPY.values(), ids=ENTROPY)
def test_draws_that_differ_from_run_to_run_are_told(tmp_path: Path, imports: str, body: str, told: str) -> None:
    root = write(tmp_path, {"my_method.py": plugin(imports, body)})
    line = 1 + (root / "my_method.py").read_text().splitlines().index(f"        {body}")
    (note,) = read_source(root).notes
    assert note.startswith(
        f"{root / 'my_method.py'}, line {line}, draws what differs from run to run ({told}): results with the same seed"
    )


def test_draws_with_a_seed_and_the_clock_as_such_are_no_mistake(tmp_path: Path) -> None:
    body = (
        "start = time.time(); np.random.default_rng(self.place); random.Random(self.place[0]); self.seed(); "
        "torch.Generator().manual_seed(self.x); np.random.default_rng(int(torch.randint(9, (1,), generator=generator)))"
    )
    root = write(tmp_path, {"my_method.py": plugin("import random, time, torch\nimport numpy as np", body)})
    assert read_source(root).notes == ()


OPTIONS = """from collections.abc import Mapping
from typing import ClassVar
from harness.method import Method
from harness.spec import MethodOptions
import other

class Mine_(MethodOptions):
    tier_defaults: ClassVar[Mapping] = {{"mini": {{"pull": 2.0}}}}
    pull: float = 1.0
    steps: int = 7

class Mine(Method[Mine_]):
    options_class = Mine_
    search_space = {{"pull": (1.0, 2.0)}}

    def begin_task(self, model, generator):
        {body}
"""


@pytest.mark.parametrize(
    ("body", "other", "told"),
    [
        ("raise NotImplementedError", "", True),
        ("self.pull = 1.0", "", True),
        ("self.options.pull", "", False),
        ("getattr(self.options, 'pull')", "", False),
        ("getattr(self.options, other.X)", "", False),
        ("other.f(self.options.model_dump())", "", False),
        ("other.f(self.options)", "f = lambda o: o.pull", False),
        ("other.f(self.options)", "from methods import parts\nf = lambda o: o.rank", True),
    ],
)
def test_an_option_that_nothing_reads_is_told(tmp_path: Path, body: str, other: str, told: bool) -> None:
    root = write(tmp_path, {"my_method.py": OPTIONS.format(body=body), "other.py": other})
    assert [note.partition(":")[0] for note in read_source(root).notes] == [
        "the option 'pull' of Mine_ is read nowhere in its files"
    ] * told


CONSTANT = {
    "literal": ("import torch", "torch.Generator().manual_seed(0)", "manual_seed(0)"),
    "computed": ("import numpy as np", "np.random.default_rng(6 * 7)", "numpy.random.default_rng(6 * 7)"),
    "named": ("import random\nSEED = 3", "random.Random(SEED)", "random.Random(SEED)"),
    "global": ("import numpy", "numpy.random.seed(1)", "numpy.random.seed(1)"),
}


@pytest.mark.parametrize(("imports", "body", "told"), CONSTANT.values(), ids=CONSTANT)
def test_draws_that_no_seed_changes_are_told(tmp_path: Path, imports: str, body: str, told: str) -> None:
    root = write(tmp_path, {"my_method.py": plugin(imports, body)})
    (note,) = read_source(root).notes
    assert f" seeds by a constant ({told}), and so draws the same for every seed and task" in note


def test_a_seed_that_is_given_is_no_constant(tmp_path: Path) -> None:
    imports = "import torch\nSEED = 1\ndef make(SEED):\n    return torch.Generator().manual_seed(SEED)"
    body = "torch.Generator().manual_seed(self.options.steps); torch.Generator().manual_seed(generator.initial_seed())"
    assert read_source(write(tmp_path, {"my_method.py": plugin(imports, body)})).notes == ()


FILES = {
    "a pattern": (
        "list(Path('t').glob('*.csv'))",
        "finds files when it runs (glob): an edit of one would go unnoticed",
    ),
    "a folder": ("os.listdir('t')", "finds files when it runs (listdir)"),
    "compiled": ("torch.load(self.path)", "reads a file with load(): an edit of it would go unnoticed"),
    "safetensors": ("load_file(self.path)", "reads a file with load_file()"),
    "kept": ("torch.save({}, 'state.pt')", "writes a file with save(), which another process or machine may not find"),
}
WITH = "import os, torch\nfrom pathlib import Path\nfrom safetensors.torch import load_file"


@pytest.mark.parametrize(("body", "told"), FILES.values(), ids=FILES)
def test_files_that_no_key_knows_are_told(tmp_path: Path, body: str, told: str) -> None:
    root = write(tmp_path, {"my_method.py": plugin(WITH, body), "t/a.csv": "1"})
    (note,) = read_source(root).notes
    assert told in note
    write(root, {"my_method.py": plugin(WITH, body, attributes="data_files = ('t/*.csv',)")})
    assert len(read_source(root).notes) == ("writes" in told)


def test_data_files_may_be_patterns(tmp_path: Path) -> None:
    text = {"my_method.py": plugin(attributes="data_files = ('t/*.csv',)")}
    root = write(tmp_path, {**text, "t/a.csv": "1", "t/b.txt": "1"})
    seen = [read_source(root).digest]
    for changed in ({"t/a.csv": "2"}, {"t/c.csv": "1"}):
        write(root, changed)
        seen.append(read_source(root).digest)
    write(root, {"t/b.txt": "2"})
    assert len(set(seen)) == 3
    assert read_source(root).digest == seen[-1]
    for path in root.glob("t/*.csv"):
        path.unlink()
    raises_sentence(lambda: read_source(root), "Mine.data_files names 't/*.csv', and there is no such file in")


TWICE = {
    "a key": ("return {'a': 1, 'b': 2, 'a': 3}", "gives the key 'a' twice in one dict: the first value is lost"),
    "a generator": ("torch.rand(1, generator=torch.Generator())", "makes a generator and never seeds it"),
}


@pytest.mark.parametrize(("body", "told"), TWICE.values(), ids=TWICE)
def test_what_is_lost_or_always_the_same_is_told(tmp_path: Path, body: str, told: str) -> None:
    (note,) = read_source(write(tmp_path, {"my_method.py": plugin("import torch", body)})).notes
    assert told in note


MASKS = {
    "nothing": ("def hook(g):\n            g = g * 2\n        a.register_hook(hook)", True),
    "the new one": ("def hook(g):\n            g = g * 2\n            return g\n        a.register_hook(hook)", False),
    "in place": ("def hook(g):\n            g *= 2\n        a.register_hook(hook)", False),
    "kept": ("def hook(g):\n            kept.append(g)\n        a.register_hook(hook)", False),
}


@pytest.mark.parametrize(("body", "told"), MASKS.values(), ids=MASKS)
def test_a_hook_that_makes_a_gradient_and_returns_nothing_is_told(tmp_path: Path, body: str, told: bool) -> None:
    notes = read_source(write(tmp_path, {"my_method.py": plugin("import torch", body)})).notes
    assert [note.partition(", ")[2][:70] for note in notes if "register_hook" in note] == (
        [notes[0].partition(", ")[2][:70]] if told else []
    )
    assert any("gives register_hook() a function that returns nothing, hook()" in note for note in notes) == told


SLIPS = {
    "two names": (
        "name.endswith('to_k' or 'to_v')",
        "says 'to_k' or 'to_v', which is always 'to_k'",
    ),
    "in": ("'to_k' or 'to_v' in name", "says 'to_k' or 'to_v' in name, which is always 'to_k'"),
    "numpy": ("(a * b).astype(np.uint8)", "makes bytes of a * b, where values below 0 or above 255 come round"),
    "torch": ("(a + b).to(torch.uint8)", "makes bytes of a + b, where values"),
    "": ("(255 * a).astype(np.uint8), (a * b).clip(0, 255).astype(np.uint8), a or 'b', (a * b).to(a)", ""),
}


@pytest.mark.parametrize(("body", "told"), SLIPS.values(), ids=SLIPS)
def test_what_is_never_meant_is_told(tmp_path: Path, body: str, told: str) -> None:
    notes = read_source(write(tmp_path, {"my_method.py": plugin("import numpy as np, torch", body)})).notes
    assert len(notes) == bool(told)
    assert all(told in note for note in notes)


def test_options_that_are_not_the_runs_are_told(tmp_path: Path) -> None:
    text = (
        "from methods.lora import LoRA\nclass O(LoRA.options_class):\n    pull: float = 3\n"
        "def make(pull=O().pull):\n    return pull\nclass Mine(LoRA):\n    options_class = O\n"
    )
    (note,) = read_source(write(tmp_path, {"my_method.py": text})).notes
    assert note.endswith("line 4, makes O(), which has the defaults and not what a run was given; use self.options.")


def test_a_hook_that_is_defined_twice_is_told(tmp_path: Path) -> None:
    text = (
        plugin()
        + "\n    def penalties(self):\n        return {'a': 1}\n\n    def penalties(self):\n        return {}\n"
    )
    (note,) = read_source(write(tmp_path, {"my_method.py": text})).notes
    assert "defines Mine.penalties() again: the one above it is lost" in note
    seeded = "generator = torch.Generator(); generator.manual_seed(self.x); return {'a': 1, 'b': 1}"
    assert read_source(write(tmp_path, {"my_method.py": plugin("import torch", seeded)})).notes == ()


def test_options_that_no_method_uses_are_told(tmp_path: Path) -> None:
    text = (
        "from methods.lora import LoRA\nclass O(LoRA.options_class):\n    rank: int = 3\nclass Mine(LoRA):\n    pass\n"
    )
    (note,) = read_source(write(tmp_path, {"my_method.py": text})).notes
    assert note.startswith("O is a class of options that no method in my_method uses: its defaults count nowhere")
    used = text.replace("    pass", "    options_class = O")
    assert read_source(write(tmp_path, {"my_method.py": used})).notes == ()
