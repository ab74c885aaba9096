"""`stamina-bench check`: each mistake of a list is named, and nothing is said of built-in methods."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests_support import InlineExecutor
from tiny_models import make_tiny_families

from harness import api, registry
from harness.authoring import method_check
from harness.authoring.method_check import Checked, check
from harness.authoring.scaffold import new_plugin
from harness.errors import UsageError
from harness.sources import named_file
from harness.spec import Tier

FEW = {"steps": 3, "batch_size": 2}
HEAD = """
import glob
import os
from pathlib import Path

import torch
from torch import nn
from harness.backbones.adapters import Adapter, attach
from harness.method import Method
from harness.spec import MethodOptions
from methods import parts

HERE = Path(__file__).parent

class Opts(MethodOptions):
    tier_defaults = {"mini": {"steps": 60, "token_init": "category"}}

class Plain(Method[Opts]):
    options_class = Opts
    def begin_task(self, model, generator):
        self.adapters = attach(model, lambda name, projection: parts.LowRank(projection, 2, generator))
        return parts.new_token(model, "free", self.options.token_init, 2, generator)

"""
# what is wrong -> the class, and what must be said
PLANTED = {
    "a hook that gives nothing": (
        """class Mine(Plain):
    def begin_task(self, model, generator):
        super().begin_task(model, generator)
""", "Mine.begin_task() must give an nn.Module", True),
    "a hook that gives another type": (
        """class Mine(Plain):
    def penalties(self):
        return {"size": 0.1}
""", "Mine.penalties() must give a scalar tensor", True),
    "a hook that gives another shape": (
        """class Mine(Plain):
    def penalties(self):
        return {"size": next(iter(self.adapters.values())).A.square()}
""", "Mine.penalties() must give a scalar tensor", True),
    "a parameter without a gradient": (
        """class Lonely(parts.LowRank):
    stackable = False
    def __init__(self, *given):
        super().__init__(*given)
        self.scale = nn.Parameter(torch.ones(()))
class Mine(Plain):
    def begin_task(self, model, generator):
        attach(model, lambda name, projection: Lonely(projection, 2, generator))
        return parts.new_token(model, "free", self.options.token_init, 2, generator)
""", "scale", False),
    "a parameter in no optimizer": (
        """class Mine(Plain):
    def begin_task(self, model, generator):
        self.weight = nn.Parameter(torch.ones(()))
        return super().begin_task(model, generator)
    def penalties(self):
        return {"size": self.weight * sum(a.A.square().sum() for a in self.adapters.values())}
""", "The parameter Mine.weight gets a gradient, but no optimizer trains it", True),
    "a penalty that trains nothing": (
        """class Mine(Plain):
    def penalties(self):
        return {"size": sum(a.B.detach().square().sum() for a in self.adapters.values())}
""", "The penalty 'size' of Mine", True),
    "randomness outside the generator": (
        """class Mine(Plain):
    def begin_task(self, model, generator):
        token = super().begin_task(model, generator)
        token.embedding.data += 1e-3 * torch.randn(token.embedding.shape)
        return token
""", "Mine.begin_task() draws from torch's global generator", True),
    "draws that no seed settles": (
        """class Mine(Plain):
    def begin_task(self, model, generator):
        token = super().begin_task(model, generator)
        own = torch.Generator().manual_seed(int.from_bytes(os.urandom(4), "big"))
        token.embedding.data += 1e-3 * torch.randn(token.embedding.shape, generator=own)
        return token
""", "two runs with the same seed differ: train task 1 (person 1), embedding in token.safetensors by up to", True),
    "what is not part of the key": (
        """class Mine(Plain):
    def begin_task(self, model, generator):
        self.found = len(glob.glob(str(HERE / "*.csv")))
        return super().begin_task(model, generator)
""", "glob", False),
    "memory that grows": (
        """class Mine(Plain):
    def penalties(self):
        size = next(iter(self.adapters.values())).A.sum()
        return {"old": 1e-6 * sum(t.sum() for t in self.memory.values()) * size}
    def end_task(self, lesson, generator):
        return {**self.memory, f"change {self.task_index}": lesson.model.change(next(iter(self.adapters))).clone()}
