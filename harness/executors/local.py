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
from multiprocessing.synchronize import Semaphore
from pathlib import Path

from harness import registry
from harness.engine.devices import Slot, threads_per_worker
from harness.engine.plan import RunContext, Step
from harness.errors import LibraryError, MachineError
from harness.executors import warm
from harness.machine.libraries import try_imports
from harness.machine.limits import cannot_start
from harness.sources.import_path import starting_processes

# what ends the run is its parent's business; under Slurm every process of a job gets all of these
# of every worker alike: the order of a set of texts, in which a plugin's code may draw, hangs on it
HASH_SEED = "PYTHONHASHSEED"
LEFT_TO_PARENT = (signal.SIGINT, signal.SIGUSR2) + ((signal.SIGTERM,) if "SLURM_JOB_ID" in os.environ else ())
DIED = (
    "The process that workers are forked from died before any step, out of memory perhaps; "
    "`stamina-bench doctor` tries the same."
)


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


def _start_worker(threads: int, ready: Semaphore) -> None:
    """Once per worker: die with the parent, and tell it when all is imported, or that it never will be."""
    threading.Thread(target=_watch_parent, daemon=True).start()
    with warm.importing():
        import torch

        import harness.engine.worker  # noqa: F401

        torch.set_num_threads(threads)
    ready.release()


def _work(step: Step, context: RunContext, root: str, device: str) -> float:
    warm.check()
    from harness.engine.worker import execute

    return execute(step, context, Path(root), device)


@contextmanager
def _starting(hash_seed: str | None) -> Iterator[None]:
    """Workers start with one seed of hashes; what keeps one from being started is said as the machine's fault.

    Args:
        hash_seed: that one; None for the user's, or else 0.

    Raises:
        MachineError: it was.
    """
    given = os.environ.get(HASH_SEED)
    os.environ[HASH_SEED] = hash_seed or (given if given is not None and given.isdigit() else "0")
    try:
        yield
    except (OSError, EOFError) as error:
        raise cannot_start(error) from error
    except RuntimeError as error:
        if "start new thread" not in str(error):
            raise
        raise cannot_start(error) from error
    finally:
        os.environ.pop(HASH_SEED) if given is None else os.environ.update({HASH_SEED: given})


class LocalExecutor:
    """A worker process for each slot; one that dies takes no other along."""

    def __init__(self, context: RunContext, root: Path, slots: Sequence[Slot], hash_seed: str | None = None) -> None:
        """Workers that begin when they are first needed.

        Args:
            hash_seed: what the order of a set of texts hangs on in processes that share nothing with other executors';
                by default the user's PYTHONHASHSEED, or else 0.
        """
        self.context, self.root, self.slots, self._hash_seed = context, root, tuple(slots), hash_seed
        self._warm = False
        self._ready: dict[Slot, Semaphore] = {}  # released by a slot's worker once it has started
        self._pools = {slot: self._worker(slot) for slot in self.slots}

    def _worker(self, slot: Slot) -> ProcessPoolExecutor:
        threads = threads_per_worker(self.slots)
        context = self._process_context()
        with _starting(self._hash_seed), _signals_left_to_parent():
            self._ready[slot] = ready = context.Semaphore(0)
            return ProcessPoolExecutor(1, mp_context=context, initializer=_start_worker, initargs=(threads, ready))

    def _process_context(self) -> BaseContext:
        """On a CPU workers are forked from a process that has the libraries imported, which takes seconds.

        Beside a GPU, which no fork may inherit, each imports them itself.
        """
        if self._hash_seed is not None or sys.platform != "linux" or any(slot.device != "cpu" for slot in self.slots):
            return multiprocessing.get_context("spawn")
        context = multiprocessing.get_context("forkserver")
        # first what imports this program's packages from where they are installed
        context.set_forkserver_preload(["stamina_bench", registry.setting(self.context.setting).preload])
        return context

    def submit(self, step: Step, slot: Slot) -> Future[float]:
        """Start a step in a slot; the future gives its seconds, or raises what the step raised.

        Raises:
            MachineError: no worker can be started. LibraryError: what steps need cannot be imported.
        """
        self._wait_for_libraries()
        with _starting(self._hash_seed), _signals_left_to_parent(), starting_processes():  # a worker may start now
            return self._pools[slot].submit(_work, step, self.context, str(self.root), slot.device)

    def _wait_for_libraries(self) -> None:
        """Until the process that workers are forked from has imported them; Ctrl-C is heard meanwhile."""
        if self._warm:
            return
        context = self._process_context()
        if isinstance(context, ForkServerContext):
            told: Future[LibraryError | None] = Future()
            with _starting(self._hash_seed):
                with _signals_left_to_parent():
                    starting = threading.Thread(target=_fork_once, args=(context, told), daemon=True)
                    starting.start()
                while starting.is_alive():
                    starting.join(0.1)
            failure = self._why(told)
            if failure is not None:
                raise failure
        self._warm = True

    def _why(self, told: Future[LibraryError | None]) -> MachineError | None:
        """What keeps workers from starting: as the first forked process says, or what can be found out if it died."""
        error = told.exception()
        if error is None:
            return told.result()
        if not isinstance(error, EOFError | ConnectionError):
            return cannot_start(error)
        module = registry.setting(self.context.setting).preload
        return LibraryError(try_imports([module])[module] or DIED)

    def restart(self, slot: Slot) -> bool:
        """A new worker in a slot whose worker died; whether that one died while it was still starting.

        Raises:
            MachineError: no worker can be started.
        """
        _kill(self._pools[slot])
        early = not self._ready[slot].acquire(block=False)
        self._pools[slot] = self._worker(slot)
        return early

    def close(self, *, kill: bool = False) -> None:
        """All is done, or (`kill`) the steps in hand are discarded; the store keeps what is whole.

        Workers have ended when it returns. A process of multiprocessing that ends before them closes their queue, and
        whoever waits for them then waits for ever.
        """
        for pool in self._pools.values():
            if kill:
                _kill(pool)
            else:
                pool.shutdown(wait=True, cancel_futures=True)


def _fork_once(context: ForkServerContext, told: Future[LibraryError | None]) -> None:
    """Tell what the first forked process says of the libraries."""
    try:
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=warm.tell, args=(there,))
        with starting_processes():
            process.start()
        there.close()
        told.set_result(here.recv())
        process.join()
    except BaseException as error:  # in a thread: whoever waits shall hear of it
        told.set_exception(error)


def _kill(pool: ProcessPoolExecutor) -> None:
    processes = dict(getattr(pool, "_processes", None) or {})
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes.values():
        process.kill()
