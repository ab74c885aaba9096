"""What a method's own code may do wrong: each mistake ends the training with the sentence that says so."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from faulty_methods import MISTAKES, Elsewhere, Everything, Orthogonal, OwnParameters, Plain
from tiny_tasks import Course, tiny_model
from torch import Tensor

from harness.backbones import stack as stacks
from harness.backbones.text_to_image import TextToImage
from harness.errors import BenchError, PluginError
from harness.failures import read_failures, read_traces, write_failures
from harness.tracing import explained

Make = Callable[..., Course]


@pytest.fixture(scope="module")
def model(tiny_models: Path) -> TextToImage:
    return tiny_model(tiny_models)


@pytest.fixture
def course(model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Starts a method's tasks, on the pre-trained weights again."""

    def make(plugin: type[Plain], **changes: float) -> Course:
        model.reset()
        monkeypatch.setattr("faulty_methods.chosen", plugin, raising=False)
        made = Course("faulty_methods:chosen", model)
        made.options = made.options.model_copy(update={"learning_rate": 0.01, **changes})
        return made

    return make


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_said(course: Make, mistake: str) -> None:
    plugin = MISTAKES[mistake]
    with pytest.raises(BenchError) as said:
        course(plugin).teach()
    assert str(said.value).startswith(plugin.sentence)  # type: ignore[attr-defined]


def test_what_hooks_may_give(course: Make) -> None:
    done = course(Everything).teach().done
    assert {name: done.measures[name] for name in ("one", "half", "yes")} == {"one": 1.0, "half": 0.5, "yes": 1.0}
    assert all(tensor.is_contiguous() for tensor in done.memory.values())
    assert len({tensor.untyped_storage().data_ptr() for tensor in done.memory.values()}) == 4
    assert [set(row) for row in done.losses] == [{"step", "sd", "zero", "size", "nothing"}] * 4


@pytest.mark.parametrize("plugin", [Orthogonal, OwnParameters, Elsewhere])
def test_what_is_asked_of_own_parameters_is_trained(
    course: Make, plugin: type[Plain], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights after two tasks differ for every weight of the penalty, and are those of adapters trained one by one."""

    def learnt(weight: float) -> Tensor:
        taught = course(plugin, weight=weight, max_grad_norm=1e9)
        return torch.cat([w.flatten() for _ in range(2) for w in taught.teach().folded.values()]).double()

    weights = (0.0, 100.0, 1e8) if plugin is not Elsewhere else (1.0,)
    together = [learnt(weight) for weight in weights]
    monkeypatch.setattr(stacks, "LARGEST", {})
    for one, other in zip(together, [learnt(weight) for weight in weights], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert len({tuple(found.tolist()) for found in together}) == len(weights)
    if len(weights) > 1:
        assert (together[0] - together[1]).abs().max() > 1e-3


def test_an_error_of_a_plugin_keeps_its_place_and_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "faulty_plugin.py").write_text("def hook():\n    return {}['lambda_missing']\n", encoding="utf-8")
    found: dict[str, object] = {"__name__": "faulty_plugin"}
    path = tmp_path / "faulty_plugin.py"
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), found)
    with pytest.raises(KeyError) as raised:
        found["hook"]()  # type: ignore[operator]
    told = explained(raised.value, "faulty_plugin.methods")
    assert isinstance(told, PluginError)
    assert str(told) == f"KeyError: 'lambda_missing' ({path}, line 2)"
    assert "return {}['lambda_missing']" in told.trace
    again = pickle.loads(pickle.dumps(told))  # as it comes from a worker
    assert (str(again), again.trace) == (str(told), told.trace)
    write_failures(tmp_path / "f.json", {"k": str(told)}, {"k": told.trace})
    assert read_failures(tmp_path / "f.json") == {"k": str(told)}
    assert read_traces(tmp_path / "f.json") == {"k": told.trace}
    write_failures(tmp_path / "f.json", {"k": "plain"})
    assert read_traces(tmp_path / "f.json") == {}


def test_other_errors_say_where_they_are_and_what_the_system_says_stays() -> None:
    full = OSError(28, "No space left on device")
    assert explained(full, "faulty_plugin") is full
    with pytest.raises(ZeroDivisionError) as raised:
        print(1 / 0)
    told = explained(raised.value, "")
    assert isinstance(told, BenchError)
    assert not isinstance(told, PluginError)
    assert str(told).startswith("unexpected ZeroDivisionError: division by zero (")
    assert "test_plugin_mistakes.py, line" in str(told)
