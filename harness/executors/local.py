"""Runs steps on this machine: a pool of worker processes, one per CPU core or per GPU."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

from harness.plan import Setting, Step

_device = "cpu"


def _watch_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # the run was killed: a step half done is of no use to anyone


def _start_worker(devices: Any, threads: str) -> None:
    """Once per worker: claim a device, leave Ctrl-C to the parent, and die with the parent."""
    global _device
    _device = devices.get()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch_parent, daemon=True).start()
    os.environ.setdefault("OMP_NUM_THREADS", threads)


def _work(step: Step, setting: Setting, root: str) -> float:
    from harness.steps import execute

    return execute(step, setting, Path(root), _device)


class LocalExecutor:
    """`jobs` worker processes that share the given devices in turn."""

    def __init__(self, setting: Setting, root: Path, devices: list[str], jobs: int) -> None:
        self.setting, self.root, self.devices, self.jobs = setting, root, devices, jobs
        self._pool = self._workers()

    def _workers(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        queue = context.Queue()
        for index in range(self.jobs):
            queue.put(self.devices[index % len(self.devices)])
        threads = "1" if self.devices[0] == "cpu" else "4"
        return ProcessPoolExecutor(self.jobs, mp_context=context, initializer=_start_worker, initargs=(queue, threads))

    def submit(self, step: Step) -> Future[float]:
        """Start a step when a worker is free; the future gives its seconds, or raises what the step raised."""
        if threading.current_thread() is not threading.main_thread():
            return self._pool.submit(_work, step, self.setting, str(self.root))
        # a worker may start now: it inherits that Ctrl-C is the parent's business, from its first instruction on
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return self._pool.submit(_work, step, self.setting, str(self.root))
        finally:
            signal.signal(signal.SIGINT, before)

    def restart(self) -> None:
        """New workers in place of the old ones, of which one has died and took the others along."""
        self.close(kill=True)
        self._pool = self._workers()

    def close(self, *, kill: bool = False) -> None:
        """Wait for nothing: all is done, or (`kill`) the steps in hand are discarded; the store keeps what is whole."""
        processes = dict(getattr(self._pool, "_processes", None) or {})
        self._pool.shutdown(wait=not kill, cancel_futures=True)
        if kill:
            for process in processes.values():
                process.kill()