""", "grows with the tasks", False),
    "a fold that changes images": (
        """class Noisy(parts.LowRank):
    stackable = False
    def __init__(self, projection, rank, generator):
        super().__init__(projection, rank, generator)
        self.generator = generator
    def compute(self):
        if not self.training:
            return super().compute()
        return super().compute() * (torch.rand(self.A.shape[0], 1, generator=self.generator) > 0.5)
class Mine(Plain):
    def begin_task(self, model, generator):
        attach(model, lambda name, projection: Noisy(projection, 2, generator))
        return parts.new_token(model, "free", self.options.token_init, 2, generator)
""", "folded", False),
    "an old token that moved": (
        """class Mine(Plain):
    def begin_task(self, model, generator):
        if self.task_index > 1:
            model.set_token("<v1>", torch.zeros(model.token_dim))
        return super().begin_task(model, generator)
""", "Mine sets <v1>, another concept's token", False),
    "one token for all": (
        """class Mine(Plain):
    def begin_task(self, model, generator):
        if self.task_index == 3:
            model.set_token("<v1>", self.memory["token"])
        self.token = super().begin_task(model, generator)
        return self.token
    def end_task(self, lesson, generator):
        return {"token": self.token().detach()}
""", "Mine gives <v1> the embedding that <v2> was left with", False),
    "another tier's defaults": (
        """class Bare(MethodOptions):
    rank: int = 2
class Mine(Method[Bare]):
    options_class = Bare
    def begin_task(self, model, generator):
        attach(model, lambda name, projection: parts.LowRank(projection, self.options.rank, generator))
        return parts.new_token(model, "free", self.options.token_init, 2, generator)
""", "--set mine:Mine.steps=60", False),
}  # fmt: skip


@pytest.fixture
def write(tiny_tier: Tier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Writes a file and names the class in it; it is trained on a tiny model, in this process."""

    def executor(prepared: api.Prepared, *, fresh: bool, backwards: bool) -> Any:
        return InlineExecutor(replace(prepared.plan.context, backwards=backwards), prepared.store.root)

    def written(text: str) -> str:
        (tmp_path / "mine.py").write_text(text)
        return f"{tmp_path / 'mine.py'}:Mine"

    monkeypatch.setitem(registry.tiers().__dict__, "get", lambda name: tiny_tier)
    monkeypatch.setattr(method_check, "_executor", executor)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(named_file, "_FOLDERS", {})
    yield written
    sys.modules.pop("mine", None)


def said(found: Checked) -> str:
    return "\n".join(finding.text for finding in found.findings)


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_mistake_is_named(what: str, write: Callable[[str], str]) -> None:
    text, words, wrong = PLANTED[what]
    found = check(write(HEAD + text), {} if what == "another tier's defaults" else FEW)
    assert words in said(found)
    assert found.wrong == wrong


def test_a_replay_with_an_old_concepts_token_is_no_mistake(write: Callable[[str], str]) -> None:
    text = """class Mine(Plain):
    def begin_task(self, model, generator):
        for token, embedding in self.memory.items():
            model.set_token(token, embedding)
        self.token = super().begin_task(model, generator)
        return self.token
    def end_task(self, lesson, generator):
        return {**self.memory, lesson.token: self.token().detach()} if self.task_index < 3 else dict(self.memory)
"""
    assert "another concept's token" not in said(check(write(HEAD + text), FEW))


@pytest.mark.parametrize("name", ["stamina", "stamina-no-gumbel", "clora", "cd-ewc", "ti++", "ub"])
def test_nothing_is_said_of_a_built_in_method(name: str, write: Callable[[str], str]) -> None:
    found = check(name, FEW)
    assert (found.findings, found.looked_at) == ((), ("class", "text", "training", "again", "defaults"))
    assert len(found.learnt) == 3


def test_options_of_the_protocol_are_refused() -> None:
    with pytest.raises(UsageError, match=r"--set 'sampling\.steps=3' changes how a run draws or tests.*leave it out"):
        check("ti++", ["sampling.steps=3"])


BUILT_IN = [
    (setting, name)
    for setting in registry.setting_names()
    for name in registry.methods(setting).names()
    if registry.methods(setting).is_ours(name)
]


