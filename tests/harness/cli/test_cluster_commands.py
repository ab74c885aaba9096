"""Runs on a cluster, without one: `sbatch`, `squeue` and `scancel` are small scripts that note what they are told."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shlex
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from filelock import SoftFileLease
from in_process import bench, refused
from rich.console import Console
from submitit.helpers import DelayedSubmission
from tests_support import InlineExecutor, measured_by_training, raises_sentence

from benchmarks.mini.concepts import MiniConcepts
from harness import api
from harness.engine.runner import Outcome
from harness.errors import BenchError
from harness.executors import job as cluster_job
from harness.executors import partition
from harness.executors import watch as watching
from harness.executors.job import Work, carry_out, job_id
from harness.executors.job_records import Ledger, Queued, SubmittedJob, ledger_path, logs, read_ledger, write_ledger
from harness.executors.slurm import OURS, TIMEOUTS, parse_slurm, queue
from harness.records.run_file import described_cells, read_spec, record_failures
from harness.store.store import LEASE_S, MANIFEST, Store
from methods.stamina import Stamina

SMALL = ("--set", "steps=2", "--set", "batch_size=1", "--set", "sampling.images=2", "--set", "sampling.steps=1")
ON_SLURM = ("--executor", "slurm", "--slurm", "partition=gpu,time=4:00:00")
SBATCH = """
echo $(($(cat last) + 1)) > last
if [ $(cat last) -gt $(cat most) ]; then
    echo "sbatch: error: invalid partition specified: gpu" >&2
    echo "sbatch: error: Batch job submission failed: Invalid partition name specified" >&2
    exit 1
fi
cp "$1" $(cat last).sh
echo "Submitted batch job $(cat last)"
"""
SQUEUE = """
if [ -e out-of-order ]; then cat out-of-order >&2; exit 1; fi
cat queue
"""


class FakeSlurm:
    """A folder with Slurm's commands, what they were told, and what they shall say."""

    def __init__(self, box: Path) -> None:
        self.box = box
        for name, script in {"sbatch": SBATCH, "squeue": SQUEUE, "scancel": "", "srun": ""}.items():
            path = box / "bin" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'#!/bin/sh\ncd {shlex.quote(str(box))}\necho {name} "$@" >> calls\n{script}')
            path.chmod(0o755)
        for name, content in {"calls": "", "last": "100", "most": "9999", "queue": ""}.items():
            (box / name).write_text(content)

    def calls(self, name: str) -> list[str]:
        """The arguments of a command, of each time that it was called."""
        calls = (line.partition(" ") for line in (self.box / "calls").read_text().splitlines())
        return [arguments for called, _, arguments in calls if called == name]

    def submitted(self) -> dict[str, dict[str, str]]:
        """What each script asks for: id -> option -> value."""
        return {
            path.stem: {
                name: "".join(shlex.split(value))
                for name, value in re.findall(r"^#SBATCH --([a-z-]+)=?(.*)$", path.read_text(), re.MULTILINE)
            }
            for path in sorted(self.box.glob("*.sh"))
        }

    def queue(self, *lines: str) -> None:
        """What `squeue` shall say; a job that is just named waits for others."""
        full = [line if "|" in line else f"{line}|PENDING|0:00|Dependency" for line in lines]
        (self.box / "queue").write_text("".join(f"{line}\n" for line in full))

    def accepts(self, count: int) -> None:
        """`sbatch` shall refuse all but the first so many jobs."""
        (self.box / "most").write_text(str(100 + count))

    def is_out_of_order(self, said: str) -> None:
        (self.box / "out-of-order").write_text(said)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """First in PATH; submitit does not wait between two jobs, and nothing waits for the disk."""
    fake = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{fake.box / 'bin'}:{os.environ['PATH']}")
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("submitit.core.core.PicklingExecutor._throttle", lambda _: None)
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    return fake


