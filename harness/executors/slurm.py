"""Runs a plan on a Slurm cluster: its steps as jobs with dependencies, submitted through submitit."""

from __future__ import annotations

import io
import math
import os
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from harness.api import Prepared
from harness.errors import BenchError, UsageError, first_line
from harness.executors.job import Work
from harness.executors.job_records import Ledger, Queued, SubmittedJob, logs, write_ledger
from harness.executors.partition import divide, title

TIMEOUTS: Final = 50  # a job that runs into its limit is queued again so often
OURS: Final = {
    "array", "chdir", "dependency", "error", "job_name", "kill_on_invalid_dep", "nodes", "ntasks", "ntasks_per_node",
    "open_mode", "output", "requeue", "signal", "wrap",
}  # fmt: skip
FORMAT: Final = "%i|%T|%M|%r"


@dataclass(frozen=True)
class SlurmOptions:
    """What to ask Slurm for.

    minutes: a job's time limit. signal_s: so long before it the job is told to stop. array_parallelism: jobs of an
    array at a time. sbatch: other options of `sbatch`, by their long names.
    """

    minutes: int
    signal_s: int
    array_parallelism: int
    sbatch: Mapping[str, str | bool]

    @property
    def device_type(self) -> str:
        """'cuda' if they ask for GPUs."""
        gpus = any(name.startswith("gpu") and value != "0" for name, value in self.sbatch.items())
        gpus = gpus or "gpu" in str(self.sbatch.get("gres", ""))
        return "cuda" if gpus else "cpu"


def parse_slurm(text: str) -> SlurmOptions:
    """'partition=gpu,time=4:00:00,gpus_per_node=1' as options; names are `sbatch`'s long ones.

    Raises:
        UsageError: no list of NAME=VALUE, no time limit, a time that Slurm would not understand, or an option that is
            this program's to set.
    """
    found: dict[str, str | bool] = {}
    # commas in brackets are a list of nodes, as in nodelist=node[1,3]
    for part in filter(None, (part.strip() for part in re.split(r",(?![^\[]*\])", text))):
        name, equals, value = part.partition("=")
        name = name.strip().replace("-", "_")
        if not re.fullmatch(r"[a-z][a-z_0-9]*", name) or (equals and not value.strip().isprintable()):
            raise UsageError(f"--slurm '{part}' is not NAME=VALUE; write partition=gpu,time=4:00:00,gpus_per_node=1.")
        if name in OURS:
            raise UsageError(f"--slurm {name} is set by stamina-bench; leave it out.")
        found[name] = value.strip() if equals else True
    if "time" not in found:
        raise UsageError("--slurm needs a time limit for each job, such as time=4:00:00.")
    minutes = _minutes(str(found.pop("time")))
    signal_s, parallel = (
        _integer(found, name, usual) for name, usual in (("signal_delay_s", 90), ("array_parallelism", 256))
    )
    return SlurmOptions(minutes, signal_s, parallel, found)


def _integer(found: dict[str, str | bool], name: str, usual: int) -> int:
    value = str(found.pop(name, usual))
    if not value.isdigit() or int(value) < 1:
        raise UsageError(f"--slurm {name}={value} is not a whole number from 1 on.")
    return int(value)


