"""Does a results folder survive? Kills, damage, full disks and two runs at once, at random, on real processes.

After each fault the same command runs again, and in the end every store must equal the undisturbed one, hash for hash.
The libraries are imported once, and each run is forked from there, so that it starts at once and most faults hit work.
Run by `nox -s torture`, or `python tests/support/torture.py --kills 100 --damage 50 --fills 10 --twins 10 --seed 0`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tiny_models import make_tiny_models

OPTIONS = ("--set", "batch_size=2", "--set", "sampling.steps=2", "--set", "sampling.images=3", "--output-dir", "runs",
           "--quiet")  # fmt: skip
# checkpoints often enough that a kill finds a training with one
os.environ |= {"STAMINA_BENCH_CHECKPOINT_SECONDS": "0.1", "COLUMNS": "200"}
INTERRUPTED, CELLS_FAILED, USAGE = 130, 1, 2
PATIENCE_S = 300
MANIFEST = "manifest.json"


class TortureError(AssertionError):
    """A promise was broken; the message says which, and where the folder lies."""


class Kill(NamedTuple):
    """A signal, to whom, and the exit codes of the run that may follow (besides 0: it was just ending)."""

    number: signal.Signals
    whom: str
    codes: tuple[int, ...]


KILLS = (
    Kill(signal.SIGKILL, "run", (-signal.SIGKILL,)),
    Kill(signal.SIGKILL, "everyone", (-signal.SIGKILL,)),
    Kill(signal.SIGKILL, "worker", ()),  # the run goes on with new workers
    Kill(signal.SIGTERM, "run", (INTERRUPTED, -signal.SIGTERM)),  # the latter before Python has come up
    Kill(signal.SIGINT, "run", (INTERRUPTED, -signal.SIGINT, 1)),
)


class Process:
    """A run, forked: the leader of a process group of its own. What it says goes to a file."""

    def __init__(self, arguments: list[str], place: Path, said: Path) -> None:
        self.said, self.returncode = said, None
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(_run(arguments, place, said))

    def poll(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None while it lives."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def ends_within(self, seconds: float) -> bool:
        """Wait so long at most."""
        deadline = time.monotonic() + seconds
        while self.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        return self.returncode is not None


def _run(arguments: list[str], place: Path, said: Path) -> int:
    """The command line, in this process; its workers are forked, too."""
    from harness.cli import main

    os.setsid()
    handle = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.chdir(place)
    fork = multiprocessing.get_context("fork")
    multiprocessing.get_context = lambda method=None: fork  # type: ignore[assignment, misc]
    sys.argv = ["stamina-bench", *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    return code


class Subject:
    """A small run on two concepts, on tiny models, and what its store holds when nothing disturbs it."""

    def __init__(self, home: Path, methods: str, steps: int) -> None:
        self.home, self.methods, self.steps = home, methods, steps
        self.models = make_tiny_models(home / "models")
        draw = np.random.default_rng(0)
        for concept in ("cat", "vase"):
            (home / "photos" / concept).mkdir(parents=True)
            for index in range(2):
                pixels = draw.integers(0, 256, (24, 24, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(home / "photos" / concept / f"{index}.png")
        started = time.monotonic()
        self.finish(self.place("undisturbed"))
        self.seconds = time.monotonic() - started
        self.expected = content(home / "undisturbed")
        self.bytes = sum(path.stat().st_size for path in (home / "undisturbed").rglob("*") if path.is_file())

    def place(self, name: str) -> Path:
        """An empty folder to run in."""
        folder = self.home / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def start(self, place: Path, jobs: int = 2) -> Process:
        """The run's command."""
        arguments = ("run", self.home / "photos", "--backbone", self.models / "sd", "--extractor", self.models / "clip",
                     "--methods", self.methods, "--set", f"steps={self.steps}")  # fmt: skip
        with tempfile.NamedTemporaryFile("w", dir=self.home, prefix=f"{place.name}-", delete=False) as said:
            return Process([*map(str, arguments), *OPTIONS, "--jobs", str(jobs)], place, Path(said.name))

    def finish(self, place: Path, jobs: int = 2) -> None:
        """Run to the end, and expect success."""
        code, said = self.result(self.start(place, jobs), place)
        if code != 0:
            raise TortureError(f"{place}: the same command again ended with {code}:\n{said}")

    def result(self, process: Process, place: Path) -> tuple[int, str]:
        """How a run ended, and what it said; nobody of it may live on."""
        deadline = time.monotonic() + PATIENCE_S
        while process.poll() is None or alive(process.pid):
            if time.monotonic() > deadline:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise TortureError(f"{place}: the run, or a worker of it, did not end:\n{process.said.read_text()}")
            time.sleep(0.01)
        code, said = process.returncode, process.said.read_text(encoding="utf-8")
        assert code is not None
        if "Traceback" in said:
            raise TortureError(f"{place}: a traceback:\n{said}")
        return code, said

    def compare(self, place: Path) -> None:
        """The store equals the undisturbed one, and the run's file, where it is of as many jobs."""
        found = content(place)
        for name in sorted(found.keys() | self.expected.keys()):
            if name.endswith(".yaml") and not (name in found and name in self.expected):
                continue
            if found.get(name) != self.expected.get(name):
                raise TortureError(f"{place}: {name} is {found.get(name)} instead of {self.expected.get(name)}")


