"""A plan's pending steps as jobs of a cluster: each fits a time limit and starts when those it needs have ended.

- Steps of a chain (each waits for the one before) go into one job as far as the limit allows, and on in the next.
- All others are packed by what they wait for, about a quarter of an hour to a job: these become arrays.
- A step that waits for one pack alone (the features of images, say) joins it.

A job needs earlier jobs only, so that they can be submitted in order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from harness.engine.plan import Plan, Step

PACK_S: Final = 900.0  # long enough beside the start of a worker, short enough to spread over a cluster
SHARE_OF_LIMIT: Final = 0.8  # of a job's time is planned with: estimates err, and workers take a while to start


@dataclass
class Job:
    """Steps by key, parents before children, and the numbers of the jobs without which they cannot start.

    chain: whether each of its steps waits for the one before. trains: whether they are trainings, or merges.
    """

    needs: tuple[int, ...]
    chain: bool
    trains: bool
    steps: list[str] = field(default_factory=list)
    seconds: float = 0.0


def divide(plan: Plan, pending: Sequence[Step], seconds: Mapping[str, float], limit_s: float) -> list[Job]:
    """Sort steps into jobs.

    Args:
        pending: parents before children. seconds: of each, by key. limit_s: what a job may take.
    """
    return _Division(plan, pending, seconds, SHARE_OF_LIMIT * limit_s).jobs


def title(job: Job, plan: Plan) -> str:
    """'stamina seed 0: 17 train', or '40 generate, 40 features' where cells share it."""
    steps = [plan.steps[key] for key in job.steps]
    owners = {step.label.rpartition(": ")[0] for step in steps}
    owner = f"{owners.pop()}: " if len(owners) == 1 and job.trains else ""
    return owner + ", ".join(f"{count} {kind}" for kind, count in Counter(step.kind for step in steps).items())


class _Division:
    def __init__(self, plan: Plan, pending: Sequence[Step], seconds: Mapping[str, float], budget_s: float) -> None:
        self.plan, self.seconds, self.budget_s = plan, seconds, budget_s
        self.jobs: list[Job] = []
        self.before: list[set[int]] = []  # of each job, all that must have ended, however indirectly
        self.place: dict[str, int] = {}  # step -> its job
        self.open: dict[tuple[str, tuple[int, ...]], int] = {}  # kind of pack -> the one that is not full
        # steps of a chain that go on
        self.kinds = kinds = plan.setting.step_kinds
        self.followed = {key for step in pending if kinds[step.kind].chained for key in self._previous(step)}
        keys = {step.key for step in pending}
        # what waits for nothing comes first: a chain goes on in its job only with what earlier jobs make
        for step in sorted(pending, key=lambda step: kinds[step.kind].chained or not keys.isdisjoint(step.parents)):
            number = self._job_for(step)
            self.jobs[number].steps.append(step.key)
            self.jobs[number].seconds += seconds[step.key]
            self.place[step.key] = number

    def _previous(self, step: Step) -> list[str]:
        """The steps of the same kind that a step waits for: of a chain the one before it."""
        return [key for key in step.parents if self.plan.steps[key].kind == step.kind]

    def _job_for(self, step: Step) -> int:
        needed = self._reduced({self.place[key] for key in step.parents if key in self.place})
        if not self.kinds[step.kind].chained:
            joins = len(needed) == 1 and not self.jobs[needed[0]].trains
            return needed[0] if joins else self._packed("", step, needed)
        for key in self._previous(step):
            if key in self.place and self._continues(step, self.place[key], needed):
                return self.place[key]
        if step.key in self.followed or self._previous(step):
            return self._new(needed, chain=True, trains=True)
        return self._packed(step.kind, step, needed)

    def _continues(self, step: Step, number: int, needed: tuple[int, ...]) -> bool:
        """Whether a step can go on in the job of the one before it, and if so, that the job needs what it needs."""
        job, others = self.jobs[number], set(needed) - {number}
        if not (job.chain and job.steps[-1] in step.parents and self._fits(job, step, self.budget_s)):
            return False
        if max(others, default=-1) > number:  # jobs need earlier ones only
            return False
        for other in sorted(others - self.before[number]):
            job.needs = (*job.needs, other)
            self.before[number] |= {other} | self.before[other]
        return True

    def _packed(self, kind: str, step: Step, needed: tuple[int, ...]) -> int:
        number = self.open.get((kind, needed))
        if number is None or not self._fits(self.jobs[number], step, min(PACK_S, self.budget_s)):
            number = self.open[kind, needed] = self._new(needed, chain=False, trains=bool(kind))
        return number

    def _fits(self, job: Job, step: Step, most_s: float) -> bool:
        return job.seconds + self.seconds[step.key] <= most_s

    def _new(self, needed: tuple[int, ...], *, chain: bool, trains: bool) -> int:
        self.jobs.append(Job(needed, chain, trains))
        self.before.append(set(needed).union(*(self.before[other] for other in needed)))
        return len(self.jobs) - 1

    def _reduced(self, numbers: set[int]) -> tuple[int, ...]:
        """Without those that others of them need anyway."""
        implied = set[int]().union(*(self.before[number] for number in numbers))
        return tuple(sorted(numbers - implied))
