"""A plan as jobs of a cluster: whatever is finished, whatever steps take and jobs may last."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.mini.concepts import MiniConcepts
from harness import registry
from harness.engine.plan import CellRequest, Plan, RunContext, Step
from harness.executors import partition as jobs
from harness.executors.partition import PACK_S, SHARE_OF_LIMIT, Job, divide, title
from harness.spec import Benchmark, Tier

BENCHMARK = Benchmark(name="b", title="t", summary="s", sources={"mini": MiniConcepts(people=2, waterfalls=1)})
TIER = Tier(name="mini", summary="", backbone="x", extractor="y", resolution=64)
CHAINED = {"train", "merge"}
SETTING = RunContext(TIER, TIER.sampling, "x", "x", "hash-b", "y", "hash-e", "cpu", "float32")
METHODS = ("stamina", "cd", "ti++", "ub", "cd-merge")
SEQUENTIAL = ("stamina", "cd")  # W_i builds on W_{i-1} as it is learnt
FOREVER = 1e9

whatever: Callable[[Callable[..., None]], Callable[..., None]] = given(
    cells=st.lists(st.tuples(st.sampled_from(METHODS), st.integers(0, 1)), min_size=1, max_size=3, unique=True),
    tasks=st.integers(1, 3),
    full_matrix=st.booleans(),
    finished=st.sampled_from((0.0, 0.0, 0.3, 0.6, 0.9)),
    limit_s=st.floats(60, 40_000),
    dice=st.randoms(use_true_random=True),
)


class Case(NamedTuple):
    """What was divided, and into what."""

    plan: Plan
    pending: Sequence[Step]
    seconds: Mapping[str, float]
    jobs: Sequence[Job]

    @property
    def place(self) -> dict[str, int]:
        """Step -> the number of its job."""
        return {key: number for number, job in enumerate(self.jobs) for key in job.steps}

    def reached(self, numbers: Collection[int]) -> set[int]:
        """Jobs, and all that they need, however indirectly."""
        found = set(numbers)
        while more := {other for number in found for other in self.jobs[number].needs} - found:
            found |= more
        return found

    def waits_for(self, key: str) -> set[int]:
        """The jobs with the pending parents of a step."""
        return {self.place[parent] for parent in self.plan.steps[key].parents if parent in self.place}


def make_plan(cells: Collection[tuple[str, int]], tasks: int, full_matrix: bool = False) -> Plan:
    """Cells of these methods and seeds."""
    made = Plan(SETTING)
    for name, seed in cells:
        plugin = registry.methods().get(name)
        learner = registry.methods().get(plugin.base_method) if plugin.base_method else None
        options = plugin.options_class.for_tier("paper")
        # as of photographs, of which none are held out: the least that there is
        first = [task.model_copy(update={"reference": None}) for task in BENCHMARK.tasks("mini")[:tasks]]
        made.add_cell(CellRequest(BENCHMARK, first, 3, name, plugin, options, seed, learner, full_matrix))
    return made


def divided(plan: Plan, limit_s: float, dice: Random, finished: float = 0.0) -> Case:
    """Any steps are finished; the others take from a second to three quarters of an hour each."""
    pending = [step for step in plan.steps.values() if dice.random() >= finished]
    seconds = {step.key: 10 ** dice.uniform(0, 3.4) for step in pending}
    return Case(plan, pending, seconds, divide(plan, pending, seconds, limit_s))


@whatever
@settings(max_examples=50)
def test_every_step_is_in_one_job_and_what_it_waits_for_comes_before(
    cells: list[tuple[str, int]], tasks: int, full_matrix: bool, finished: float, limit_s: float, dice: Random
) -> None:
    case = divided(make_plan(cells, tasks, full_matrix), limit_s, dice, finished)
    assert sorted(key for job in case.jobs for key in job.steps) == sorted(step.key for step in case.pending)
    for number, job in enumerate(case.jobs):
        assert job.steps
        assert job.seconds == pytest.approx(sum(case.seconds[key] for key in job.steps))
        assert len(set(job.needs)) == len(job.needs)
        assert all(other < number for other in job.needs)
        for place, key in enumerate(job.steps):
            assert not set(job.steps[place:]) & set(case.plan.steps[key].parents)
            assert case.waits_for(key) <= case.reached({number})


@whatever
@settings(max_examples=50)
def test_jobs_are_chains_within_the_limit_and_packs_of_a_quarter_of_an_hour(
    cells: list[tuple[str, int]], tasks: int, full_matrix: bool, finished: float, limit_s: float, dice: Random
) -> None:
    """A step of a pack waits for the jobs that the pack needs, or for the pack itself.

    Of the former none starts beyond the pack's size; the latter join it whatever it has become, and are nowhere else.
    """
    case = divided(make_plan(cells, tasks, full_matrix), limit_s, dice, finished)
    budget_s = SHARE_OF_LIMIT * limit_s
    for number, job in enumerate(case.jobs):
        kinds = {case.plan.steps[key].kind for key in job.steps}
        assert job.trains == bool(kinds & CHAINED)
        assert not job.trains or len(kinds) == 1
        if job.chain:
            assert job.trains
            assert all(before in case.plan.steps[after].parents for before, after in pairwise(job.steps))
            assert len(job.steps) == 1 or job.seconds <= budget_s
            continue
        so_far = 0.0
        for place, key in enumerate(job.steps):
            so_far += case.seconds[key]
            needed = case.waits_for(key)
            if number in needed:
                assert not job.trains
            else:
                assert case.reached(needed) == case.reached(job.needs)
                assert place == 0 or so_far <= min(PACK_S, budget_s)
    for step in case.pending:
        needed = case.waits_for(step.key)
        alone = [n for n in needed if not case.jobs[n].trains and needed <= case.reached({n})]
        assert step.kind in CHAINED or not alone or alone == [case.place[step.key]]


@whatever
@settings(max_examples=50)
def test_with_time_enough_what_a_cell_trains_or_merges_in_turn_is_one_job(
    cells: list[tuple[str, int]], tasks: int, full_matrix: bool, finished: float, limit_s: float, dice: Random
) -> None:
    """However long the class images take beside which it learns."""
    plan = make_plan(cells, max(2, tasks), full_matrix)
    case = divided(plan, FOREVER, dice)
    for cell in plan.cells:
        merges = tuple(key for key in cell.steps if plan.steps[key].kind == "merge")
        in_turn = cell.trains if cell.method in SEQUENTIAL else merges
        if in_turn:
            job = case.jobs[case.place[in_turn[0]]]
            assert (job.steps, job.chain) == (list(in_turn), True)
        if in_turn != cell.trains:
            assert not any(case.jobs[case.place[key]].chain for key in cell.trains)


def test_a_chain_goes_on_in_another_job_when_the_limit_is_near() -> None:
    plan = make_plan([("stamina", 0)], 3)
    seconds = {key: 300.0 if step.kind == "train" else 1.0 for key, step in plan.steps.items()}
    trainings = [job for job in divide(plan, list(plan.steps.values()), seconds, 750.0) if job.trains]
    assert [len(job.steps) for job in trainings] == [2, 1]  # 600 s of 0.8 x 750
    trainings = [job for job in divide(plan, list(plan.steps.values()), seconds, 749.0) if job.trains]
    assert [len(job.steps) for job in trainings] == [1, 1, 1]


def test_a_chain_does_not_go_on_before_what_it_needs() -> None:
    """No method's training needs what another training leads to; were there one, its job would come later."""
    graph = {"c1": ("train", ()), "q": ("train", ()), "x": ("prior", ("q",)), "c2": ("train", ("c1", "x"))}
    plan = Plan(SETTING, steps={key: Step(key, kind, {}, parents, {}) for key, (kind, parents) in graph.items()})
    made = divide(plan, list(plan.steps.values()), dict.fromkeys(graph, 1.0), FOREVER)
    assert [(job.steps, job.needs) for job in made] == [(["c1"], ()), (["q"], ()), (["x"], (1,)), (["c2"], (0, 2))]


