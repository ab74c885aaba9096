"""What the system refused a run, in words: which limit of the process or which place it was, and the remedy."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from harness.errors import MachineError, first_line, reason

SHARED_MEMORY = Path("/dev/shm")
OPEN_FILES = 1024  # a limit under which every machine and number of workers works


def _limit(name: str) -> int | None:
    """A limit on this process, by its name without 'RLIMIT_'; None where there is none, or no such thing."""
    try:
        import resource

        soft, _ = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))
    except (ImportError, AttributeError, ValueError, OSError):
        return None
    return None if soft == resource.RLIM_INFINITY else soft


def of_system(error: OSError) -> tuple[str, str]:
    """What the system says of a failed call, and the remedy where the cause is a limit on the process (else '')."""
    return of_number(error.errno, (error.strerror or str(error)).lower())


def of_number(number: int | None, text: str) -> tuple[str, str]:
    """The same of an error's number and its text."""
    if number == errno.EMFILE:
        files = _limit("NOFILE")
        allowed = f"; this process may have {files}" if files is not None else ""
        return f"{text}{allowed}", f"raise that limit, `ulimit -n {OPEN_FILES}`"
    if number == errno.EFBIG:
        size = _limit("FSIZE")
        allowed = f"; this process may write {size} bytes into one" if size is not None else ""
        return f"{text}{allowed}", "raise that limit, `ulimit -f unlimited`"
    return text, ""


def memory_limit() -> str:
    """The remedy where a process has too little memory by a limit on it; empty where it has none."""
    size = _limit("AS")
    if size is None:
        return ""
    return f"raise the limit of {size / 1e9:.1f} GB on the memory of a process, `ulimit -v unlimited`"


def beside_memory_limit(remedy: str) -> str:
    """A remedy for too little memory, after the limit on it that the process has, if it has one."""
    limit = memory_limit()
    return f"{limit}; or {remedy}" if limit else remedy


def about_memory(text: str) -> bool:
    """Whether an error's text is that of the system's refusal to give memory."""
    return any(part in text for part in ("failed to map segment", "Cannot allocate memory", "cannot allocate memory"))


def cannot_start(error: BaseException) -> MachineError:
    """The sentence for what keeps this machine from starting worker processes."""
    why, remedy = first_line(error), memory_limit()
    if isinstance(error, OSError):
        why, remedy = of_system(error)
        if error.filename is not None:
            why = f"{error.filename}: {why}"
        elif sys.platform == "linux" and not os.access(SHARED_MEMORY, os.W_OK | os.X_OK):
            there = "cannot be written" if SHARED_MEMORY.exists() else "is not there"
            why = f"{SHARED_MEMORY}, which they need, {there}: {why}"
            remedy = f"mount it writable (in a container, --shm-size=1g or --tmpfs {SHARED_MEMORY})"
        elif error.errno in (errno.ENOSPC, errno.ENOSYS):
            why = f"{SHARED_MEMORY}: {why}"
            remedy = f"free space in {SHARED_MEMORY}, or make it larger (in a container, --shm-size=1g)"
        elif error.errno == errno.EAGAIN:
            remedy = "end other processes, or raise the limit on their number, `ulimit -u`"
    elif isinstance(error, RuntimeError) and "thread" in why:
        remedy = remedy or "end other processes, or raise the limit on their number, `ulimit -u`"
    why = reason(error) if not why else why.rstrip(".")
    remedy = remedy or "try fewer --jobs, and see `stamina-bench doctor`"
    return MachineError(f"Worker processes cannot be started ({why}); {remedy}.")


def check_current_folder() -> None:
    """Make sure that the current folder is there.

    Raises:
        MachineError: it was deleted, or cannot be looked at.
    """
    try:
        os.getcwd()
    except OSError as error:
        raise MachineError(
            f"The current folder cannot be used ({of_system(error)[0]}): it was deleted, perhaps; change to another "
            "one with `cd`."
        ) from None
