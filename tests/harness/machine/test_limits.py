"""What the system refuses is said with the limit or the place that it was, and the remedy."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from harness.doctor import workers
from harness.machine import limits
from harness.machine.limits import cannot_start, check_current_folder, of_system


def system(number: int, *more: str) -> OSError:
    return OSError(number, os.strerror(number), *more)


@pytest.mark.parametrize(
    ("error", "memory", "parts"),
    [
        (system(errno.EMFILE), True, ("too many open files; this process may have 24)", "`ulimit -n 1024`")),
        (system(errno.ENOSPC), True, ("shm: no space left on device)", "free space in", "--shm-size=1g")),
        (system(errno.EROFS), False, ("which they need, cannot be written: read-only", "mount it writable")),
        (system(errno.EAGAIN), True, ("resource temporarily unavailable", "`ulimit -u`")),
        (system(errno.ENOENT, "/tmp/socket"), True, ("/tmp/socket: no such file or directory", "stamina-bench doctor")),
        (RuntimeError("can't start new thread"), True, ("can't start new thread", "`ulimit -v unlimited`")),
        (EOFError(), True, ("(EOFError)",)),
    ],
)
def test_why_no_worker_can_be_started(
    error: Exception, memory: bool, parts: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shm"
    if memory:
        shared.mkdir()
    else:
        shared.touch(mode=0o400)
    monkeypatch.setattr(limits, "SHARED_MEMORY", shared)
    monkeypatch.setattr("harness.machine.limits.sys.platform", "linux")
    if not memory:
        monkeypatch.setattr("harness.machine.limits.os.access", lambda *_: False)
    monkeypatch.setattr(limits, "_limit", lambda name: {"NOFILE": 24, "AS": 4_000_000_000}.get(name))
    text = str(cannot_start(error))
    assert text.startswith("Worker processes cannot be started (")
    for part in parts:
        assert part in text
    assert cannot_start(error).exit_code == 2


def test_shared_memory_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SHARED_MEMORY", tmp_path / "shm")
    monkeypatch.setattr("harness.machine.limits.sys.platform", "linux")
    assert "shm, which they need, is not there: no such file" in str(cannot_start(system(errno.ENOENT)))


def test_what_is_no_limit_is_said_as_the_system_says_it() -> None:
    assert of_system(system(errno.EACCES)) == ("permission denied", "")
    assert of_system(OSError("Strange")) == ("strange", "")


def test_a_current_folder_that_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_current_folder()
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(limits.MachineError, match=r"current folder cannot be used.*change to another one with `cd`"):
        check_current_folder()


def test_doctor_says_whether_workers_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [finding.state for finding in workers()] == ["ready"]

    def refuse(*arguments: object) -> None:
        raise system(errno.EMFILE)

    monkeypatch.setattr("multiprocessing.context.BaseContext.Semaphore", refuse)
    (finding,) = workers()
    assert finding.fatal
    assert finding.remedy.startswith("raise that limit")
