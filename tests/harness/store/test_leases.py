"""Who makes a step holds its lease: what happens to one whose holder lives, is killed, falls silent, or loses it."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.errors import UnwritableError
from harness.store.store import MANIFEST, Store

KEY = "ab" * 32
PATIENCE_S = 30.0  # by then something that should happen has not
# `... ROOT LEASE_S [HOST]`: says "held", keeps the lease until its input ends, says "released"
HOLDER = """
import socket, sys
from pathlib import Path
import harness.store.store as store
root, store.LEASE_S = Path(sys.argv[1]), float(sys.argv[2])
if len(sys.argv) > 3:
    socket.gethostname = lambda: sys.argv[3]
with store.Store(root).lock("ab" * 32):
    print("held", flush=True)
    sys.stdin.read()
print("released", flush=True)
"""


@contextmanager
def holder(root: Path, lease_s: float, *host: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lease, on a machine of another name if `host` is given."""
    command = [sys.executable, "-c", HOLDER, str(root), str(lease_s), *host]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


class Contender(threading.Thread):
    """Wants the lease, as another thread, which counts as another process; keeps it until `enough` is set."""

    def __init__(self, root: Path) -> None:
        super().__init__(daemon=True)
        self.root, self.got, self.enough = root, threading.Event(), threading.Event()
        self.start()

    def run(self) -> None:
        with Store(self.root).lock(KEY):
            self.got.set()
            self.enough.wait(PATIENCE_S)

    def gets_it(self) -> bool:
        """Whether it comes to hold the lease; then it gives it back."""
        got = self.got.wait(PATIENCE_S)
        self.enough.set()
        if got:
            self.join(PATIENCE_S)
        return got


def make(root: Path, text: str = "hello") -> None:
    """A step; every process that makes it makes the same bytes."""
    with Store(root).commit(KEY, {"name": "a"}) as folder:
        (folder / "data.txt").write_text(text)


def assert_one_whole_step(root: Path) -> None:
    """One result, and nothing left over, be it a temporary folder or a lock."""
    entry = Store(root).open(KEY)
    assert entry.file("data.txt").read_text() == "hello"
    assert sorted(p.name for p in entry.folder.iterdir()) == ["data.txt", MANIFEST]
    assert [p.name for p in entry.folder.parent.iterdir()] == [KEY]
    assert not list((root / "locks").iterdir())


def test_the_lease_of_a_killed_process_is_taken_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.store.store.LEASE_S", 3600.0)  # so not for want of a heartbeat
    with holder(tmp_path, 3600.0) as process:
        contender = Contender(tmp_path)
        process.kill()
        process.wait()
        assert contender.gets_it()
    assert not list((tmp_path / "locks").iterdir())


def test_who_waits_for_a_living_holder_gets_the_lease_after_it(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from harness.store.store import Store\n"
        "root, name, log = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[1], 'log').open('a', buffering=1)\n"
        "print('asks', flush=True)\n"
        "with Store(root).lock('ab' * 32):\n"
        "    print(name, 'in', file=log); time.sleep(0.3); print(name, 'out', file=log)\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], stdout=subprocess.PIPE, text=True)
        for name in ("first", "second", "third")
    ]
    for process in processes:
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, said) == (0, "asks\n")
    log = (tmp_path / "log").read_text().split()
    names = log[::4]
    assert sorted(names) == ["first", "second", "third"]
    assert log == [word for name in names for word in (name, "in", name, "out")]


def test_a_holder_elsewhere_keeps_its_lease_with_its_heartbeat_and_loses_it_when_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.store.store.LEASE_S", 1.5)
    with holder(tmp_path, 1.5, "elsewhere") as process:
        record = Store(tmp_path).lease(KEY).read_text()
        assert record.startswith(f"filelock/2\npid={process.pid}\nhost=elsewhere")
        contender = Contender(tmp_path)
        assert not contender.got.wait(2.5 * 1.5)
        process.send_signal(signal.SIGSTOP)
        assert contender.got.wait(PATIENCE_S)
        process.send_signal(signal.SIGCONT)  # it comes back, and ends its step
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, said) == (0, "released\n")
        assert Store(tmp_path).lease(KEY).read_text() != record  # it took nothing that is another's now
        assert contender.gets_it()
    assert not list((tmp_path / "locks").iterdir())


