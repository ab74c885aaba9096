"""A cell of the customization setting as steps. Pure: no torch, no image is opened.

    real(j)            real images at the tier's resolution, to train on; and where a task has held-out ones, these,
                       too: X_{D,j}, which figures are measured against, comes with its VAE reconstructions
    prior(X)           class images of the pre-trained model, where a method asks for prior preservation
    train(i)           W_i and the token of task i; builds on train(i - 1), unless the method is independent
    merge(i)           W_i of what a learner made of each concept alone; builds on its train(i) and on merge(i - 1)
    generate(i, j)     X_{i,j}; builds on train(i) or merge(i) for the weights and on train(j) for the token
    compose(j, k)      both concepts in one prompt, by the model after the last task; shown, not scored
    features(...)      the extractor's features of any of these image sets
    score              every figure of the cell; builds on all features and trainings
    edit(N,j)          the concept in edited prompts, where a metric asks for them
    base(X), base(N,X) 'a photo of a X', without a token, by theta_0 and by theta_N, where a metric asks what was lost
    measure(metric)    what another metric says of the same images, where a run asks for it

Only X_{j,j} and X_{N,j} are generated, which is all that A_mmd and F_mmd need (2N - 1 sets), unless the full matrix is
asked for (N(N + 1)/2).
"""

from __future__ import annotations

from typing import Any

from harness.engine.plan import Cell, CellRequest, Composed, Plan
from harness.method import Method
from harness.plugins.method_checks import made, prior_images
from harness.prompts import composed_prompt
from harness.settings.customization.measure_plan import Drawn, Measures
from harness.spec import Sampling, Task
from harness.store.identity import content_of
from harness.store.store import key_of

COMPOSED = 8  # images of each prompt with two concepts: they are looked at, not measured


