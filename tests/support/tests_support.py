"""Helpers that several test files import."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from harness.engine.devices import Slot
from harness.engine.plan import RunContext, Step
from harness.errors import UsageError


class InlineExecutor:
    """Runs steps in this process, at once; `fail_at` makes the n-th step (from 0) raise."""

    def __init__(self, setting: RunContext, root: Path, fail_at: int | None = None, device: str = "cpu") -> None:
        self.setting, self.root, self.fail_at, self.device = setting, root, fail_at, device
        self.slots = (Slot(device, device),)
        self.ran: list[str] = []

    def submit(self, step: Step, slot: Slot) -> Future[float]:
        from harness.engine.worker import execute

        future: Future[float] = Future()
        try:
            if self.fail_at == len(self.ran):
                self.ran.append("failure")
                raise RuntimeError("made to fail")
            self.ran.append(step.kind)
            future.set_result(execute(step, self.setting, self.root, self.device))
        except Exception as error:
            future.set_exception(error)
        return future

    def restart(self, slot: Slot) -> bool:
        raise AssertionError("there is no worker that could die")

    def close(self, *, kill: bool = False) -> None:
        pass


def raises_sentence(call: Callable[[], object], *parts: object) -> str:
    """The message of the `UsageError` that `call` raises: one sentence, with each of the parts."""
    with pytest.raises(UsageError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert re.search(r"[^.][.?]$", message), message
    for part in parts:
        assert str(part) in message, message
    return message


def measured_by_training(tasks: Callable[[Any], Sequence[Any]]) -> Callable[[Any], list[Any]]:
    """A list of tasks without the images that are held out of training."""
    return lambda self: [task.model_copy(update={"reference": None}) for task in tasks(self)]