def content(place: Path) -> Mapping[str, object]:
    """Of every step the hashes of its files as they are on disk, by key; and the hash of every run's file."""
    found: dict[str, object] = {}
    for manifest in place.glob(f"runs/store/steps/*/*/{MANIFEST}"):
        step = manifest.parent
        files = {str(p.relative_to(step)): digest(p) for p in step.rglob("*") if p.is_file() and p != manifest}
        listed = {name: file["sha256"] for name, file in json.loads(manifest.read_text())["files"].items()}
        found[step.name] = files if files == listed else f"not what its manifest says: {files}"
    return found | {path.name: digest(path) for path in place.glob("runs/runs/*.yaml")}


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def alive(group: int) -> bool:
    """Whether a process of the group lives."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def workers(process: int) -> list[int]:
    """The workers of a run; none where the system does not tell."""
    try:
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


# ----------------------------------------------------------------------------------------------------------- the faults


def kills(subject: Subject, count: int, chance: random.Random) -> Counter[str]:
    """Kill runs at random moments; each goes on in the store that the last one left, until that is whole."""
    done: Counter[str] = Counter()
    place = subject.place("killed")
    while done.total() < count:
        kill, jobs = chance.choice(KILLS), chance.choice((1, 2))
        process = subject.start(place, jobs)
        if not process.ends_within(chance.uniform(0, subject.seconds)):
            targets = workers(process.pid) if kill.whom == "worker" else [process.pid]
            if targets:
                done[f"{kill.number.name} to {kill.whom}"] += 1
                send = os.killpg if kill.whom == "everyone" else os.kill
                with suppress(ProcessLookupError):
                    send(chance.choice(targets), kill.number)
        code, said = subject.result(process, place)
        if code not in (0, *kill.codes):
            raise TortureError(f"{place}: {kill.number.name} to {kill.whom}: exit code {code}:\n{said}")
        if code == 0:
            subject.compare(place)
            place = subject.place("killed")
    subject.finish(place)
    subject.compare(place)
    return done


def damage(subject: Subject, count: int, chance: random.Random) -> Counter[str]:
    """Damage files of a whole results folder, a few at a time. The scores go, too, so that every step is asked for."""
    done: Counter[str] = Counter()
    place = subject.place("damaged")
    subject.finish(place)
    while done.total() < count:
        for manifest in list(place.glob(f"runs/store/steps/*/*/{MANIFEST}")):
            if json.loads(manifest.read_text())["recipe"]["kind"] == "score":
                shutil.rmtree(manifest.parent)
        files = [p for p in place.rglob("*") if p.is_file() and "damaged" not in p.relative_to(place).parts]
        for victim in chance.sample(files, min(5, count - done.total())):
            done[spoil(victim, chance)] += 1
        subject.finish(place)
        subject.compare(place)
    return done


def spoil(path: Path, chance: random.Random) -> str:
    """Damage one file; what was done to what."""
    how = chance.choice(("flipped", "truncated", "emptied", "deleted", "longer"))
    whole = bytearray(path.read_bytes())
    if how == "deleted":
        path.unlink()
    elif how == "flipped" and whole:
        whole[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        path.write_bytes(whole)
    else:
        path.write_bytes({"longer": bytes(whole) + b"x", "emptied": b""}.get(how, bytes(whole[: len(whole) // 2])))
    return f"{path.suffix or path.name} {how}"


def fills(subject: Subject, count: int, chance: random.Random) -> Counter[str]:
    """A file system that is full before the run is done; then it grows, and the same command goes on."""
    done: Counter[str] = Counter()
    while done.total() < count:
        place = subject.place("filled")
        room = int(chance.uniform(0.02, 1.0) * subject.bytes)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", place], check=False)
        if mounted.returncode != 0:
            return Counter()
        try:
            code, said = subject.result(subject.start(place), place)
            if code != 0:
                if code not in (CELLS_FAILED, USAGE) or "no space left on device" not in said.lower():
                    raise TortureError(f"{place}: a full disk: exit code {code}:\n{said}")
                done[f"exit code {code}"] += 1
            subprocess.run(["mount", "-o", f"remount,size={10 * subject.bytes}", place], check=True)
            subject.finish(place)
            subject.compare(place)
        finally:
            subprocess.run(["umount", place], check=True)
    return done


def twins(subject: Subject, count: int, chance: random.Random) -> Counter[str]:
    """Two runs on one store, the second a little later: both succeed."""
    for _ in range(count):
        place = subject.place("twins")
        first = subject.start(place, 1)
        time.sleep(chance.uniform(0, subject.seconds / 2))
        second = subject.start(place, 1)
        for process in (first, second):
            code, said = subject.result(process, place)
            if code != 0:
                raise TortureError(f"{place}: one of two runs at once ended with {code}:\n{said}")
        subject.compare(place)
    return Counter({"both succeeded": count})


def main(arguments: list[str]) -> int:
    """Print what was done and how often; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, count in (("kills", 100), ("damage", 50), ("fills", 10), ("twins", 10), ("steps", 60), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--methods", default="stamina,ti++")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it, and so would the runs
    if given.fills and os.geteuid() != 0 and "TORTURED" not in os.environ:
        # only root may mount: become root of a namespace of our own
        again = [sys.executable, __file__, *arguments]
        namespace = ["unshare", "--user", "--map-root-user", "--mount"]
        if subprocess.run([*namespace, "true"], check=False, capture_output=True).returncode == 0:
            os.execvpe("unshare", [*namespace, *again], {**os.environ, "TORTURED": "1"})
    started = time.monotonic()
    import diffusers  # noqa: F401
    import open_clip  # noqa: F401

    import harness.cli
    import harness.engine.worker  # noqa: F401

    home = Path(tempfile.mkdtemp(prefix="torture-"))
    subject = Subject(home, given.methods, given.steps)
    print(f"undisturbed: {len(subject.expected) - 1} steps, {subject.bytes / 1e6:.1f} MB, {subject.seconds:.1f} s")
    lanes = [[(kills, given.kills)], [(damage, given.damage), (fills, given.fills), (twins, given.twins)]]
    lanes = [[(fault, count) for fault, count in lane if count] for lane in lanes]

    def lane(index: int) -> int:
        own = random.Random(f"{given.seed} {index}")
        try:
            for fault, count in lanes[index]:
                done = fault(subject, count, own)
                told = ", ".join(f"{n} {what}" for what, n in sorted(done.items()))
                print(f"{fault.__name__}: {done.total()} ({told or 'none: no file system can be mounted'})", flush=True)
        except TortureError as error:
            print(f"BROKEN {error}\nThe folders are kept in {home}.", flush=True)
            return 1
        except BaseException:
            traceback.print_exc()
            return 1
        return 0

    processes = []
    for index in range(len(lanes)):
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            os._exit(lane(index))
        processes.append(pid)
    statuses = [os.waitpid(pid, 0)[1] for pid in processes]
    if any(statuses):
        return 1
    shutil.rmtree(home)
    print(f"every store equals the undisturbed one, hash for hash; {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
