"""Helpers that several test files import."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

from harness.plan import Setting, Step


class InlineExecutor:
    """Runs steps in this process, at once; `fail_at` makes the n-th step (from 0) raise."""

    jobs = 1

    def __init__(self, setting: Setting, root: Path, fail_at: int | None = None, device: str = "cpu") -> None:
        self.setting, self.root, self.fail_at, self.device = setting, root, fail_at, device
        self.ran: list[str] = []

    def submit(self, step: Step) -> Future[float]:
        from harness.steps import execute

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

    def restart(self) -> None:
        raise AssertionError("there is no worker that could die")

    def close(self, *, kill: bool = False) -> None:
        pass
