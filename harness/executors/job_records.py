"""Which jobs of a cluster were submitted for a run: `RESULTS/slurm/RUN.json`, and what they have come to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import Field, ValidationError

from harness.errors import UsageError
from harness.spec import Frozen
from harness.store.failures import read_failures, write_failures
from harness.store.store import Store, write_atomically

FOLDER: Final = "slurm"
FAILURE: Final = "-failure.json"


class SubmittedJob(Frozen):
    """One job: its id ('17', or '17_3' in an array), what it makes, and the ids without which it cannot start."""

    id: str = Field(pattern=r"^\d+(_\d+)?$")
    title: str
    steps: tuple[str, ...] = Field(description="keys of its steps")
    needs: tuple[str, ...]
    log: str = Field(description="name of its log's file, in the folder beside the ledger")


class Queued(NamedTuple):
    """A job in the cluster's queue: its state ('RUNNING', 'PENDING', ...), how long it has run, why it waits."""

    state: str
    elapsed: str
    reason: str


class Ledger(Frozen):
    """All jobs of a run, as they were last submitted."""

    schema_version: int = 1
    jobs: tuple[SubmittedJob, ...] = ()

    @property
    def ids(self) -> list[str]:
        """Ids to name to the cluster: an array's once."""
        return list(dict.fromkeys(job.id.partition("_")[0] for job in self.jobs))


def ledger_path(run_file: Path) -> Path:
    """Where a run's ledger lies; its jobs' logs are in the folder of the same name without the ending."""
    return run_file.parent.parent / FOLDER / f"{run_file.stem}.json"


def logs(run_file: Path) -> Path:
    """The folder with the logs of a run's jobs."""
    return ledger_path(run_file).with_suffix("")


def read_ledger(run_file: Path) -> Ledger:
    """The ledger of a run; an empty one if no job was ever submitted.

    Raises:
        UsageError: it is damaged.
    """
    path = ledger_path(run_file)
    try:
        return Ledger.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Ledger()
    except (OSError, ValidationError):
        raise UsageError(f"{path} is damaged; cancel its jobs with scancel and delete it.") from None


def write_ledger(run_file: Path, ledger: Ledger) -> None:
    """Replace the ledger of a run."""
    write_atomically(ledger_path(run_file), ledger.model_dump_json(indent=1) + "\n")


def keep_failure(run_file: Path, job_id: str, errors: Mapping[str, str], traces: Mapping[str, str]) -> None:
    """Keep why steps of a job failed (key -> error, key -> traceback), until it runs again."""
    write_failures(logs(run_file) / f"{job_id}{FAILURE}", errors, traces)


def failure(run_file: Path, job: SubmittedJob) -> Mapping[str, str]:
    """Why steps of a job failed; empty if it left nothing about it."""
    return read_failures(logs(run_file) / f"{job.id}{FAILURE}")


def made(store: Store, keys: Iterable[str]) -> int:
    """How many of these steps the store has, by their manifests alone."""
    return sum(map(store.has, keys))
