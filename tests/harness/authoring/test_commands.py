"""`stamina-bench check` and `new`: what they print and write, how they end, and one check in other processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from in_process import bench, refused
from warm import bench as in_a_process

from harness import registry
from harness.authoring import method_check
from harness.authoring.method_check import Checked, Finding, Learnt
from harness.spec import Tier

ORDER = """
import torch
from methods.lora import LoRA

class Mine(LoRA):
    def begin_task(self, model, generator):
        token = super().begin_task(model, generator)
        drawn = {name: torch.rand((), generator=generator) for name in {f"part {i}" for i in range(50)}}
        token.embedding.data += 1e-3 * drawn["part 7"]
        return token
"""


def test_draws_in_the_order_of_a_set_are_found_by_another_process(tmp_path: Path) -> None:
    (tmp_path / "in_order.py").write_text(ORDER)
    done = in_a_process("check", "./in_order.py:Mine", "--set", "steps=2", "--json", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert [(f["part"], f["wrong"]) for f in found["findings"]] == [("again", True)]
    assert "two runs with the same seed differ: train task 1" in found["findings"][0]["text"]
    assert found["files"] == [str(tmp_path / "in_order.py")]
    assert "The same once more, in another process." in done.stderr


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What the check will find."""
    what: dict[str, object] = {
        "method": "mine:Mine", "setting": "customization", "tier": "mini", "benchmark": "tuning6",
        "options": {"steps": 20}, "looked_at": ("class", "text", "training"), "files": ("/a/mine.py",),
        "learnt": (Learnt(parameters=1234, memory=2_000_000, seconds=0.5),), "penalties": ("drift",),
        "measures": ("density",),
    }  # fmt: skip
    monkeypatch.setattr(method_check, "check", lambda *_, **__: Checked.model_validate(what))
    return what


def test_it_prints_what_was_found_and_ends_with_it(found: dict[str, object]) -> None:
    found["findings"] = (Finding(part="training", wrong=False, text="memory grows"),)
    code, said = bench("check", "mine:Mine")
    assert code == 0
    assert "memory grows" in said
    for words in (
        "three tasks of tuning6, steps=20", "what its text shows", "ok", "note", "not reached",
        "Results are known by /a/mine.py", "trains 1,234 parameters", "end_task() leaves 2 MB", "Its penalties: drift.",
        "Its measures: density.",
    ):  # fmt: skip
        assert words in said
    assert bench("check", "mine:Mine", "--strict")[0] == 1
    found["findings"] = (Finding(part="training", wrong=True, text="a hook gives nothing"),)
    code, said = bench("check", "mine:Mine")
    assert (code, "wrong" in said) == (1, True)


@pytest.mark.parametrize("kind", ["method", "metric"])
def test_what_new_writes_is_not_written_twice_and_its_metric_test_passes(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = bench("new", kind, "my_own")
    assert code == 0
    assert "./my_own.py:MyOwn" in said
    assert sorted(p.name for p in tmp_path.glob("*.py")) == ["my_own.py", "test_my_own.py"]
    refused(bench("new", kind, "my_own"), "my_own.py is there already")
    if kind == "metric":
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_my_own.py"], cwd=tmp_path,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("name", ["My-Method", "2nd", "class", "a/b", ""])
def test_a_name_that_no_module_can_have_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused(bench("new", "method", name), "is no name for a file of Python")
    assert not list(tmp_path.iterdir())


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    refused(bench("new", "dataset", "mine"), "There is no dataset to begin with; write method or metric or benchmark.")


GROWS = """
from methods.lora import LoRA

class Mine(LoRA):
    def end_task(self, lesson, generator):
        return {f"{self.task_index}": lesson.model.change(next(iter(self.adapters))).clone()}
"""


def test_a_run_that_has_nothing_left_to_do_repeats_what_was_told(
    tiny_tier: Tier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.tiers().__dict__, "get", lambda name: tiny_tier)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "growing.py").write_text(GROWS)
    few = ("--set", "steps=1", "--set", "sampling.images=3", "--set", "sampling.steps=1", "--limit", "3", "-q")
    told = "Told while growing:Mine [sampling.images=3, sampling.steps=1, steps=1] was trained: "
    for _ in range(2):
        code, said = bench("run", "tuning6", "-m", "./growing.py:Mine", *few)
        assert code == 0, said
        assert told in said
        assert "return {**self.memory, ...} to keep all" in said
    assert "Nothing to do" in said


BATCHWISE = """
import torch
from harness.method import Method
from harness.spec import ClassOptions
from methods import parts

class Means(torch.nn.Module):
    def __init__(self, means):
        super().__init__()
        self.means = means

    def forward(self, features):
        return torch.nn.functional.normalize(features, dim=0) @ self.means.T

class Mine(Method[ClassOptions]):
    options_class = ClassOptions
    summary = "class means"

    def begin_task(self, model, generator):
        return torch.nn.Module()

    def end_task(self, lesson, generator):
        features, labels = parts.shown_features(lesson)
        means = [features[labels == each].mean(0).float() for each in labels.unique()]
        return {"means": torch.stack([*self.memory.get("means", ()), *means])}

    def head(self, model):
        return Means(self.memory["means"])
"""


def test_what_was_told_in_a_test_stands_under_the_table_of_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "batchwise.py").write_text(BATCHWISE)
    few = ("--set", "epochs=1", "--limit", "1", "-q")
    for _ in range(2):
        code, said = bench("run", "objects-tuning5", "-m", "./batchwise.py:Mine", *few)
        assert code == 0, said
        assert "the scores that Mine.head() gives are others for an image alone than for the same" in " ".join(
            said.split()
        )