@pytest.mark.thorough
@pytest.mark.parametrize(("setting", "name"), BUILT_IN, ids=[f"{name}, {setting}" for setting, name in BUILT_IN])
def test_every_built_in_method_passes_as_its_user_would_ask(setting: str, name: str) -> None:
    found = check(name, setting=setting, device="cpu")
    assert found.looked_at == ("class", "text", "training", "again", "defaults")
    assert not found.wrong
    assert [finding.text for finding in found.findings] == []


def test_what_new_writes_passes_with_what_it_says(write: Callable[[str], str], tmp_path: Path) -> None:
    file, _ = new_plugin("method", "mine", tmp_path)
    found = check(f"{file}:Mine", FEW)
    assert (found.findings, found.penalties, found.measures) == ((), ("drift",), ("largest_entry",))
    assert found.files == (str(file),)
    memory = [task.memory for task in found.learnt]
    assert memory[0] == memory[1] == memory[2] > 0
    assert len({task.parameters for task in found.learnt}) == 1


NUMBERED = """class Mine(Plain):
    def penalties(self):
        own = [self.memory[str(i)] * a.residual().square().sum() for i, a in enumerate(self.adapters.values())
               if self.memory]
        return {"size": torch.stack(own).sum()} if own else {}
    def end_task(self, lesson, generator):
        return {str(i): torch.tensor(1e6 if "to_k" in name else 0.1) for i, name in enumerate(ORDER)}
"""


def test_adapters_that_are_numbered_in_two_orders_are_told(write: Callable[[str], str]) -> None:
    right = check(write(HEAD + NUMBERED.replace("ORDER", "self.adapters")), FEW)
    assert not [finding for finding in right.findings if finding.part == "order"]
    assert right.looked_at == ("class", "text", "training", "again", "order", "defaults")
    by_kind = "sorted(self.adapters, key=lambda name: name.split('.')[-1])"
    sys.modules.pop("mine")
    wrong = check(write(HEAD + NUMBERED.replace("ORDER", by_kind)), FEW)
    (finding,) = [finding for finding in wrong.findings if finding.part == "order"]
    assert finding.text.startswith("train task 2 (")
    assert " comes out otherwise, by " in finding.text
    assert not finding.wrong


def test_a_method_that_relies_on_the_order_is_not_asked_to_do_without() -> None:
    for name, relies in (("stamina", True), ("clora", True), ("ti++", False)):
        plugin: Any = type("Mine", (registry.methods().get(name),), {})
        assert method_check._joins(plugin) == relies


def test_of_how_many_adapters_a_penalty_is_is_said(write: Callable[[str], str]) -> None:
    text = """class Mine(Plain):
    def penalties(self):
        own = [a.residual().square().sum() for name, a in self.adapters.items() if "to_k" in name]
        return {"size": torch.stack(own).sum()}
"""
    found = check(write(HEAD + text), FEW)
    assert found.reach == {"size": "4 of 8 adapters, none in to_v"}
    assert 0 < found.shares["size"] < 1
    assert all(0 < task.changed < 1 for task in found.learnt)
    assert check("clora", FEW).reach == {}


def test_a_method_can_be_checked_on_a_flow(tmp_path: Path) -> None:
    """Whose images the tier's own solver cannot draw, and no option of a check says another."""
    home = make_tiny_families(tmp_path)
    found = check("ti++", {"steps": 2}, backbone=str(home / "sd3"), device="cpu")
    assert found.findings == ()
    assert "defaults" in found.looked_at


def test_only_one_method_is_checked_at_a_time() -> None:
    for several in ("stamina,clora", "all"):
        with pytest.raises(UsageError, match="One method can be checked at a time"):
            check(several)


def test_the_rehearsal_in_the_docs_says_what_it_keeps_and_passes(write: Callable[[str], str]) -> None:
    page = (Path(__file__).parents[3] / "docs" / "own-method.md").read_text()
    (text,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    named = write(text).replace(":Mine", ":Rehearsal")
    found = check(named, FEW)
    assert [one.text for one in found.findings] == [
        "Rehearsal keeps the latents of the concept before, against the rule that no data are kept"
    ]
    assert found.learnt[0].memory == found.learnt[2].memory > 0
