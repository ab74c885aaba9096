"""What a plugin's text has from other code bases, and what only looks like it."""

from __future__ import annotations

import ast

import pytest

from harness.sources.copied_habits import habit_notes
from harness.sources.local_names import imported_names


def told(text: str) -> list[str]:
    tree = ast.parse(text)
    return [what for _, what in habit_notes(tree, imported_names(tree))]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = self.task_index == 0", "asks for self.task_index == 0, and tasks are counted from 1"),
        ("x = 1 if self.task_index > 0 else 2", "asks for self.task_index > 0"),
        ("if self.task_index < 1:\n    pass", "asks for self.task_index < 1"),
        ("if self.task_index:\n    pass", "asks for self.task_index, and"),
        ("x = not self.task_index", "asks for not self.task_index"),
        ("import torch\nself.o = torch.optim.AdamW(p)", "keeps self.o (AdamW), and the steps have an optimizer"),
        ("from torch.optim import lr_scheduler as l\nself.s = l.StepLR(o, 3)", "keeps self.s (StepLR), and"),
        ("def penalties(self):\n    (2 * x).backward()\n    return {}", "calls (2 * x).backward() in penalties()"),
    ],
)
def test_a_habit_is_told(text: str, said: str) -> None:
    (found,) = told(text)
    assert found.startswith(said)


@pytest.mark.parametrize(
    "text",
    [
        "x = self.task_index == 1", "x = self.task_index > 1", "x = 1 / self.task_index", "x = index == 0",
        "x = self.task_index - 1 == 0",
        "import torch\ndef prepare(self, lesson, generator):\n    probe = torch.optim.SGD(p)",
        "def end_task(self, lesson, generator):\n    x.backward()",
        "def batch(self, lesson, generator):\n    x.backward()\n    return [p.grad for p in q]",
    ],
)  # fmt: skip
def test_what_only_looks_like_one_is_not(text: str) -> None:
    assert told(text) == []
