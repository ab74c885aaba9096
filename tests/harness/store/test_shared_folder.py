"""A store in a folder that several machines share over a network file system, which is imitated here."""

from __future__ import annotations

import errno
import hashlib
import io
import math
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests_support import InlineExecutor

from harness import api
from harness.engine.display import QuietDisplay
from harness.engine.plan import RunContext, Step
from harness.engine.runner import check, run
from harness.errors import UnwritableError
from harness.settings.base import StepKind
from harness.spec import MethodSpec, RunSpec
from harness.store.store import MANIFEST, Store

KEY, OTHER = "ab" * 32, "cd" * 32
PATIENCE_S = 30.0  # by then something that should happen has not


class NfsClient:
    """What one machine, this process, sees of a folder that it shares over NFS.

    Imitated: an entry that was looked up and was not there stays "not there" for `remembers_s`, or until the folder
    that it is in is listed (if `listing_helps`), whatever others create meanwhile; what this machine creates it sees.
    Each operation takes `slow_s`. With `answer`, the reply to every rename is lost: the server has carried it out, is
    asked again, and answers that error, or ENOENT for a file. Creation and renames are atomic, as on a server.

    Not imitated: cached sizes, times and contents of files that are there, stale handles, a server that is gone.
    """

    def __init__(
        self, root: Path, *, remembers_s: float = math.inf, listing_helps: bool = True, slow_s: float = 0.0,
        answer: int = 0,
    ) -> None:  # fmt: skip
        self.root, self.remembers_s, self.listing_helps = str(root), remembers_s, listing_helps
        self.slow_s, self.answer = slow_s, answer
        self.absent: dict[str, float] = {}  # path -> until when it is remembered as "not there"
        self.real = {name: getattr(os, name) for name in ("stat", "lstat", "mkdir", "open", "rename", "replace")}
        self.real |= {"scandir": os.scandir, "io.open": io.open}
        self.away = False

    def mount(self, patch: pytest.MonkeyPatch) -> NfsClient:
        """From now on this process sees the folder so."""
        for name in ("stat", "lstat"):
            patch.setattr(os, name, self.looking(self.real[name]))
        patch.setattr(io, "open", self.looking(self.real["io.open"]))
        patch.setattr(os, "open", self.opening)
        patch.setattr(os, "mkdir", self.making)
        patch.setattr(os, "scandir", self.listing)
        patch.setattr(os, "rename", lambda source, target: self.renaming("rename", self.answer, source, target))
        answer = errno.ENOENT if self.answer else 0
        patch.setattr(os, "replace", lambda source, target: self.renaming("replace", answer, source, target))
        return self

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """In it, this process is another machine, which sees everything at once."""
        self.away = True
        yield
        self.away = False

    def shared(self, path: Any) -> str | None:
        """The path as text, if it is in the shared folder and an operation on it is this machine's."""
        text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
        if self.away or not isinstance(text, str) or not text.startswith(self.root):
            return None
        time.sleep(self.slow_s)
        return text

    def refuse_what_is_remembered(self, path: str) -> None:
        for known in (path, *map(str, Path(path).parents)):
            if self.absent.get(known, -math.inf) > time.monotonic():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    def end_task(self, path: str) -> None:
        """The uppermost part of the path that is not there."""
        missing = path
        while not os.path.isdir(parent := os.path.dirname(missing)):
            missing = parent
        self.absent[missing] = time.monotonic() + self.remembers_s

    def looking(self, real: Any) -> Any:
        def look(path: Any, *arguments: Any, **options: Any) -> Any:
            if (text := self.shared(path)) is None:
                return real(path, *arguments, **options)
            self.refuse_what_is_remembered(text)
            try:
                return real(path, *arguments, **options)
            except FileNotFoundError:
                with self.elsewhere():
                    self.end_task(text)
                raise

        return look

    def opening(self, path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if (text := self.shared(path)) is not None and flags & os.O_CREAT:
            self.absent.pop(text, None)  # the server is asked
        elif text is not None:
            self.refuse_what_is_remembered(text)
        return self.real["open"](path, flags, *arguments, **options)

    def making(self, path: Any, *arguments: Any, **options: Any) -> None:
        if (text := self.shared(path)) is not None:
            self.refuse_what_is_remembered(os.path.dirname(text))
            self.absent.pop(text, None)
        self.real["mkdir"](path, *arguments, **options)

    def listing(self, path: Any = ".") -> Any:
        if (text := self.shared(path)) is not None:
            self.refuse_what_is_remembered(text)
            if self.listing_helps:
                self.absent = {name: until for name, until in self.absent.items() if os.path.dirname(name) != text}
        return self.real["scandir"](path)

    def renaming(self, name: str, answer: int, source: Any, target: Any) -> None:
        self.real[name](source, target)
        if self.shared(target) is not None:
            self.absent.pop(str(target), None)
            if answer:
                raise OSError(answer, os.strerror(answer), str(source), None, str(target))


def make(root: Path, key: str = KEY, text: str = "hello") -> None:
    with Store(root).commit(key, {"name": "a"}) as folder:
        (folder / "data.txt").write_text(text)


# --------------------------------------------------------------------------------------- what others made is seen late


@pytest.mark.parametrize("neighbour", ["ab" + "0" * 62, OTHER])
def test_a_step_made_elsewhere_is_found_though_remembered_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, neighbour: str
) -> None:
    """Also where the very folder that it is in was not there."""
    make(tmp_path, neighbour)
    client = NfsClient(tmp_path).mount(monkeypatch)
    store = Store(tmp_path)
    assert store.get(KEY) is None
    with client.elsewhere():
        make(tmp_path)
    assert store.get(KEY) is None
    assert store.wait_for([KEY, neighbour], PATIENCE_S) == []
    assert store.open(KEY).file("data.txt").read_text() == "hello"