def test_jobs_of_one_plan_by_hand() -> None:
    """Real images; three trainings; each image set with its features as soon as it can be; at the end the figures."""
    plan = make_plan([("stamina", 0)], 3)
    made = divide(plan, list(plan.steps.values()), dict.fromkeys(plan.steps, 1.0), 3600.0)
    assert [(title(job, plan), job.needs, job.chain) for job in made] == [
        ("3 real, 2 prior, 3 features", (), False),
        ("stamina seed 0: 3 train", (0,), True),
        ("5 generate, 5 features, 2 compose, 1 score", (1,), False),
    ]


def test_packs_of_a_second_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "PACK_S", 1.0)
    plan = make_plan([("ti++", 0)], 2)
    made = divide(plan, list(plan.steps.values()), dict.fromkeys(plan.steps, 1.0), 3600.0)
    assert [(title(job, plan), job.needs) for job in made] == [
        ("1 real, 1 features", ()),
        ("1 real, 1 features", ()),
        ("ti++ seed 0: 1 train", (0,)),
        ("ti++ seed 0: 1 train", (1,)),
        ("1 generate, 1 features", (2,)),
        ("1 generate, 1 features", (3,)),
        ("1 compose", (2, 3)),
        ("1 score", (4, 5)),
    ]


def test_titles_name_a_cell_where_the_job_is_one_cells_training() -> None:
    plan = make_plan([("stamina", 0), ("ti++", 0), ("ti++", 1), ("cd-merge", 0), ("cd", 1)], 2)
    made = divide(plan, list(plan.steps.values()), dict.fromkeys(plan.steps, 1.0), 3600.0)
    titles = {title(job, plan) for job in made}
    assert titles >= {
        "2 real, 2 prior, 2 features",  # every cell's
        "stamina seed 0: 2 train",
        "cd seed 1: 2 train",
        "cd-merge seed 0: 2 merge",
    }
    assert "6 train" in titles  # of both seeds of ti++, and of what cd-merge merges


def test_nothing_pending_is_no_job() -> None:
    assert divide(make_plan([("stamina", 0)], 1), [], {}, 60.0) == []
