"""What a plugin's text shows of its loops over adapters and of seeds of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from plugin_files import plugin, read_source, write

WITH = """import random, torch, zlib
import numpy as np
from harness.backbones.adapters import attach"""
MAKE = "def make(name, projection):\n            return {}\n        attach(model, make)"
SAME = {
    "the layer's name": MAKE.format("torch.Generator().manual_seed(zlib.crc32(name.encode()) + self.task_index)"),
    "in a lambda": "attach(model, lambda name, p: np.random.default_rng(zlib.crc32(name.encode())))",
    "its place": "[random.Random(100 * self.task_index + i) for i, name in enumerate(model.projections)]",
    "the task": "torch.Generator().manual_seed(self.task_index)",
    "a text": MAKE.format("random.Random(f'{name} {self.task_index}')"),
}


def told(tmp_path: Path, body: str) -> list[str]:
    return list(read_source(write(tmp_path, {"my_method.py": plugin(WITH, body)})).notes)


@pytest.mark.parametrize("body", SAME.values(), ids=SAME)
def test_seeds_that_no_run_changes_are_told(tmp_path: Path, body: str) -> None:
    (note,) = told(tmp_path, body)
    assert " seeds by what no run changes (" in note


SEEDED = {
    "a draw": MAKE.format("torch.Generator().manual_seed(int(torch.randint(9, (1,), generator=generator)))"),
    "a draw beside": "s = generator.initial_seed(); " + SAME["the task"].replace("index", "index + s"),
    "the run's": "torch.Generator().manual_seed(generator.initial_seed() + self.task_index)",
    "given": "def make(name):\n            return random.Random(name)\n        make(self.x)",
    "unknown": "attach(model, lambda name, p: np.random.default_rng(self.seeds[name]))",
}


@pytest.mark.parametrize("body", SEEDED.values(), ids=SEEDED)
def test_seeds_of_the_run_or_unknown_ones_are_not(tmp_path: Path, body: str) -> None:
    assert told(tmp_path, body) == []


RECURRING = {
    "a dict": "return {name.split('.')[-1]: model.change(name).mean() for name in self.adapters}",
    "rpartition": "return {n.rpartition('.')[2]: a.residual() for n, a in self.adapters.items()}",
    "a loop": "for name in self.adapters:\n            kept[name.rsplit('.', 1)[-1]] = model.change(name)",
}


@pytest.mark.parametrize("body", RECURRING.values(), ids=RECURRING)
def test_keys_that_projections_share_are_told(tmp_path: Path, body: str) -> None:
    (note,) = told(tmp_path, body)
    assert note.endswith("each takes the place of the one before, and the last is left; use the whole name.")


ONCE = {
    "the whole name": "return {name.replace('.', '/'): model.change(name) for name in self.adapters}",
    "a sum": "for n in self.adapters:\n            k[n.split('.')[-1]] = k.get(n.split('.')[-1], 0) + model.change(n)",
    "the same for each": "return {name.split('.')[-1]: 0.0 for name in self.adapters}",
    "a list": "for n in self.adapters:\n            k.setdefault(n.split('.')[-1], []).append(model.change(n))",
}


@pytest.mark.parametrize("body", ONCE.values(), ids=ONCE)
def test_keys_of_their_own_and_sums_are_not(tmp_path: Path, body: str) -> None:
    assert told(tmp_path, body) == []


PENALTY = (
    "pass\n\n    def penalties(self):\n        total = 0.0\n        {}\n        return {{'size': total}}"
    "\n\n    def x(self):"
)
LOOP = "for name, adapter in self.adapters.items():\n            total = total + adapter.residual().square().sum()"
REPEATED = {
    "a sum": "\n            total = total + self.token().square().sum()",
    "in place": "\n            total += self.weight * self.token().norm()",
}
SUMS = {
    "of the adapter": "\n            own = adapter.B\n            total += own.square().sum()",
    "after it": "\n        total = total + self.token().square().sum()",
    "a count": "\n            count += 2 * self.options.rank",
}


@pytest.mark.parametrize("more", REPEATED.values(), ids=REPEATED)
def test_what_a_loop_adds_again_and_again_is_told(tmp_path: Path, more: str) -> None:
    (note,) = told(tmp_path, PENALTY.format(LOOP + more))
    assert note.endswith("once for each, and nothing of the loop is in it; add it after the loop.")


@pytest.mark.parametrize("more", SUMS.values(), ids=SUMS)
def test_what_a_loop_adds_of_each_is_not(tmp_path: Path, more: str) -> None:
    assert told(tmp_path, PENALTY.format(LOOP + more)) == []


@pytest.mark.parametrize("text", ["float(a.progress) / self.options.rise_steps", "a.progress / 20", "a.progress > 5"])
def test_progress_as_a_number_of_steps_is_told(tmp_path: Path, text: str) -> None:
    (note,) = told(tmp_path, f"self.x = {text}; self.options.rise_steps")
    assert f"takes progress for a number of steps ({text}): it goes from 0 to 1" in note


@pytest.mark.parametrize("text", ["a.progress / 0.5", "a.progress > 0.5", "a.progress * 20", "a.progress / self.share"])
def test_progress_as_a_share_is_not(tmp_path: Path, text: str) -> None:
    assert told(tmp_path, f"self.x = {text}") == []


PASSES = "for _ in range(8):\n            loss().backward()\n            for name, w in self.weights.items():\n"
PILED = {
    "a square": PASSES + "                fisher[name] += w.grad.detach() ** 2 / 8",
    "a call": PASSES + "                fisher[name] += w.grad.square()",
    "a size": PASSES + "                if w.grad is not None:\n                    fisher[name] += w.grad.abs()",
}
EMPTIED = {
    "by None": PILED["a square"] + "\n                w.grad = None",
    "by an optimizer": "for _ in range(8):\n            optimizer.zero_grad()\n            loss().backward()\n"
    "            for name, w in self.weights.items():\n                fisher[name] += w.grad.pow(2)",
    "in place": PILED["a call"] + "\n                w.grad.zero_()",
    "a mean of gradients": "for _ in range(8):\n            loss().backward()\n"
    "        sizes = {n: w.grad.abs() for n, w in self.weights.items()}",
    "no pass": "for name, w in self.weights.items():\n            sizes[name] = w.grad.abs()",
}


@pytest.mark.parametrize("body", PILED.values(), ids=PILED)
def test_gradients_that_pile_up_are_told(tmp_path: Path, body: str) -> None:
    (note,) = told(tmp_path, body)
    assert " after each backward() of a loop, which adds to what .grad holds from the passes before; empty it" in note


@pytest.mark.parametrize("body", EMPTIED.values(), ids=EMPTIED)
def test_gradients_that_are_emptied_or_summed_on_purpose_are_not(tmp_path: Path, body: str) -> None:
    assert told(tmp_path, body) == []
