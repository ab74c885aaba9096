"""Where the runs of a results folder stand, from its files alone: neither torch nor any plugin is imported."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Literal

from filelock import SoftFileLease

from harness.errors import UsageError
from harness.executors.job_records import Ledger, Queued, SubmittedJob, failure, logs, made, read_ledger
from harness.records.run_file import CellRecord, described_cells, each_run, failures, run_files
from harness.spec import Frozen
from harness.store.store import LEASE_S, Store, alive

State = Literal["done", "working", "queued", "failed", "unfinished"]


class CellStanding(Frozen):
    """One cell: what is done of it, and why it stopped. `holders`: 'host, process 4711', who makes steps of it now."""

    cell: str
    seed: int
    state: State
    trained: int
    tasks: int
    drawn: int
    pictures: int
    holders: tuple[str, ...]
    reason: str = ""


class JobStanding(Frozen):
    """One job of a cluster. `state`: Slurm's own while it is queued, else done or ended."""

    id: str
    title: str
    state: str
    elapsed: str
    made: int
    steps: int
    log: str
    reason: str = ""


class RunStanding(Frozen):
    """One run, by the name of its file."""

    run: str
    benchmark: str
    tier: str
    cells: tuple[CellStanding, ...]
    jobs: tuple[JobStanding, ...] = ()

    @property
    def done(self) -> bool:
        """Whether every cell is scored."""
        return all(cell.state == "done" for cell in self.cells)


def ledgers(output: Path, left_out: Callable[[UsageError], object] | None = None) -> Iterator[tuple[Path, Ledger]]:
    """Each run's file with its jobs, in the order in which runs were last asked for.

    Args:
        left_out: is told of ledgers that are damaged, which then do not keep it from the others.

    Raises:
        UsageError: a ledger is damaged (with `left_out`: every one).
    """
    return each_run(run_files(output), read_ledger, left_out)


def standings(
    asked: Mapping[Path, tuple[Ledger, Mapping[str, Queued]]], left_out: Callable[[UsageError], object] | None = None
) -> list[RunStanding]:
    """Where runs stand. Those of the very same cells are one, by the newest's name: `score` writes such a file.

    Args:
        asked: each run's file, in the order in which they were last asked for, with its jobs and those of them that
            the cluster has in its queue, by id.
        left_out: is told of files that are damaged, which then do not keep it from the others.

    Raises:
        UsageError: a file is damaged (with `left_out`: every one).
    """
    found: dict[object, RunStanding] = {}

    def read(path: Path) -> tuple[object, RunStanding]:
        cells = described_cells(path)
        same = frozenset(
            (each.benchmark, each.tier, each.backbone, each.label, each.seed, each.score) for each in cells
        )
        return same, _standing(path, cells, *asked[path])

    for _, (same, run) in each_run(asked, read, left_out):
        before = found.pop(same, None)
        found[same] = run if before is None else run.model_copy(update={"jobs": (*before.jobs, *run.jobs)})
    return list(found.values())


def _standing(
    run_file: Path, cells: tuple[CellRecord, ...], ledger: Ledger, queued: Mapping[str, Queued]
) -> RunStanding:
    """Where one run stands; `queued`: what the cluster has in its queue, by the job's id."""
    store = Store(run_file.parent.parent / "store")
    jobs = tuple(_job(job, store, run_file, queued.get(job.id)) for job in ledger.jobs)
    errors, failed = dict(failures(run_file)), dict[str, str]()  # by step, and the first one by job
    for job in ledger.jobs:
        told = {} if job.id in queued else failure(run_file, job)
        errors |= told
        # without a job that it needs it never starts
        reasons = [*told.values(), *(failed[other] for other in job.needs if other in failed)]
        if reasons:
            failed[job.id] = reasons[0]
            errors |= {} if told else dict.fromkeys(job.steps, reasons[0])
    to_come = {key for job in ledger.jobs if job.id in queued for key in job.steps}
    return RunStanding(
        run=run_file.stem, benchmark=cells[0].benchmark, tier=cells[0].tier,
        cells=tuple(_cell(cell, store, errors, to_come) for cell in cells), jobs=jobs,
    )  # fmt: skip


def _cell(cell: CellRecord, store: Store, errors: Mapping[str, str], to_come: Collection[str]) -> CellStanding:
    trains = list(dict.fromkeys(task.train for task in cell.tasks if task.train is not None))
    pictures = [key for task in cell.tasks for key in task.images.values()]
    pictures = list(dict.fromkeys([*pictures, *(c.images for c in cell.compositions)]))
    features = [key for task in cell.tasks for key in task.features.values()]
    own = (*trains, *pictures, *features, cell.score)
    holders = tuple(dict.fromkeys(who for key in own if (who := holder(store, key))))
    reason = next((errors[key] for key in own if key in errors), "")
    state: State = "unfinished"
    if made(store, [cell.score]):
        state, reason = "done", ""
    elif holders:
        state = "working"
    elif cell.score in to_come:
        state = "queued"
    elif reason:
        state = "failed"
    return CellStanding(
        cell=cell.label, seed=cell.seed, state=state, trained=made(store, trains), tasks=len(trains),
        drawn=made(store, pictures), pictures=len(pictures), holders=holders, reason=reason,
    )  # fmt: skip


def holder(store: Store, key: str) -> str:
    """Who makes a step now: 'host, process 4711'; empty if nobody does, or who did has given no sign for long."""
    path = store.lease(key)
    try:
        silent = time.time() - path.stat().st_mtime > 2 * LEASE_S
    except OSError:
        return ""
    owner = None if silent else SoftFileLease(path, lease_duration=LEASE_S).owner
    if owner is None or (owner.hostname == platform.node() and not alive(owner.pid)):
        return ""
    return f"{owner.hostname}, process {owner.pid}"


def _job(job: SubmittedJob, store: Store, run_file: Path, queued: Queued | None) -> JobStanding:
    count = made(store, job.steps)
    log = logs(run_file) / job.log
    told = next(iter(failure(run_file, job).values()), "see its log" if log.exists() else "it never started")
    if queued is not None:
        state, elapsed, reason = queued.state, queued.elapsed, queued.reason if queued.state == "PENDING" else ""
    else:
        state, elapsed, reason = ("done", "", "") if count == len(job.steps) else ("ended", "", told)
    return JobStanding(
        id=job.id, title=job.title, state=state, elapsed=elapsed, made=count, steps=len(job.steps),
        log=str(log), reason=reason,
    )  # fmt: skip
