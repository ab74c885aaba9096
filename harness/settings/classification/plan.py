"""A cell of the classification setting as steps. Pure: no torch, no image is opened.

    train(i)      W_i, the head of all classes seen, the method's memory; builds on train(i - 1)
    evaluate(i)   every test image of tasks 1 to i, recognised by the model after task i
    score         every figure of the cell; builds on all evaluations and trainings

A joint method has one training, of all tasks at once, and one evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.data.class_tasks import ClassList, ClassTask
from harness.engine.plan import Cell, CellRequest, Plan
from harness.spec import Recognition


def add_cell(plan: Plan, request: CellRequest) -> Cell:
    """Plan one cell; steps that other cells have, too, are shared.

    `request.tasks` are in the class order of this cell; a method may set aside room for each of `request.total`.
    """
    order, tasks, total, name = len(plan.cells), request.tasks, request.total, request.name
    method, options, seed = request.method, request.options, request.seed
    source = request.benchmark.sources.get(plan.context.tier.name)
    note = source.note if isinstance(source, ClassList) else ""
    recognition = plan.context.protocol_as(Recognition)
    touched: list[str] = []

    def add(*arguments: Any) -> str:
        key = plan.add(*arguments)
        touched.append(key)
        return key

    seen = recognition.model_dump()
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
        {"setting": "classification", "tasks": last, "metrics": plan.setting.metrics_hash, "joint": method.joint},
        [*evaluations.values(), *trains],
        {
            "setting": "classification", "evaluations": evaluations, "trains": tuple(trains), "joint": method.joint,
            "note": note, "recognition": recognition, "options": options, "of": name,
        },
        f"{name} seed {seed}: score",
        (4, order),
    )  # fmt: skip
    return plan.keep(
        request, score=score, trains=trains, steps=touched, source=method.source_hash(),
        content=plan.whole_content(request.benchmark, tasks if _own_order(tasks, total) else ()),
    )  # fmt: skip


def _own_order(tasks: Sequence[ClassTask], total: int) -> bool:
    numbers = [number for task in tasks for number in task.numbers]
    return len(tasks) == total and numbers == list(range(len(numbers)))
