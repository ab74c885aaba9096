"""Runs steps on this machine: one worker process for each device slot."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

from harness.plan import Setting, Step
from harness.slots import Slot, threads_per_worker

# what ends the run is its parent's business; under Slurm every process of a job gets all of these
LEFT_TO_PARENT = (signal.SIGINT, signal.SIGUSR2) + ((signal.SIGTERM,) if "SLURM_JOB_ID" in os.environ else ())


def _watch_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # the run was killed: a step half done is of no use to anyone


def _start_worker(threads: int) -> None:
    """Once per worker: leave signals to the parent, and die with it."""
    for number in LEFT_TO_PARENT:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_watch_parent, daemon=True).start()
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))


def _work(step: Step, setting: Setting, root: str, device: str) -> float:
    from harness.steps import execute

    return execute(step, setting, Path(root), device)


class LocalExecutor:
    """A worker process for each slot; one that dies takes no other along."""

    def __init__(self, setting: Setting, root: Path, slots: Sequence[Slot]) -> None:
        self.setting, self.root, self.slots = setting, root, tuple(slots)
        self._pools = {slot: self._worker() for slot in self.slots}

    def _worker(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        threads = threads_per_worker(self.slots)
        return ProcessPoolExecutor(1, mp_context=context, initializer=_start_worker, initargs=(threads,))

    def submit(self, step: Step, slot: Slot) -> Future[float]:
        """Start a step in a slot; the future gives its seconds, or raises what the step raised."""
        pool = self._pools[slot]
        if threading.current_thread() is not threading.main_thread():
            return pool.submit(_work, step, self.setting, str(self.root), slot.device)
        # a worker may start now: it inherits what is the parent's business, from its first instruction on
        before = {number: signal.signal(number, signal.SIG_IGN) for number in LEFT_TO_PARENT}
        try:
            return pool.submit(_work, step, self.setting, str(self.root), slot.device)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def restart(self, slot: Slot) -> None:
        """A new worker in a slot whose worker died."""
        _end(self._pools[slot], kill=True)
        self._pools[slot] = self._worker()

    def close(self, *, kill: bool = False) -> None:
        """Wait for nothing: all is done, or (`kill`) the steps in hand are discarded; the store keeps what is whole."""
        for pool in self._pools.values():
            _end(pool, kill=kill)
        if not kill:
            for pool in self._pools.values():
                pool.shutdown(wait=True)


def _end(pool: ProcessPoolExecutor, *, kill: bool) -> None:
    processes = dict(getattr(pool, "_processes", None) or {})
    pool.shutdown(wait=False, cancel_futures=True)
    if kill:
        for process in processes.values():
            process.kill()
