"""A cell of the classification setting as steps. Pure: no torch, no image is opened.

    train(i)      W_i, the head of all classes seen, the method's memory; builds on train(i - 1)
    evaluate(i)   every test image of tasks 1 to i, recognised by the model after task i
    score         every figure of the cell; builds on all evaluations and trainings

A joint method has one training, of all tasks at once, and one evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.budgets import inherited_budget
from harness.class_tasks import ClassTask
from harness.method import Method
from harness.plan import Cell, Plan, metrics_hash
from harness.spec import Benchmark, ClassOptions
from harness.store import key_of


def add_class_cell(
    plan: Plan, benchmark: Benchmark, tasks: Sequence[ClassTask], total: int, name: str, method: type[Method[Any]],
    options: ClassOptions, seed: int, note: str = "", given: Iterable[str] = (),
) -> Cell:  # fmt: skip
    """Plan one cell; steps that other cells have, too, are shared.

    Args:
        tasks: those to run, in the class order of this cell. total: how many the benchmark has; a method may set aside
            room for each. note: what the protocol shall say of the benchmark's split. given: the options that the user
            set.
    """
    s, order = plan.setting, len(plan.cells)
    touched: list[str] = []

    def add(*arguments: Any) -> str:
        key = plan.add(*arguments)
        touched.append(key)
        return key

    assert s.recognition is not None
    seen = s.recognition.model_dump()
    test = {k: seen.pop(k) for k in ("resize", "batch_size")}
    taught = {
        "method": name, "source": method.source_hash(), "options": options.model_dump(mode="json"), "seed": seed,
        "recognition": seen, **plan.model(),
    }  # fmt: skip

    def trained(number: int, learnt: Sequence[ClassTask], earlier: str | None) -> str:
        recipe: dict[str, Any] = {
            **taught, "concepts": [plan.concept(task) for task in learnt],
            "classes": [len(task.classes) for task in learnt], "images": sum(len(task.images) for task in learnt),
            "place": [number, len(tasks) if method.joint else total],
        }  # fmt: skip
        work = {"tasks": tuple(learnt), "method": name, "weights": earlier}
        label = f"{name} seed {seed}: train " + ("all tasks" if method.joint else f"task {number} ({learnt[0].name})")
        return add("train", recipe, [] if earlier is None else [earlier], work, label, (0, number, order))

    def evaluated(number: int, state: str) -> str:
        recipe = {
            "tests": [plan.concept(task) for task in tasks[:number]],
            "classes": [len(task.classes) for task in tasks[:number]], "recognition": {**seen, **test}, **plan.model(),
        }  # fmt: skip
        work = {"tasks": tuple(tasks[:number]), "method": name}
        label = f"{name} seed {seed}: test after task {number}"
        return add("evaluate", recipe, [state], work, label, (2, number, order))

    last = len(tasks)
    if method.joint:
        trains = [trained(last, tasks, None)]
        evaluations = {last: evaluated(last, trains[0])}
    else:
        trains = []
        for i, task in enumerate(tasks, 1):
            trains.append(trained(i, [task], trains[-1] if trains else None))
        evaluations = {i: evaluated(i, key) for i, key in enumerate(trains, 1)}
    score = add(
        "score",
        {"setting": "classification", "tasks": last, "metrics": metrics_hash("classification"), "joint": method.joint},
        [*evaluations.values(), *trains],
        {
            "setting": "classification", "evaluations": evaluations, "trains": tuple(trains), "joint": method.joint,
            "note": note, "recognition": s.recognition, "options": options,
        },
        f"{name} seed {seed}: score",
        (4, order),
    )  # fmt: skip
    code: Mapping[str, Any] = {
        "source": method.source_hash(), "metrics": metrics_hash("classification"), **plan.model(),
    }  # fmt: skip
    cell = Cell(
        benchmark=benchmark.name, setting="classification", title=benchmark.title, tier=s.tier.name,
        backbone=s.backbone_name, method=name, options=options, seed=seed, tasks=tuple(tasks), tasks_total=total,
        score=score, trains=tuple(trains), real=(), real_features=(), images={}, features={}, compositions=(),
        steps=tuple(dict.fromkeys(touched)), variant=key_of(code)[:12], protocol_changes=s.changes(),
        base=benchmark.base, content=plan.whole_content(benchmark, tasks if _own_order(tasks, total) else ()),
        made_by=plan.made_by(method.source_hash(), "classification", touched),
        inherited=inherited_budget(options, s.tier.name, "classification", given),
    )  # fmt: skip
    plan.cells.append(cell)
    return cell


def _own_order(tasks: Sequence[ClassTask], total: int) -> bool:
    numbers = [number for task in tasks for number in task.numbers]
    return len(tasks) == total and numbers == list(range(len(numbers)))
