"""Runs steps on this machine: one worker process for each device slot."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.context import BaseContext, ForkServerContext
from pathlib import Path

from harness.import_path import starting_processes
from harness.plan import Setting, Step
from harness.slots import Slot, threads_per_worker

# what ends the run is its parent's business; under Slurm every process of a job gets all of these
LEFT_TO_PARENT = (signal.SIGINT, signal.SIGUSR2) + ((signal.SIGTERM,) if "SLURM_JOB_ID" in os.environ else ())
# what is imported before workers are forked, by whether the setting is classification
WARM = {False: "harness.executors.warm_images", True: "harness.executors.warm_classes"}


@contextmanager
def _signals_left_to_parent() -> Iterator[None]:
    """Processes that start in it never see those signals, not even in their first instructions; this one does after it.

    What is blocked stays blocked in children, those of Python's own bookkeeping, too. Ignoring would lose a signal.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, LEFT_TO_PARENT)
    # another thread may get one all the same: Python then tells the main thread, which shall hear of it later
    heard: list[int] = []
    main = threading.current_thread() is threading.main_thread()
    handlers = {n: signal.signal(n, lambda n, _: heard.append(n)) for n in LEFT_TO_PARENT} if main else {}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for late in heard:
            signal.raise_signal(late)


def _watch_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # the run was killed: a step half done is of no use to anyone


def _start_worker(threads: int) -> None:
    """Once per worker: die with the parent."""
    threading.Thread(target=_watch_parent, daemon=True).start()
    import torch

    torch.set_num_threads(threads)


def _work(step: Step, setting: Setting, root: str, device: str) -> float:
    from harness.steps import execute

    return execute(step, setting, Path(root), device)


class LocalExecutor:
    """A worker process for each slot; one that dies takes no other along."""

    def __init__(self, setting: Setting, root: Path, slots: Sequence[Slot]) -> None:
        self.setting, self.root, self.slots = setting, root, tuple(slots)
        self._warm = False
        self._pools = {slot: self._worker() for slot in self.slots}

    def _worker(self) -> ProcessPoolExecutor:
        threads = threads_per_worker(self.slots)
        with _signals_left_to_parent():
            return ProcessPoolExecutor(1, mp_context=self._context(), initializer=_start_worker, initargs=(threads,))

    def _context(self) -> BaseContext:
        """On a CPU workers are forked from a process that has the libraries imported, which takes seconds.

        Beside a GPU, which no fork may inherit, each imports them itself.
        """
        if sys.platform != "linux" or any(slot.device != "cpu" for slot in self.slots):
            return multiprocessing.get_context("spawn")
        context = multiprocessing.get_context("forkserver")
        # first what imports this program's packages from where they are installed
        context.set_forkserver_preload(["stamina_bench", WARM[self.setting.recognition is not None]])
        return context

    def submit(self, step: Step, slot: Slot) -> Future[float]:
        """Start a step in a slot; the future gives its seconds, or raises what the step raised."""
        self._wait_for_libraries()
        with _signals_left_to_parent(), starting_processes():  # a worker may start now
            return self._pools[slot].submit(_work, step, self.setting, str(self.root), slot.device)

    def _wait_for_libraries(self) -> None:
        """Until the process that workers are forked from has imported them; Ctrl-C is heard meanwhile."""
        if self._warm:
            return
        context = self._context()
        if isinstance(context, ForkServerContext):
            with _signals_left_to_parent():
                starting = threading.Thread(target=_fork_once, args=(context,), daemon=True)
                starting.start()
            while starting.is_alive():
                starting.join(0.1)
        self._warm = True

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


def _fork_once(context: ForkServerContext) -> None:
    process = context.Process(target=int)
    with starting_processes():
        process.start()
    process.join()


def _end(pool: ProcessPoolExecutor, *, kill: bool) -> None:
    processes = dict(getattr(pool, "_processes", None) or {})
    pool.shutdown(wait=False, cancel_futures=True)
    if kill:
        for process in processes.values():
            process.kill()
