"""Three methods on a real Slurm: one job is cancelled, one runs into its time limit, and the store is the local one."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from in_process import bench
from one_node_slurm import ask

from harness.executors import partition

BENCH = (sys.executable, "-c", "from harness.cli import main; main()")
METHODS = ("stamina", "clora", "ti++")
WORK = (
    "run", "mixed50", "--limit", "3", "--methods", ",".join(METHODS), "--set", "steps=60", "--set", "clora.steps=120",
    "--set", "sampling.images=4", "--set", "sampling.steps=4",
)  # fmt: skip
AMPLE = ("--executor", "slurm", "--slurm", "time=20")
# Slurm looks every half a minute and warns ahead of the limit: clora's training takes longer than it is then given
SCARCE = ("--executor", "slurm", "--slurm", "time=1,signal_delay_s=30")


def status(runs: Path) -> dict[str, Any]:
    code, said = bench("status", runs, "--json")
    assert code == 0, said
    found: dict[str, Any] = json.loads(said)[0]
    return found


def wait_until(true: Callable[[], Any], seconds: float) -> Any:
    until = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < until, ask("squeue", "--array", "--long")
        time.sleep(0.5)
    return found


class Impatient:
    """Slurm keeps a job that was queued again for two minutes; a test need not, once its processes have ended."""

    def __init__(self) -> None:
        self.seen: dict[str, float] = {}

    def __call__(self) -> None:
        waiting = ask("squeue", "--noheader", "--array", "--states=PENDING", "--format=%i %r").splitlines()
        again = {line.split()[0] for line in waiting if line.endswith("BeginTime")}
        self.seen = {job: self.seen.get(job, time.monotonic()) for job in again}
        for job, since in self.seen.items():
            if time.monotonic() - since > 8:
                ask("scontrol", "update", f"jobid={job}", "StartTime=now")


def at_work(runs: Path) -> list[str]:
    """Methods of which a training is under way."""
    return [cell["cell"].split()[0] for cell in status(runs)["cells"] if cell["state"] == "working"]


def restarts(job: str) -> int:
    found = re.search(r"Restarts=(\d+)", ask("scontrol", "show", "job", job))
    return int(found[1]) if found else 0


def contents(runs: Path) -> dict[str, str]:
    """Every file of every step, but manifests, which hold seconds."""
    steps = runs / "store" / "steps"
    files = [path for path in steps.rglob("*") if path.is_file() and path.name != "manifest.json"]
    return {str(path.relative_to(steps)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_cancelled_timed_out_and_equal_to_the_local_run(
    slurm: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAMINA_BENCH_CHECKPOINT_SECONDS", "1")
    monkeypatch.setattr(partition, "PACK_S", 1.0)  # so that images go into arrays
    there = tmp_path / "slurm"
    code, said = bench(*WORK, *AMPLE, "-o", there)
    assert code == 0, said
    assert "Submitted " in said
    told = status(there)
    chains = {job["title"].split()[0]: job["id"] for job in told["jobs"] if " train" in job["title"]}
    assert set(chains) == set(METHODS)
    assert any("_" in job["id"] and "generate" in job["title"] for job in told["jobs"]), "no array of images"
    code, said = bench(*WORK, *AMPLE, "-o", there)
    assert code == 2
    assert "Slurm's queue holds jobs of this run" in said

    # one job is cancelled while it trains: what waits for it goes, too, and the other methods finish
    wait_until(lambda: "clora" in at_work(there), 240)
    ask("scancel", chains["clora"])
    wait_until(lambda: not ask("squeue", "--noheader", "--me"), 600)
    told = status(there)
    cells = {cell["cell"].split()[0]: cell for cell in told["cells"]}
    assert [cells[name]["state"] for name in METHODS] == ["done", "unfinished", "done"]
    assert cells["clora"]["drawn"] == 0
    assert {job["state"] for job in told["jobs"] if job["made"] == job["steps"]} == {"done"}
    assert {job["state"] for job in told["jobs"] if job["made"] < job["steps"]} == {"ended"}

    # the same command again submits the rest, and a training that its limit cuts short goes on where it was
    hurry, command = Impatient(), [*BENCH, *WORK, *SCARCE, "--wait", "-o", str(there)]
    submitted = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def waited() -> bool:
        hurry()
        return submitted.poll() is not None

    wait_until(waited, 900)
    assert submitted.returncode == 0, submitted.communicate()[0]
    told = status(there)
    assert [cell["state"] for cell in told["cells"]] == ["done"] * 3
    (chain,) = [job["id"] for job in told["jobs"] if " train" in job["title"]]
    assert restarts(chain) >= 1
    assert "No job of a run" in bench("cancel", there)[1]

    here = tmp_path / "local"
    subprocess.run([*BENCH, *WORK, "-q", "-o", here], check=True, capture_output=True)
    assert contents(there) == contents(here)


def test_cancel_ends_every_job(slurm: None, tmp_path: Path) -> None:
    code, said = bench("run", "mixed50", "--limit", "2", "-m", "clora", *SCARCE, "-o", tmp_path)
    assert code == 0, said
    code, said = bench("cancel", tmp_path)
    assert code == 0
    assert re.match(r"Cancelled \d jobs\.", said)
    wait_until(lambda: not ask("squeue", "--noheader", "--me"), 60)
    assert status(tmp_path)["cells"][0]["state"] == "unfinished"


def test_what_slurm_refuses_is_said(slurm: None, tmp_path: Path) -> None:
    where = ("--executor", "slurm", "-o", tmp_path)
    code, said = bench("run", "mixed50", "--limit", "1", "-m", "clora", *where, "--slurm", "time=1,partition=nowhere")
    assert code == 2
    assert "invalid partition" in said
    code, said = bench("run", "mixed50", "--limit", "1", "-m", "clora", *where, "--slurm", "time=1,no_such_option=3")
    assert code == 2
    assert "no-such-option" in said