def _minutes(text: str) -> int:
    """Slurm's 'minutes', 'minutes:seconds', 'hours:minutes:seconds', 'days-hours[:minutes[:seconds]]'."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text)
    if not match:
        raise UsageError(f"--slurm time={text} is no time limit; write 4:00:00 for four hours.")
    days, *parts = (int(part) if part is not None else None for part in match.groups())
    first, second, third = parts
    assert first is not None
    if days is not None:
        seconds = days * 86400 + first * 3600 + (second or 0) * 60 + (third or 0)
    elif third is not None:
        seconds = first * 3600 + (second or 0) * 60 + third
    else:
        seconds = first * 60 + (second or 0)
    if seconds < 60:
        raise UsageError(f"--slurm time={text} is less than a minute; write 4:00:00 for four hours.")
    return math.ceil(seconds / 60)


def submit(prepared: Prepared, run_file: Path, options: SlurmOptions, seconds: Mapping[str, float]) -> Ledger:
    """Submit what is pending of a run.

    Args:
        seconds: what steps are expected to take, by key.

    Raises:
        UsageError: there is no Slurm here, or it refuses a job; none is left in its queue then.
    """
    jobs = divide(prepared.plan, prepared.progress.pending, seconds, 60.0 * options.minutes)
    executor = _executor(logs(run_file))
    ids: list[str] = []
    submitted: list[SubmittedJob] = []
    # what is no chain and waits for the same jobs is an array
    for (_, _), group in groupby(enumerate(jobs), key=lambda item: (item[1].needs, item[0] if item[1].chain else -1)):
        numbers = [number for number, _ in group]
        needs = tuple(ids[other] for other in jobs[numbers[0]].needs)
        titles = [title(jobs[number], prepared.plan) for number in numbers]
        _ask_for(executor, options, titles[0], needs)
        works = [Work(os.getcwd(), str(run_file.resolve()), jobs[number].steps) for number in numbers]
        try:
            with redirect_stderr(io.StringIO()):  # submitit would say there, too, what sbatch says
                made = [executor.submit(works[0])] if len(works) == 1 else executor.submit_array(works)
        except Exception as error:
            cancel(Ledger(jobs=tuple(submitted)).ids)
            raise UsageError(f"Slurm refused the job '{titles[0]}' ({_said(error)}); check --slurm.") from error
        for number, name, job in zip(numbers, titles, made, strict=True):
            ids.append(job.job_id)
            steps = tuple(jobs[number].steps)
            submitted.append(
                SubmittedJob(id=job.job_id, title=name, steps=steps, needs=needs, log=job.paths.stdout.name)
            )
        write_ledger(run_file, Ledger(jobs=tuple(submitted)))  # each time: who is interrupted can cancel
    return Ledger(jobs=tuple(submitted))


def _executor(folder: Path) -> Any:
    try:
        from submitit import SlurmExecutor

        folder.mkdir(parents=True, exist_ok=True)
        python = f"{shlex.quote(sys.executable)} -P"  # with -m it would import from the current folder first
        return SlurmExecutor(folder=folder, max_num_timeout=TIMEOUTS, python=python)
    except RuntimeError:
        raise UsageError(
            "--executor slurm: there is no Slurm on this machine; run the command on a login node of the cluster."
        ) from None


def _ask_for(executor: Any, options: SlurmOptions, name: str, needs: Sequence[str]) -> None:
    more: dict[str, str | bool] = {**options.sbatch, "requeue": True}
    if needs:
        more |= {"dependency": ":".join(["afterok", *needs]), "kill_on_invalid_dep": "yes"}
    executor.parameters.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it advises on options that it does not see
        executor.update_parameters(
            time=options.minutes, job_name=name, signal_delay_s=options.signal_s, stderr_to_stdout=True,
            array_parallelism=options.array_parallelism, additional_parameters=more,
        )  # fmt: skip


def _said(error: Exception) -> str:
    """What sbatch printed of a refusal."""
    lines = [line.strip() for line in str(error).splitlines() if "sbatch: error:" in line]
    return lines[0].partition("error:")[2].strip().rstrip(".") if lines else first_line(error).rstrip(".")


def queue(ids: Sequence[str]) -> dict[str, Queued]:
    """Those of the jobs that Slurm has in its queue, by id; of an array each element.

    Raises:
        BenchError: Slurm cannot be asked.
    """
    if not ids:
        return {}
    asked = _slurm("squeue", "--noheader", "--array", f"--user={os.getuid()}", f"--format={FORMAT}")
    found: dict[str, Queued] = {}
    wanted = set(ids)
    for line in asked.splitlines():
        job, _, rest = line.strip().partition("|")
        if job.partition("_")[0] in wanted and rest.count("|") >= 2:
            state, elapsed, reason = rest.split("|", 2)
            found[job] = Queued(state, elapsed, reason)
    return found


def cancel(ids: Sequence[str]) -> None:
    """End jobs, queued or running.

    Raises:
        BenchError: Slurm cannot be asked.
    """
    if ids:
        _slurm("scancel", *ids)


def _slurm(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    except FileNotFoundError:
        raise UsageError(
            f"There is no `{command[0]}` on this machine; run the command on a login node of the cluster."
        ) from None
    except (subprocess.SubprocessError, OSError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise BenchError(f"Slurm does not answer `{command[0]}` ({said[0] if said else 'no reason given'}).") from error