def test_a_step_that_shows_late_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = NfsClient(tmp_path, remembers_s=0.3, listing_helps=False).mount(monkeypatch)
    store = Store(tmp_path)
    assert store.get(KEY) is None
    with client.elsewhere():
        make(tmp_path)
    assert store.wait_for([KEY], 3.0) == []
    assert store.get(KEY) is not None


def test_a_step_hidden_for_good_is_missing_after_the_patience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = NfsClient(tmp_path, listing_helps=False).mount(monkeypatch)
    store = Store(tmp_path)
    make(tmp_path, OTHER)
    assert store.get(KEY) is None
    with client.elsewhere():
        make(tmp_path)
    assert store.wait_for([OTHER, KEY], 0.2) == [KEY]
    assert store.get(KEY) is None


def test_who_makes_what_another_machine_has_made_meanwhile_keeps_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = NfsClient(tmp_path).mount(monkeypatch)
    store = Store(tmp_path)
    make(tmp_path, "ab" + "0" * 62)
    assert store.get(KEY) is None
    with client.elsewhere():
        make(tmp_path, text="first")
    assert store.get(KEY) is None
    make(tmp_path, text="second")
    assert store.open(KEY).file("data.txt").read_text() == "first"
    assert not list((tmp_path / "steps").glob("*/.*"))


# -------------------------------------------------------------------------- an answer is lost, and the request repeated


@pytest.mark.parametrize("answer", [errno.ENOENT, errno.EEXIST])
def test_a_commit_is_kept_though_its_rename_is_answered_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: int
) -> None:
    NfsClient(tmp_path, answer=answer).mount(monkeypatch)
    make(tmp_path)
    assert Store(tmp_path).open(KEY).file("data.txt").read_text() == "hello"
    assert [p.name for p in (tmp_path / "steps" / "ab").iterdir()] == [KEY]


def test_what_is_damaged_is_set_aside_though_its_rename_is_answered_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path)
    (Store(tmp_path).folder(KEY) / "data.txt").write_text("jello")
    NfsClient(tmp_path, answer=errno.ENOENT).mount(monkeypatch)
    said: list[str] = []
    assert Store(tmp_path, said.append).get(KEY) is None
    assert len(said) == 1
    assert len(list((tmp_path / "damaged").iterdir())) == 1
    make(tmp_path)
    assert Store(tmp_path, said.append).open(KEY).file("data.txt").read_text() == "hello"