@pytest.fixture(autouse=True)
def without_held_out_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks as of photographs: what is counted by hand here is the least that there is."""
    monkeypatch.setattr(MiniConcepts, "tasks", measured_by_training(MiniConcepts.tasks))


@pytest.fixture
def work(tiny_models: Path) -> tuple[object, ...]:
    """A run of two methods on two tasks."""
    models = ("--backbone", tiny_models / "sd", "--extractor", tiny_models / "clip")
    return ("run", "mixed50", "-m", "stamina,ti++", *models, *SMALL, "--limit", 2)


@pytest.fixture
def small(work: tuple[object, ...], monkeypatch: pytest.MonkeyPatch) -> tuple[object, ...]:
    """The same on one task: job 101 makes the real images; 102 trains, 103 draws and scores; 104, 105 likewise."""
    monkeypatch.setattr(partition, "PACK_S", 1e-9)
    return (*work[:-1], 1)


def submit(work: Sequence[object], folder: Path, *options: object) -> Path:
    """Submit a run; gives its file."""
    code, said = bench(*work, *ON_SLURM, "-o", folder, *options)
    assert code == 0, said
    assert said.startswith("Submitted "), said
    return newest_run(folder)


def newest_run(folder: Path) -> Path:
    return max((folder / "runs").glob("*.yaml"), key=lambda path: path.stat().st_mtime_ns)


def carry_out_submitted(run_file: Path, ids: Iterable[str] | None = None, fail_at: int | None = None) -> None:
    """Do in this process what jobs would do, by what was submitted: all of the ledger, or some."""
    for submitted in read_ledger(run_file).jobs if ids is None else ids:
        name = submitted if isinstance(submitted, str) else submitted.id
        work = DelayedSubmission.load(logs(run_file) / f"{name}_submitted.pkl").function
        assert isinstance(work, Work)
        base, _, index = name.partition("_")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "harness.executors.local.LocalExecutor",
                lambda setting, root, _: InlineExecutor(setting, root, fail_at),
            )
            patch.setattr(cluster_job, "PATIENCE_S", 0.0)
            patch.setenv("SLURM_JOB_ID", base if not index else "4711")  # of an array's element it is a number anew
            for variable, value in {"JOB": base, "TASK": index}.items() if index else ():
                patch.setenv(f"SLURM_ARRAY_{variable}_ID", value)
            carry_out(Path(work.run_file), work.keys)


def step_keys(run_file: Path, *kinds: str) -> list[str]:
    """Keys of a run's steps of these kinds, in its plan's order."""
    return [step.key for step in api.prepare(read_spec(run_file)).plan.steps.values() if step.kind in kinds]


def contents(folder: Path) -> dict[str, str]:
    """Every file of every step; of manifests, which hold seconds, what they say of the files."""
    steps = folder / "store" / "steps"
    found = {}
    for path in (path for path in steps.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.name == MANIFEST:
            content = json.dumps({name: json.loads(content)[name] for name in ("key", "recipe", "files")}).encode()
        found[str(path.relative_to(steps))] = hashlib.sha256(content).hexdigest()
    return found


def status(folder: Path) -> Any:
    """The last run's, as JSON."""
    code, said = bench("status", folder, "--json")
    assert code == 0, said
    return json.loads(said)[-1]


def cells(folder: Path) -> dict[str, Any]:
    return {cell["cell"].split()[0]: cell for cell in status(folder)["cells"]}


# what is submitted


def test_a_run_becomes_jobs_that_wait_for_each_other(
    slurm: FakeSlurm, work: tuple[object, ...], tmp_path: Path
) -> None:
    run_file = submit(work, tmp_path / "runs")
    asked = slurm.submitted()
    assert {name: (job["job-name"], job.get("dependency")) for name, job in asked.items()} == {
        "101": ("2 real, 2 features", None),
        "102": ("stamina seed 0: 2 train", "afterok:101"),
        "103": ("3 generate, 3 features, 1 compose, 1 score", "afterok:102"),
        "104": ("ti++ seed 0: 2 train", "afterok:101"),
        "105": ("2 generate, 2 features, 1 compose, 1 score", "afterok:104"),
    }
    for job in asked.values():
        assert (job["partition"], job["time"], job["signal"]) == ("gpu", "240", "USR2@90")
        assert "requeue" in job
        assert "array" not in job
        assert job.get("kill-on-invalid-dep") == ("yes" if "dependency" in job else None)
        assert job["output"] == str(logs(run_file).resolve() / "%j_0_log.out")
    # a job is started again after a time limit as often as it takes, and holds nothing but text
    sent = DelayedSubmission.load(logs(run_file) / "102_submitted.pkl")
    assert (sent._timeout_min, sent._timeout_countdown) == (240, TIMEOUTS)
    sent = sent.function
    assert (sent.folder, sent.run_file) == (os.getcwd(), str(run_file.resolve()))
    assert list(sent.keys) == [task.train for task in described_cells(run_file)[0].tasks]


def test_other_options_of_sbatch_are_passed_on(slurm: FakeSlurm, small: tuple[object, ...], tmp_path: Path) -> None:
    asked = "time=90:30,mem=16G,cpus-per-task=4,exclusive,signal_delay_s=120,constraint=a&b"
    code, said = bench(*small, "--executor", "slurm", "-o", tmp_path, STAMINA_BENCH_SLURM=asked)
    assert code == 0, said
    job = slurm.submitted()["101"]
    named = {name: job[name] for name in ("time", "mem", "cpus-per-task", "exclusive", "signal", "constraint")}
    assert named == {
        "time": "91", "mem": "16G", "cpus-per-task": "4", "exclusive": "", "signal": "USR2@120", "constraint": "a&b",
    }  # fmt: skip


def test_what_waits_for_the_same_jobs_is_an_array(
    slurm: FakeSlurm, work: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partition, "PACK_S", 1e-9)
    run_file = submit(work, tmp_path / "runs", "--slurm", "time=10,array_parallelism=2")
    asked = {
        name: (job["job-name"], job.get("array"), job.get("dependency")) for name, job in slurm.submitted().items()
    }
    assert asked["101"] == ("1 real, 1 features", "0-1%2", None)
    assert asked["102"] == ("stamina seed 0: 2 train", None, "afterok:101_0:101_1")
    assert asked["103"] == ("1 generate, 1 features", "0-3%2", "afterok:102")
    ledger = read_ledger(run_file)
    assert [job.id for job in ledger.jobs[:7]] == ["101_0", "101_1", "102", "103_0", "103_1", "103_2", "103_3"]
    assert ledger.ids == list(asked)
    assert [job.title for job in ledger.jobs[3:7]] == ["1 generate, 1 features"] * 3 + ["1 compose"]
    assert {job.log for job in ledger.jobs[3:7]} == {f"103_{index}_0_log.out" for index in range(4)}
    assert slurm.submitted()["103"]["output"].endswith("/%A_%a_0_log.out")
    assert sorted(key for job in ledger.jobs for key in job.steps) == sorted(
        api.prepare(read_spec(run_file)).plan.steps
    )