@pytest.mark.parametrize("host", [[], ["elsewhere"]])
def test_a_silent_holder_loses_its_lease_where_names_cannot_be_exchanged_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: list[str]
) -> None:
    """As on NFS, Lustre, SMB: renameat2 refuses RENAME_EXCHANGE there, without which filelock takes nothing over."""
    monkeypatch.setattr("harness.store.store.LEASE_S", 0.5)
    monkeypatch.setattr("filelock._soft.exchange_names", lambda source, target: False)
    with holder(tmp_path, 0.5, *host) as process:
        process.kill()
        process.wait()
    assert Contender(tmp_path).gets_it()
    assert not list((tmp_path / "locks").iterdir())


@pytest.mark.parametrize("content", ["", "half a rec", "filelock/2\npid=1\n"])
def test_a_lock_file_without_an_owners_record_blocks_nobody_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    """Versions that locked with flock left empty ones when a step failed; a power cut can leave half of one."""
    monkeypatch.setattr("harness.store.store.LEASE_S", 0.5)
    lease = Store(tmp_path).lease(KEY)
    lease.parent.mkdir(parents=True)
    lease.write_text(content)
    assert Contender(tmp_path).gets_it()
    assert not lease.exists()


@pytest.mark.parametrize("faster", ["the one that had it", "the one that took it"])
def test_two_that_hold_a_lease_after_all_leave_one_whole_step(tmp_path: Path, faster: str) -> None:
    second, may_commit = threading.Event(), threading.Event()

    def take_and_make() -> None:
        with Store(tmp_path).lock(KEY):
            second.set()
            may_commit.wait(PATIENCE_S)
            make(tmp_path)

    other = threading.Thread(target=take_and_make, daemon=True)
    with Store(tmp_path).lock(KEY), Store(tmp_path).commit(KEY, {"name": "a"}) as folder:
        Store(tmp_path).lease(KEY).unlink()
        other.start()
        assert second.wait(PATIENCE_S)
        (folder / "data.txt").write_text("hello")
        if faster == "the one that took it":
            may_commit.set()
            other.join(PATIENCE_S)
    assert Store(tmp_path).get(KEY) is not None
    may_commit.set()
    other.join(PATIENCE_S)
    assert_one_whole_step(tmp_path)


def test_who_holds_a_step_may_find_it_damaged_and_make_it_again(tmp_path: Path) -> None:
    make(tmp_path)
    said: list[str] = []
    store = Store(tmp_path, said.append)
    (store.folder(KEY) / "data.txt").write_text("jello")
    with store.lock(KEY):
        assert store.get(KEY) is None  # it takes the lease once more to set the step aside
        assert store.lease(KEY).exists()
        contender = Contender(tmp_path)
        assert not contender.got.wait(0.3)
        make(tmp_path)
    assert contender.gets_it()
    assert len(said) == 1
    assert len(list((tmp_path / "damaged").iterdir())) == 1
    assert_one_whole_step(tmp_path)


def test_a_full_disk_where_the_lease_is_written_is_the_folders_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def full(handle: int, data: bytes) -> int:
        if bytes(data).startswith(b"filelock/2"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(UnwritableError, match=r"no space left on device.*free space"), Store(tmp_path).lock(KEY):
        pass
    assert not list((tmp_path / "locks").iterdir())
    make(tmp_path)
    (Store(tmp_path).folder(KEY) / "data.txt").write_text("jello")
    said: list[str] = []
    assert Store(tmp_path, said.append).get(KEY) is None  # said, and left where it is
    assert len(said) == 1
    assert Store(tmp_path).folder(KEY).exists()


def test_nothing_is_left_of_a_lease_that_was_given_back(tmp_path: Path) -> None:
    def heartbeats() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name.startswith("filelock")]

    files = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else None
    before = heartbeats()

    def fail() -> None:
        with Store(tmp_path).lock(KEY):
            assert len(heartbeats()) == len(before) + 1
            raise RuntimeError("broken")

    for _ in range(3):
        with pytest.raises(RuntimeError, match="broken"):
            fail()
        with Store(tmp_path).lock(KEY), Store(tmp_path).lock(KEY):
            make(tmp_path)
    until = time.monotonic() + PATIENCE_S
    while heartbeats() != before and time.monotonic() < until:
        time.sleep(0.01)
    assert heartbeats() == before
    assert files is None or len(os.listdir("/proc/self/fd")) == files
    assert_one_whole_step(tmp_path)