@pytest.mark.parametrize("name", ["rename", "replace"])
def test_a_rename_that_was_not_carried_out_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def refuse(source: object, target: object) -> None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr(os, name, refuse)
    with pytest.raises(UnwritableError, match="no such file or directory"):
        make(tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


# ---------------------------------------------------------------------------------------------- two machines, one store


@pytest.fixture
def prepared(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> api.Prepared:
    """stamina on two tasks; its steps make a file of their parents' files, not what such steps make."""
    log = tmp_path / "log"

    def made_of_parents(step: Step, setting: RunContext, store: Store, device: str, folder: Path) -> dict[str, Any]:
        with log.open("a") as stream:
            print(step.key, os.getpid(), file=stream)
        parents = [store.open(parent).file("data.txt").read_text() for parent in step.parents]
        time.sleep(0.01)
        (folder / "data.txt").write_text(hashlib.sha256(" ".join([step.key, *parents]).encode()).hexdigest())
        with log.open("a") as stream:
            print(step.key, os.getpid(), file=stream)
        return {}

    monkeypatch.setattr(StepKind, "function", lambda kind: made_of_parents)
    monkeypatch.setattr("harness.store.store.LOCK_POLL_S", 0.01)
    spec = RunSpec(
        benchmark="mixed50", methods=(MethodSpec(name="stamina"),), backbone=str(tiny_models / "sd"),
        extractor=str(tiny_models / "clip"), tasks=(1, 2), output=tmp_path / "runs",
    )  # fmt: skip
    return api.prepare(spec)


def carry_out(prepared: api.Prepared, root: Path) -> None:
    store = Store(root)
    executor = InlineExecutor(prepared.plan.context, root)
    outcome = run(
        prepared.plan, store, executor, check(prepared.plan, store), QuietDisplay(Console(quiet=True)), keep_going=False
    )
    assert not outcome.failed, outcome.failed


def machine(prepared: api.Prepared, root: Path, answer: int) -> None:
    """A process that is a machine of its own, with one worker."""
    with pytest.MonkeyPatch.context() as patch:
        NfsClient(root, slow_s=0.001, answer=answer).mount(patch)
        carry_out(prepared, root)


def content(root: Path) -> dict[str, str]:
    """The text of every file of every step but its manifest."""
    files = [path for path in (root / "steps").rglob("*") if path.is_file() and path.name != MANIFEST]
    return {str(path.relative_to(root)): path.read_text() for path in files}


@pytest.mark.parametrize("answer", [0, errno.ENOENT])
def test_two_machines_that_make_the_same_plan_leave_the_store_of_one(
    prepared: api.Prepared, tmp_path: Path, answer: int
) -> None:
    carry_out(prepared, tmp_path / "undisturbed")
    (tmp_path / "log").write_text("")
    root = tmp_path / "shared"
    root.mkdir()
    fork = multiprocessing.get_context("fork")
    machines = [fork.Process(target=machine, args=(prepared, root, answer)) for _ in range(2)]
    for process in machines:
        process.start()
    for process in machines:
        process.join(PATIENCE_S)
    assert [process.exitcode for process in machines] == [0, 0]

    assert content(root) == content(tmp_path / "undisturbed")
    assert {path.name for path in (root / "steps").glob("*/*")} == set(prepared.plan.steps)  # each once, no leftovers
    assert not check(prepared.plan, Store(root)).pending
    assert not list((root / "locks").iterdir())
    # no step was made by both at the same time: its lines of the log come in pairs of one process
    making: dict[str, list[str]] = {}
    for key, process in map(str.split, (tmp_path / "log").read_text().splitlines()):
        making.setdefault(key, []).append(process)
    assert making.keys() == prepared.plan.steps.keys()
    assert all(processes[::2] == processes[1::2] for processes in making.values())