def add_cell(plan: Plan, request: CellRequest) -> Cell:
    """Plan one cell; steps that other cells have, too, are shared.

    With `request.full_matrix` X_{i,j} is generated for every i >= j, not only for j and N.
    """
    s, sampling = plan.context, plan.context.protocol_as(Sampling)
    benchmark, tasks, name, options = request.benchmark, request.tasks, request.name, request.options
    method, learner, seed, full_matrix = request.method, request.learner, request.seed, request.full_matrix
    touched: list[str] = []
    order = len(plan.cells)

    def add(*arguments: Any) -> str:
        key = plan.add(*arguments)
        touched.append(key)
        return key

    def features(images: str, label: str, priority: tuple[int, ...]) -> str:
        work = {"extractor": s.extractor}
        return add("features", {"extractor": s.extractor_hash}, [images], work, f"features of {label}", priority)

    def photographed(task: Task, of: str = "", *, reconstructed: bool = True) -> str:
        recipe = {"images": plan.concept(task), "resolution": s.tier.resolution, **plan.model()}
        recipe |= {} if reconstructed else {"reconstructed": False}
        return add("real", recipe, [], {"task": task}, f"real images of {task.name}{of}", (1, order, task.index))

    taught_from: list[str] = []  # of each task, what it is trained on
    real: list[str] = []  # and what it is measured against: X_{D,j}
    real_features: list[str] = []
    for task in tasks:
        if task.reference is None:
            real.append(photographed(task))
            taught_from.append(real[-1])
        else:
            apart = task.model_copy(update={"images": task.reference, "reference": None})
            real.append(photographed(apart, ", held out"))
            taught_from.append(photographed(task, ", to train on", reconstructed=False))
        real_features.append(features(real[-1], f"real {task.name}", (1, order, task.index)))

    def prior(category: str, count: int) -> str:
        few = sampling.model_copy(update={"images": count})
        recipe = {
            "sampling": few.model_dump(), "resolution": s.tier.resolution, **plan.model(),
            "category": category,
        }  # fmt: skip
        return add("prior", recipe, [], {}, f"{count} class images of '{category}'", (1, order))

    # whose weights hang on the prompt draws it itself
    drawn_by = name if method.for_prompt is not Method.for_prompt else None
    source = method.source_hash()
    if learner is not None:  # an edited learner makes another method of this one
        source = key_of({"source": source, "learner": learner.source_hash()})
    learner = method if learner is None else learner
    learner_options = learner.options_class.model_validate(
        {k: v for k, v in options.model_dump().items() if k in learner.options_class.model_fields}
    )
    taught = {
        "method": method.base_method or name, "source": learner.source_hash(),
        "options": learner_options.model_dump(mode="json"),
    }  # fmt: skip
    priors = prior_images(made(learner, learner_options))
    trains: list[str] = []
    for task in tasks:
        # the concept, not its place, seeds all draws: independent methods share trainings between benchmarks
        recipe = {
            **taught, **plan.model(), "seed": seed, "concept": plan.concept(task),
            "category": task.category,
        }  # fmt: skip
        # real(j) holds the images to learn from; the previous task's training holds W_{t-1}
        earlier = trains[-1] if trains and not learner.independent else None
        class_images = prior(task.category, priors) if priors else None
        parents = [taught_from[task.index - 1], *(key for key in (earlier, class_images) if key is not None)]
        work = {"task": task, "method": taught["method"], "weights": earlier, "prior": class_images}
        work["place"] = 1 if learner.independent else len(trains) + 1
        label = f"{taught['method']} seed {seed}: train task {task.index} ({task.name})"
        trains.append(add("train", recipe, parents, work, label, (0, task.index, order)))

    states = trains  # what holds W_i
    if method.base_method is not None:
        states = []
        merged = {"method": name, "source": method.source_hash(), "options": options.model_dump(mode="json")}
        for task, learnt in zip(tasks, trains, strict=True):
            earlier = states[-1] if states else None
            recipe = {**merged, **plan.model(), "category": task.category}
            work = {"task": task, "method": name, "weights": earlier, "place": len(states) + 1}
            label = f"{name} seed {seed}: merge task {task.index} ({task.name})"
            parents = [learnt] if earlier is None else [learnt, earlier]
            states.append(add("merge", recipe, parents, work, label, (0, task.index, order)))

    def generated(i: int, j: int) -> str:
        task = tasks[j - 1]
        use_category = options.category_word
        recipe = {
            "sampling": sampling.model_dump(), "resolution": s.tier.resolution, **plan.model(), "seed": seed,
            "concept": plan.concept(task), "category": task.category, "category_word": use_category,
            **({"for_prompt": True} if drawn_by else {}),
        }  # fmt: skip
        parents = [states[i - 1], trains[j - 1]]
        label = f"{name} seed {seed}: images of task {j} after task {i}"
        return add("generate", recipe, parents, {"task": task, "drawn_by": drawn_by}, label, (2, i, order, j))

    last = len(tasks)
    held_out = any(task.reference is not None for task in tasks)
    images: dict[tuple[int, int], str] = {}
    image_features: dict[tuple[int, int], str] = {}
    for j in range(1, last + 1):
        for i in range(j, last + 1) if full_matrix else sorted({j, last}):
            # what an independent method drew of a concept stays as it was
            images[i, j] = images[j, j] if method.independent and i > j else generated(i, j)
            label = f"{name} task {j} after task {i}"
            image_features[i, j] = features(images[i, j], label, (3, i, order, j))

    def composed(pair: tuple[int, int]) -> Composed:
        both = [tasks[j - 1] for j in pair]
        prompts = [
            composed_prompt(benchmark.composition, names, [t.category for t in both], options.category_word)
            for names in ([t.token for t in both], [f"V{j}" for j in pair])
        ]
        few = sampling.model_copy(update={"images": min(COMPOSED, sampling.images)})
        recipe = {
            "sampling": few.model_dump(), "resolution": s.tier.resolution, **plan.model(), "seed": seed,
            "concepts": [plan.concept(t) for t in both], "prompt": prompts[1], "independent": method.independent,
        }  # fmt: skip
        parents = [states[-1], *(trains[j - 1] for j in pair)]
        work = {"tokens": [t.token for t in both], "prompt": prompts[0], "drawn_by": drawn_by}
        key = add("compose", recipe, parents, work, f"{name} seed {seed}: {prompts[1]}", (3, last, order, last + 1))
        return Composed(prompts[1], pair, key)

    compositions = tuple(composed(pair) for pair in pairs(last)) if benchmark.composition else ()
    score = add(
        "score",
        {
            "tasks": last, "metrics": plan.setting.metrics_hash, "independent": method.independent,
            "full_matrix": full_matrix, **({"held_out": True} if held_out else {}),
        },
        [*real_features, *dict.fromkeys(image_features.values()), *states],
        {
            "real": real_features, "images": image_features, "trains": states, "extractor": s.extractor,
            "sampling": sampling, "independent": method.independent, "full_matrix": full_matrix, "of": name,
            "adapts": method.adapts,
            "trained_on": [len(task.images) for task in tasks] if held_out else [],
        },
        f"{name} seed {seed}: score",
        (4, order),
    )  # fmt: skip

    drawn = Drawn(real, real_features, trains, states, images, image_features, drawn_by)
    measures = Measures(plan, request, drawn, add, features)
    for named in request.metrics:
        measures.measure(named)
    contents = plan.contents(tasks)
    return plan.keep(
        request, score=score, trains=trains, steps=touched, source=source, content=content_of(contents),
        contents=contents, real=tuple(real), real_features=tuple(real_features), images=images,
        features=image_features, compositions=compositions, measures=measures.keys,
        plain=tuple(measures.plain.values()),
    )  # fmt: skip


def pairs(tasks: int) -> list[tuple[int, int]]:
    """Neighbouring concepts to draw together: the first two, two in the middle and the last two, as far as distinct."""
    firsts = sorted({1, (tasks + 1) // 2, tasks - 1})
    return [(j, j + 1) for j in firsts if 1 <= j < tasks]
