"""Runs steps in this process, one at a time: for methods that only this process has, a notebook's say.

A step on a CPU has one thread here, too, and the same seeds, so that it gives the same bytes as in a worker.
"""

from __future__ import annotations

import os
from concurrent.futures import Future
from pathlib import Path

from harness.engine.devices import Slot
from harness.engine.plan import RunContext, Step
from harness.machine.libraries import as_failure

OFFLINE = "HF_HUB_OFFLINE"  # a step sets it


class InProcessExecutor:
    """One slot, whose steps are done when `submit` returns; Ctrl-C interrupts the one in hand."""

    def __init__(self, context: RunContext, root: Path, device: str) -> None:
        self.context, self.root, self.slots = context, root, (Slot(device, device),)

    def submit(self, step: Step, slot: Slot) -> Future[float]:
        """Make a step; the future gives its seconds, or raises what the step raised.

        Raises:
            LibraryError: what steps need cannot be imported.
        """
        try:
            import torch

            from harness.engine.worker import execute
        except Exception as error:  # a library may raise anything while it is imported
            raise as_failure(error) from error
        future: Future[float] = Future()
        threads, offline = torch.get_num_threads(), os.environ.get(OFFLINE)
        try:
            future.set_result(execute(step, self.context, self.root, slot.device))
        except Exception as error:
            future.set_exception(error)
        finally:
            torch.set_num_threads(threads)
            if offline is None:
                os.environ.pop(OFFLINE, None)
        return future

    def restart(self, slot: Slot) -> bool:
        """Never called: there is no worker that could die."""
        raise AssertionError(slot)

    def close(self, *, kill: bool = False) -> None:
        """Nothing to release."""