def test_the_ledger_says_what_was_submitted(slurm: FakeSlurm, work: tuple[object, ...], tmp_path: Path) -> None:
    run_file = submit(work, tmp_path / "runs")
    plan = api.prepare(read_spec(run_file)).plan
    assert ledger_path(run_file) == tmp_path / "runs" / "slurm" / f"{run_file.stem}.json"
    ledger = read_ledger(run_file)
    assert ledger.ids == ["101", "102", "103", "104", "105"]
    for submitted, (name, asked) in zip(ledger.jobs, slurm.submitted().items(), strict=True):
        assert (submitted.id, submitted.title, submitted.log) == (name, asked["job-name"], f"{name}_0_log.out")
        assert ":".join(["afterok", *submitted.needs]) == asked.get("dependency", "afterok")
        kinds = [plan.steps[key].kind for key in submitted.steps]
        assert all(f"{kinds.count(kind)} {kind}" in submitted.title for kind in kinds)
    assert sorted(key for job in ledger.jobs for key in job.steps) == sorted(plan.steps)


def test_what_is_queued_is_not_submitted_again(
    slurm: FakeSlurm, small: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in other words either; but another run may share steps with it."""
    runs = tmp_path / "runs"
    run_file = submit(small, runs)
    before = ledger_path(run_file).read_bytes()
    slurm.queue("103", "102|RUNNING|1:02|None", "77|RUNNING|1:02|None")
    monkeypatch.chdir(tmp_path)
    for command in ((*small, "-o", runs), ("resume", runs), (*small, "-o", "runs"), (*small, "-j", 3, "-o", runs)):
        code, said = bench(*command, *ON_SLURM)
        assert code == 2
        assert "stamina-bench: Slurm's queue holds jobs of this run (2); see them with `stamina-bench status" in said
    assert len(slurm.submitted()) == 5
    assert ledger_path(run_file).read_bytes() == before
    code, said = bench(*small, "--seeds", 1, *ON_SLURM, "-o", runs)
    assert code == 0, said
    assert len(slurm.submitted()) == 10


def test_after_they_ended_only_what_is_missing_is_submitted(
    slurm: FakeSlurm, small: tuple[object, ...], tmp_path: Path
) -> None:
    run_file = submit(small, tmp_path)
    carry_out_submitted(run_file, ["101", "102", "103"])
    record_failures(run_file, {described_cells(run_file)[1].score: "of an earlier time"})
    assert submit(small, tmp_path) == run_file
    again = list(slurm.submitted().items())[5:]
    assert [(job["job-name"], job.get("dependency")) for _, job in again] == [
        ("ti++ seed 0: 1 train", None), ("1 generate, 1 features, 1 score", "afterok:106"),
    ]  # fmt: skip
    assert read_ledger(run_file).ids == ["106", "107"]
    slurm.queue("106", "107")
    assert (cells(tmp_path)["ti++"]["state"], cells(tmp_path)["ti++"]["reason"]) == ("queued", "")
    carry_out_submitted(run_file)
    slurm.queue()
    code, said = bench(*small, *ON_SLURM, "-o", tmp_path)
    assert code == 0
    assert "Nothing to do" in said
    assert "A_mmd" in said
    assert "Nothing to resume" in bench("resume", tmp_path, *ON_SLURM)[1]
    assert len(slurm.submitted()) == 7


def test_a_local_run_is_resumed_on_a_cluster(slurm: FakeSlurm, small: tuple[object, ...], tmp_path: Path) -> None:
    assert bench(*small, "-m", "ti++", "-o", tmp_path)[0] == 0
    shutil.rmtree(Store(tmp_path / "store").folder(described_cells(newest_run(tmp_path))[0].score))
    code, said = bench("resume", tmp_path, *ON_SLURM)
    assert code == 0, said
    assert [job["job-name"] for job in slurm.submitted().values()] == ["1 score"]
    carry_out_submitted(newest_run(tmp_path))
    assert {cell["state"] for cell in status(tmp_path)["cells"]} == {"done"}


def test_a_dry_run_lists_the_jobs_and_submits_none(slurm: FakeSlurm, work: tuple[object, ...], tmp_path: Path) -> None:
    code, said = bench(*work, *ON_SLURM, "--dry-run", "-o", tmp_path / "runs")
    assert code == 0, said
    assert "5 Slurm jobs of at most 240 min" in said
    rows = [[part.strip() for part in line.split("│")[1:4]] for line in said.splitlines() if line.count("│") == 5]
    assert rows == [
        ["1", "2 real, 2 features", ""],
        ["2", "stamina seed 0: 2 train", "1"],
        ["3", "3 generate, 3 features, 1 compose, 1 score", "2"],
        ["4", "ti++ seed 0: 2 train", "1"],
        ["5", "2 generate, 2 features, 1 compose, 1 score", "4"],
    ]
    assert re.search(r"of work, \d+ MB of disk", said)
    assert not slurm.calls("sbatch")
    assert not (tmp_path / "runs" / "slurm").exists()


def test_a_gpu_run_is_submitted_from_where_there_is_none(
    slurm: FakeSlurm, small: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked(_: str) -> str:
        raise AssertionError("a GPU is looked for where none is needed")

    monkeypatch.setattr(api, "detect_device", looked)
    code, said = bench(*small, "--executor", "slurm", "--slurm", "time=60,gpus_per_node=1", "-o", tmp_path)
    assert code == 0, said
    assert {(job["gpus-per-node"], job["time"]) for job in slurm.submitted().values()} == {("1", "60")}
    spec = read_spec(newest_run(tmp_path))
    assert spec.device == "cuda"
    setting = api.prepare(spec, elsewhere=True).plan.context
    assert (setting.device_type, setting.dtype) == ("cuda", setting.tier.dtype)


# what a job does


def test_the_jobs_make_the_files_of_a_local_run(
    slurm: FakeSlurm, work: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(partition, "PACK_S", 1e-9)
    work = (*work, "-m", "stamina")
    run_file = submit(work, tmp_path / "there")
    submitted = read_ledger(run_file).jobs
    carry_out_submitted(run_file)
    assert bench(*work, "-q", "-o", tmp_path / "here")[0] == 0
    made = contents(tmp_path / "there")
    assert made == contents(tmp_path / "here")
    assert len(made) > 2 * len(step_keys(run_file, "real", "train", "generate", "features", "score"))
    told = status(tmp_path / "there")
    assert [(job["id"], job["state"], job["made"]) for job in told["jobs"]] == [
        (job.id, "done", len(job.steps)) for job in submitted
    ]
    capsys.readouterr()
    carry_out_submitted(run_file)  # queued again, a job finds its work done
    told_again = [line for line in capsys.readouterr().out.splitlines() if "to make" in line]
    assert [line.partition(" step")[0] for line in told_again] == [f"0 of {len(job.steps)}" for job in submitted]
    assert contents(tmp_path / "there") == made


def test_a_job_that_is_told_to_stop_asks_for_the_same_work_again(tmp_path: Path) -> None:
    work = Work(str(tmp_path), str(tmp_path / "runs" / "a.yaml"), ["k"])
    again = work.checkpoint()
    assert (again.function, again.args, again.kwargs) == (work, (), {})


def test_a_job_works_in_the_folder_where_the_command_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    monkeypatch.setattr(cluster_job.signal, "signal", lambda *_: None)
    seen: list[tuple[object, ...]] = []
    monkeypatch.setattr(cluster_job, "carry_out", lambda *given: seen.append((Path.cwd(), *given)))
    Work(str(tmp_path), "/somewhere/a.yaml", ["k"])()
    assert seen == [(tmp_path, Path("/somewhere/a.yaml"), ("k",))]


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, "0"),
        ({"JOB_ID": "17"}, "17"),
        ({"JOB_ID": "21", "ARRAY_JOB_ID": "17", "ARRAY_TASK_ID": "3"}, "17_3"),
    ],
)
def test_a_job_knows_its_name(
    slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str], name: str
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(f"SLURM_{variable}", value)
    assert job_id() == name


def test_a_job_refuses_what_is_no_longer_as_it_was(
    slurm: FakeSlurm, small: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_file = submit(small, tmp_path)
    with pytest.raises(BenchError) as caught:
        carry_out_submitted(run_file, ["103"])
    assert str(caught.value) == (
        f"'stamina seed 0: train task 1 (person 1)' is not in {tmp_path / 'store'}, though the job that makes it has "
        "ended; submit the run again."
    )
    monkeypatch.setattr(Stamina, "source_hash", classmethod(lambda cls: "edited"))
    with pytest.raises(BenchError) as caught:
        carry_out_submitted(run_file, ["102"])
    assert str(caught.value) == (
        f"{run_file.name}: the methods, images or models are not those of the time when the job was submitted; "
        "cancel its jobs and submit the run again."
    )
    assert not made(tmp_path)
    carry_out_submitted(run_file, ["101"])  # what does not depend on the method
    assert made(tmp_path) == ["features", "real"]


def made(folder: Path) -> list[str]:
    """The kinds of all steps in the store."""
    manifests = (folder / "store" / "steps").glob(f"*/*/{MANIFEST}")
    return sorted(json.loads(path.read_text())["recipe"]["kind"] for path in manifests)


def test_a_failure_is_kept_until_the_job_runs_again(
    slurm: FakeSlurm, small: tuple[object, ...], tmp_path: Path
) -> None:
    run_file = submit(small, tmp_path)
    carry_out_submitted(run_file, ["101", "102"])
    with pytest.raises(BenchError, match=r"^2 steps could not be made: made to fail$"):  # features, and so the score
        carry_out_submitted(run_file, ["103"], fail_at=1)
    kept = logs(run_file) / "103-failure.json"
    assert list(json.loads(kept.read_text()).values()) == ["made to fail"] * 2
    told = cells(tmp_path)["stamina"]
    assert (told["state"], told["reason"], told["trained"]) == ("failed", "made to fail", 1)
    assert (cells(tmp_path)["ti++"]["state"], cells(tmp_path)["ti++"]["reason"]) == ("unfinished", "")
    job = status(tmp_path)["jobs"][2]
    assert (job["id"], job["state"], job["reason"]) == ("103", "ended", "made to fail")
    assert (job["made"], job["steps"]) == (1, 3)
    slurm.queue("103")  # queued again: what is past does not count
    assert (cells(tmp_path)["stamina"]["state"], cells(tmp_path)["stamina"]["reason"]) == ("queued", "")
    slurm.queue()
    carry_out_submitted(run_file, ["103"])
    assert not kept.exists()
    assert cells(tmp_path)["stamina"]["state"] == "done"


def test_what_all_cells_wait_for_fails_them_all(slurm: FakeSlurm, small: tuple[object, ...], tmp_path: Path) -> None:
    """The real images are no cell's own, but without them no other job starts."""
    run_file = submit(small, tmp_path)
    with pytest.raises(BenchError, match="made to fail"):
        carry_out_submitted(run_file, ["101"], fail_at=0)
    assert [(cell["state"], cell["reason"]) for cell in status(tmp_path)["cells"]] == [("failed", "made to fail")] * 2
    told = {job["id"]: job["reason"] for job in status(tmp_path)["jobs"]}
    assert told == {"101": "made to fail"} | dict.fromkeys(("102", "103", "104", "105"), "it never started")


# how far it is


def test_status_of_each_state(
    slurm: FakeSlurm, small: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One method of each; of `clora` the training fails, and who made `cd` is at it."""
    monkeypatch.setattr("harness.cli.cluster.out", Console(width=200, highlight=False, emoji=False))
    run_file = submit(small, tmp_path, "-m", "stamina,ti++,clora,cd,lora")
    ledger, found = read_ledger(run_file), {cell.method: cell for cell in described_cells(run_file)}

    def job_of(key: str | None) -> str:
        return next(job.id for job in ledger.jobs if key in job.steps)

    last = {name: job_of(cell.score) for name, cell in found.items()}
    learning = {name: job_of(cell.tasks[0].train) for name, cell in found.items()}
    real = ledger.jobs[0].id
    carry_out_submitted(run_file, [real, learning["stamina"], last["stamina"]])
    with pytest.raises(BenchError):
        carry_out_submitted(run_file, [learning["clora"]], fail_at=0)
    slurm.queue(f"{last['ti++']}|PENDING|0:00|Priority", f"{last['cd']}|RUNNING|1-02:03:04|None")
    who = f"{platform.node()}, process {os.getpid()}"
    with SoftFileLease(Store(tmp_path / "store").lease(str(found["cd"].tasks[0].train)), lease_duration=LEASE_S):
        told = {cell["cell"].split()[0]: cell for cell in status(tmp_path)["cells"]}
        code, table = bench("status", tmp_path)
    assert code == 0
    assert {name: (cell["state"], cell["trained"], cell["drawn"]) for name, cell in told.items()} == {
        "stamina": ("done", 1, 1), "ti++": ("queued", 0, 0), "clora": ("failed", 0, 0), "cd": ("working", 0, 0),
        "lora": ("unfinished", 0, 0),
    }  # fmt: skip
    assert {(cell["tasks"], cell["pictures"], cell["seed"]) for cell in told.values()} == {(1, 1, 0)}
    assert {name: cell["holders"] for name, cell in told.items() if cell["holders"]} == {"cd": [who]}
    assert {name: cell["reason"] for name, cell in told.items() if cell["reason"]} == {"clora": "made to fail"}
    lines = [re.sub(r" \[.*?\] seed", " seed", " ".join(line.split())) for line in table.splitlines()]
    assert lines[0] == f"mixed50, tier mini ({run_file.stem}): 1 of 5 cells done"
    assert lines[-2:] == [f"Logs: {logs(run_file)}", ""]
    assert set(lines) >= {
        "stamina seed 0 1/1 1/1 done",
        "ti++ seed 0 0/1 0/1 queued",
        "clora seed 0 0/1 0/1 failed (made to fail)",
        f"cd seed 0 0/1 0/1 working ({who})",
        "lora seed 0 0/1 0/1 unfinished",
        f"{real} 1 real, 1 features 2/2 done",
        f"{last['ti++']} 1 generate, 1 features, 1 score 0/3 pending (Priority) 0:00",
        f"{last['cd']} 1 generate, 1 features, 1 score 0/3 running 1-02:03:04",
        f"{learning['clora']} clora seed 0: 1 train 0/1 ended (made to fail)",
        f"{last['lora']} 1 generate, 1 features, 1 score 0/3 ended (it never started)",
    }
    (logs(run_file) / f"{last['lora']}_0_log.out").touch()
    assert "ended (see its log)" in bench("status", tmp_path)[1]


def test_status_writes_nothing(slurm: FakeSlurm, small: tuple[object, ...], tmp_path: Path) -> None:
    submit(small, tmp_path / "runs")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*")}
    for options in ((), ("--json",)):
        assert bench("status", tmp_path / "runs", *options)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*")} == before


def test_who_gave_no_sign_for_long_works_no_more(slurm: FakeSlurm, small: tuple[object, ...], tmp_path: Path) -> None:
    run_file = submit(small, tmp_path)
    key = described_cells(run_file)[0].tasks[0].train
    assert key is not None
    path = Store(tmp_path / "store").lease(key)
    with SoftFileLease(path, lease_duration=LEASE_S):
        held = path.read_bytes()
    path.write_bytes(held)
    assert cells(tmp_path)["stamina"]["state"] == "working"
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 3 * LEASE_S))
    assert cells(tmp_path)["stamina"]["state"] == "unfinished"
    path.write_bytes(held.replace(str(os.getpid()).encode(), b"4194303"))  # of a process that is gone
    assert cells(tmp_path)["stamina"]["state"] == "unfinished"


def test_a_local_run_has_a_status_without_any_slurm(
    small: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    assert bench(*small, "-m", "ti++", "-o", runs)[0] == 0
    monkeypatch.setenv("PATH", str(tmp_path))
    told = status(runs)
    assert [cell["state"] for cell in told["cells"]] == ["done"]
    assert told["jobs"] == []
    assert "1 of 1 cell done" in bench("status", runs)[1]
    assert bench("score", runs, "--metrics", "vendi")[0] == 0  # leaves a second file of the same cells
    first, newest = sorted((runs / "runs").glob("*.yaml"), key=lambda path: path.stat().st_mtime_ns)
    assert status(runs) == {**told, "run": newest.stem}
    assert newest.stem != told["run"] == first.stem
    assert bench(*small, "-m", "ti++,lora", "-o", runs)[0] == 0  # other cells are another run
    assert len(json.loads(bench("status", runs, "--json")[1])) == 2
    assert bench("cancel", runs) == (0, f"No job of a run in {runs} is in Slurm's queue.\n")


# the end of it


def test_cancel_names_each_job_once(
    slurm: FakeSlurm, work: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partition, "PACK_S", 1e-9)
    submit(work, tmp_path)
    slurm.queue("101_1|RUNNING|0:01|None", "102", "103_0", "103_1", "103_2", "103_3", "12|RUNNING|0:01|None")
    code, said = bench("cancel", tmp_path, "--benchmark", "landmarks20")
    assert (code, said) == (0, f"No job of a run in {tmp_path} is in Slurm's queue.\n")
    assert not slurm.calls("scancel")
    code, said = bench("cancel", tmp_path, "--benchmark", "mixed50")
    assert (code, said) == (0, "Cancelled 6 jobs.\n")
    assert slurm.calls("scancel") == ["101 102 103"]
    assert {f"--user={os.getuid()}", "--array", "--noheader"} <= set(slurm.calls("squeue")[-1].split())


def test_the_queue_holds_what_was_asked_for(slurm: FakeSlurm) -> None:
    slurm.queue("17_3", "17|RUNNING|1:02|None", "171", "18_0|RUNNING|2-00:00:00|a|b", "19|odd", "")
    assert queue(["17", "18", "19"]) == {
        "17_3": Queued("PENDING", "0:00", "Dependency"),
        "17": Queued("RUNNING", "1:02", "None"),
        "18_0": Queued("RUNNING", "2-00:00:00", "a|b"),
    }
    assert len(slurm.calls("squeue")) == 1
    assert queue([]) == {}
    assert len(slurm.calls("squeue")) == 1


class Told:
    """A display that remembers."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []
        self.shares: list[float] = []
        self.running = False

    def start(self, plan: object, store: object, cached: Sequence[object]) -> None:
        self.running, self.cached = True, len(cached)

    def step_started(self, step: Any, slot: str) -> None:
        raise AssertionError("nobody knows when a job's step starts")

    def step_done(self, step: Any, slot: str, seconds: float, share: float) -> None:
        self.done.append((step.key, slot))
        self.shares.append(share)

    def note(self, message: str) -> None: ...

    def stop(self) -> None:
        self.running = False


class Working:
    """Stands in for `squeue`: each time that it is asked, the next job has been carried out; but for `lost` ones."""

    def __init__(self, run_file: Path, lost: Callable[[SubmittedJob], bool] = lambda _: False) -> None:
        self.run_file, self.lost = run_file, lost
        self.left = list(read_ledger(run_file).jobs)

    def __call__(self, ids: Sequence[str]) -> dict[str, Queued]:
        assert list(ids) == read_ledger(self.run_file).ids
        if self.left and not self.lost(self.left[0]):
            carry_out_submitted(self.run_file, [self.left[0].id])
        self.left = self.left[1:]
        return {job.id: Queued("PENDING", "0:00", "Dependency") for job in self.left}


def watched(run_file: Path, lost: Callable[[SubmittedJob], bool] = lambda _: False) -> tuple[Outcome, Told]:
    prepared, display = api.prepare(read_spec(run_file)), Told()
    outcome = watching.watch(
        prepared, run_file, read_ledger(run_file), display, every_s=0, ask=Working(run_file, lost)
    )  # fmt: skip
    assert not display.running
    return outcome, display


def test_who_waits_is_told_of_each_step_and_by_which_job(
    slurm: FakeSlurm, small: tuple[object, ...], tmp_path: Path
) -> None:
    run_file = submit(small, tmp_path)
    outcome, display = watched(run_file)
    steps = [(key, f"job {job.id}") for job in read_ledger(run_file).jobs for key in job.steps]
    assert sorted(display.done) == sorted(steps)
    assert [slot for _, slot in display.done] == [slot for _, slot in steps]  # one job after another
    assert display.shares == sorted(display.shares)
    assert display.shares[-1] == pytest.approx(1.0)
    assert (outcome.executed, len(outcome.done), outcome.failed, outcome.broken) == (len(steps), 2, {}, {})


def test_who_waits_is_told_of_jobs_that_ended_without_their_work(
    slurm: FakeSlurm, small: tuple[object, ...], tmp_path: Path
) -> None:
    run_file = submit(small, tmp_path)
    outcome, _ = watched(run_file, lambda job: job.id in ("104", "105"))
    assert outcome.failed == {"ti++ seed 0": "its job 104 never started"}
    assert outcome.executed == sum(len(job.steps) for job in read_ledger(run_file).jobs) - 4
    log = logs(run_file) / "104_0_log.out"
    log.write_text("it started, and no more is known\n")
    outcome, _ = watched(run_file, lambda job: job.id in ("104", "105"))
    assert outcome.failed == {"ti++ seed 0": f"its job 104 ended without it; see {log}"}
    assert [cell.method for cell in outcome.done] == ["stamina"]
    with pytest.raises(BenchError):
        carry_out_submitted(run_file, ["104"], fail_at=0)
    outcome, _ = watched(run_file, lambda _: True)
    assert outcome.failed == {"ti++ seed 0": "made to fail"}


def test_waiting_ends_with_the_tables_or_with_what_failed(
    slurm: FakeSlurm, small: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, lost = watching.watch, {"104", "105"}

    def quick(prepared: Any, run_file: Path, ledger: Ledger, display: Any) -> Outcome:
        ask = Working(run_file, lambda job: job.id in lost)
        return watch(prepared, run_file, ledger, display, every_s=0, ask=ask)

    monkeypatch.setattr(watching, "watch", quick)
    code, said = bench(*small, *ON_SLURM, "--wait", "-o", tmp_path)
    assert code == 1
    assert re.search(r"^ti\+\+ seed 0 did not finish: its job 104 never started$", said, re.M)
    assert "A_mmd" in said  # of the other
    assert cells(tmp_path)["ti++"]["state"] == "failed"
    code, said = bench("resume", tmp_path, *ON_SLURM, "--wait")
    assert code == 0, said
    assert "did not finish" not in said
    assert {cell["state"] for cell in status(tmp_path)["cells"]} == {"done"}


# what is refused


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--executor", "moab"), "Unknown --executor 'moab'; use local or slurm."),
        (("--wait",), "--wait is for --executor slurm; a local run waits in any case."),
        (("--executor", "slurm"), "--slurm needs a time limit for each job, such as time=4:00:00."),
        (("--slurm", "partition=gpu", "--executor", "slurm"), "--slurm needs a time limit for each job"),
        (("--slurm", "time=soon", "--executor", "slurm"), "--slurm time=soon is no time limit; write 4:00:00 for"),
        (("--slurm", "time=0:59", "--executor", "slurm"), "--slurm time=0:59 is less than a minute; write 4:00:00"),
        (("--slurm", "time=1,array=0-3", "--executor", "slurm"), "--slurm array is set by stamina-bench; leave it"),
        (("--slurm", "time=1,=3", "--executor", "slurm"), "--slurm '=3' is not NAME=VALUE; write partition=gpu,"),
        (
            ("--slurm", "time=1", "--executor", "slurm", "--device", "cuda"),
            "--device cuda does not go with --slurm, which gives each job a cpu device; add gpus_per_node=1 to",
        ),
        (
            ("--slurm", "time=1,gres=gpu:2", "--executor", "slurm", "--device", "cpu"),
            "--device cpu does not go with --slurm, which gives each job a cuda device; take the GPUs out of --slurm.",
        ),
        (
            ("--slurm", "time=1,gpus=1", "--executor", "slurm", "--device", "cuda:1,cuda:2"),
            "--device cuda:1,cuda:2 does not go with --slurm, which gives each job a cuda device; leave --device out.",
        ),
    ],
)
@pytest.mark.parametrize("command", ["run", "resume"])
def test_options_that_cannot_be(command: str, options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    where = ("mixed50", "-o", tmp_path / "runs") if command == "run" else (tmp_path / "runs",)
    refused(bench(command, *where, *options), f"stamina-bench: {said}")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("90", 90), ("1", 1), ("90:30", 91), ("1:00", 1), ("4:00:00", 240), ("0:01:01", 2), ("1-12", 2160),
        ("1-12:30", 2190), ("2-0:0:30", 2881), ("0-0:1", 1),
    ],
)  # fmt: skip
def test_time_limits_as_slurm_has_them(text: str, minutes: int) -> None:
    assert parse_slurm(f"time={text}").minutes == minutes


@pytest.mark.parametrize("text", ["", "1h", "1:2:3:4", "-1", "1-", "1.5", "1 2", "0", "0:0:59", "0-0", "INFINITE"])
def test_what_is_no_time_limit(text: str) -> None:
    raises_sentence(lambda: parse_slurm(f"time={text}"), f"--slurm time={text}", "write 4:00:00 for four hours")


def test_options_of_slurm_are_told_apart() -> None:
    asked = parse_slurm(" partition = gpu , time=10,,signal-delay-s=30,array_parallelism=7,exclusive, comment= ")
    assert (asked.minutes, asked.signal_s, asked.array_parallelism) == (10, 30, 7)
    assert asked.sbatch == {"partition": "gpu", "exclusive": True, "comment": ""}
    for text in ("signal_delay_s=0", "array_parallelism=many", "signal_delay_s=-3", "array_parallelism"):
        name, _, value = text.partition("=")
        raises_sentence(lambda text=text: parse_slurm(f"time=1,{text}"), f"--slurm {name}={value}", "whole number")
    for name in sorted(OURS):
        raises_sentence(lambda name=name: parse_slurm(f"time=1,{name}=1"), f"--slurm {name} is set by stamina-bench")
    for part in ("Partition=gpu", "3=4", "a b=c", "=", "a=\x1b[31m", "a=b\nc=d"):
        with pytest.raises(BenchError, match="is not NAME=VALUE"):
            parse_slurm(f"time=1,{part}")


@pytest.mark.parametrize(
    ("text", "device"),
    [("", "cpu"), ("gpus=1", "cuda"), ("gpus_per_node=a100:1", "cuda"), ("gres=gpu:1", "cuda"), ("gres=tmp:1G", "cpu"),
     ("gpus-per-task=1", "cuda"), ("partition=gpu", "cpu")],
)  # fmt: skip
def test_a_job_has_a_gpu_if_it_asks_for_one(text: str, device: str) -> None:
    assert parse_slurm(f"time=1,{text}").device_type == device


def test_without_slurm_on_the_machine(
    slurm: FakeSlurm, small: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_file = submit(small, tmp_path / "runs")
    monkeypatch.setenv("PATH", str(tmp_path))
    refused(
        bench(*small, *ON_SLURM, "-o", tmp_path / "other"),
        "--executor slurm: there is no Slurm on this machine; run the command on a login node of the cluster.",
    )
    refused(bench("cancel", tmp_path / "runs"), "There is no `squeue` on this machine; run the command on a login")
    code, said = bench("status", tmp_path / "runs")  # of a copy elsewhere the files say enough
    assert code == 0
    assert "There is no `squeue` on this machine" in said
    assert "stamina seed 0: 1 train" in said
    assert read_ledger(run_file).ids == ["101", "102", "103", "104", "105"]


def test_what_sbatch_refuses_is_passed_on_and_nothing_stays_queued(
    slurm: FakeSlurm, small: tuple[object, ...], tmp_path: Path
) -> None:
    command = (*small, *ON_SLURM, "-o", tmp_path)
    slurm.accepts(0)
    refused(bench(*command), "Slurm refused the job '1 real, 1 features' (invalid partition specified: gpu); check")
    assert not slurm.calls("scancel")
    slurm.accepts(2)  # one number is used up
    refused(bench(*command), "Slurm refused the job 'stamina seed 0: 1 train' (invalid partition specified: gpu)")
    slurm.accepts(5)
    slurm.queue("102")  # cancelled, but not gone yet
    refused(bench(*command), "Slurm's queue holds jobs of this run (1)")
    slurm.queue()
    refused(bench(*command), "Slurm refused the job '1 generate, 1 features, 1 score' (invalid partition")
    assert slurm.calls("scancel") == ["102", "104 105"]


def test_when_slurm_does_not_answer(slurm: FakeSlurm, small: tuple[object, ...], tmp_path: Path) -> None:
    submit(small, tmp_path)
    slurm.is_out_of_order("slurm_load_jobs error: Unable to contact slurm controller (connect failure)\nand more\n")
    for command in (("status", tmp_path), ("cancel", tmp_path), (*small, *ON_SLURM, "-o", tmp_path)):
        code, said = bench(*command)
        assert code == 1
        assert said == (
            "stamina-bench: Slurm does not answer `squeue` (slurm_load_jobs error: Unable to contact slurm controller "
            "(connect failure)).\n"
        )
    slurm.is_out_of_order("")
    assert bench("status", tmp_path)[1].startswith("stamina-bench: Slurm does not answer `squeue` (")
    assert len(slurm.submitted()) == 5


def test_a_damaged_ledger(slurm: FakeSlurm, small: tuple[object, ...], tmp_path: Path) -> None:
    path = ledger_path(submit(small, tmp_path))
    for command in (("status", tmp_path), ("cancel", tmp_path), (*small, *ON_SLURM, "-o", tmp_path)):
        path.write_text(path.read_text()[:-20])
        refused(bench(*command), f"{path} is damaged; cancel its jobs with scancel and delete it.")
    assert len(slurm.submitted()) == 5


@pytest.mark.parametrize("content", ["", "{", "[]", '{"jobs": [], "more": 1}', '{"jobs": [{"id": "1"}]}', "\xff"])
def test_what_is_no_ledger(tmp_path: Path, content: str) -> None:
    path = ledger_path(tmp_path / "runs" / "a.yaml")
    assert read_ledger(tmp_path / "runs" / "a.yaml") == Ledger()
    path.parent.mkdir()
    path.write_text(content, encoding="latin-1")
    raises_sentence(lambda: read_ledger(tmp_path / "runs" / "a.yaml"), f"{path} is damaged")


def test_ids_in_a_ledger_are_numbers(tmp_path: Path) -> None:
    """They are handed to `scancel`."""
    job = {"id": "1", "title": "t", "steps": (), "needs": (), "log": "l"}
    run_file = tmp_path / "runs" / "a.yaml"
    write_ledger(run_file, Ledger(jobs=(SubmittedJob.model_validate(job),)))
    assert read_ledger(run_file).ids == ["1"]
    for wrong in ("--user=root", "1_", "1 2", "_1", "", "1\n"):
        ledger_path(run_file).write_text(json.dumps({"jobs": [{**job, "id": wrong}]}))
        raises_sentence(lambda: read_ledger(run_file), "is damaged")


def test_a_folder_without_runs(slurm: FakeSlurm, tmp_path: Path) -> None:
    for command in ("status", "cancel"):
        refused(bench(command, tmp_path), f"{tmp_path} holds no runs; name the folder given to `run` with --output-dir")
    assert not list(tmp_path.glob("runs"))
    assert not slurm.calls("squeue")
