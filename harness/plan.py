"""A run as cells, and cells as small graphs of steps with keys. Pure: no torch, no image is opened.

    real(j)            the real images X_{D,j} at the tier's resolution, and their VAE reconstructions
    prior(X)           class images of the pre-trained model, where a method asks for prior preservation
    train(i)           W_i and the token of task i; builds on train(i - 1), unless the method is independent
    merge(i)           W_i of what a learner made of each concept alone; builds on its train(i) and on merge(i - 1)
    generate(i, j)     X_{i,j}; builds on train(i) or merge(i) for the weights and on train(j) for the token
    compose(j, k)      both concepts in one prompt, by the model after the last task; shown, not scored
    features(...)      the extractor's features of any of these image sets
    score              every figure of the cell; builds on all features and trainings

Only X_{j,j} and X_{N,j} are generated, which is all that A_mmd and F_mmd need (2N - 1 sets), unless the full matrix is
asked for (N(N + 1)/2).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from harness.budgets import inherited_budget
from harness.identity import DIGITS, MadeBy, content_of, extractor_label, step_versions, task_content
from harness.method import Method
from harness.method_checks import made, prior_images
from harness.prompts import composed_prompt
from harness.spec import Benchmark, ImageSource, MethodOptions, Options, Recognition, Sampling, SettingName, Task, Tier
from harness.store import key_of

# Raise a step's version when its code changes what it writes.
VERSIONS = {
    "real": 2, "prior": 2, "train": 5, "merge": 2, "generate": 3, "compose": 2, "features": 1, "evaluate": 1,
    "score": 3,
}  # fmt: skip

COMPOSED = 8  # images of each prompt with two concepts: they are looked at, not measured
# modules of harness.metrics that a score is made with
SCORING: Mapping[SettingName, tuple[str, ...]] = {
    "customization": ("mmd", "scores", "interference"), "classification": ("accuracy", "scores", "interference"),
}  # fmt: skip


@cache
def metrics_hash(setting: SettingName = "customization") -> str:
    """Hash of the metrics' source: scoring is cheap, and an edited metric must score anew."""
    digest = hashlib.sha256()
    for name in SCORING[setting]:
        digest.update((Path(__file__).parent / "metrics" / f"{name}.py").read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Step:
    """One unit of work. `recipe` is hashed into `key`; `work` is what a worker needs beyond it."""

    key: str
    kind: str
    recipe: Mapping[str, Any]
    parents: tuple[str, ...]
    work: Mapping[str, Any] = field(repr=False)
    label: str = ""
    priority: tuple[int, ...] = ()


@dataclass(frozen=True)
class Composed:
    """One prompt with several concepts, by their 1-based tasks, and the key of its images."""

    prompt: str
    tasks: tuple[int, ...]
    key: str


@dataclass(frozen=True)
class Cell:
    """(benchmark, tier, backbone, method, seed), with the keys of its steps."""

    benchmark: str
    title: str
    tier: str
    backbone: str
    method: str
    options: Options
    seed: int
    tasks: tuple[Task, ...]
    tasks_total: int
    score: str
    trains: tuple[str, ...]  # of the tasks, as learnt (before any merging); of a joint method one for all
    real: tuple[str, ...]
    real_features: tuple[str, ...]
    images: Mapping[tuple[int, int], str]  # (i, j) -> X_{i,j}
    features: Mapping[tuple[int, int], str]
    compositions: tuple[Composed, ...]
    steps: tuple[str, ...]  # keys of all its steps
    variant: str  # tells apart what options cannot: the method's source, checkpoints, device
    protocol_changes: Mapping[str, Any] = field(default_factory=dict)  # sampling and dtype, where not the tier's
    order: int = 0
    base: str = ""
    setting: SettingName = "customization"  # where it is classification, there are no images and no features
    content: str = ""  # of its tasks: images and category words; in classification of all classes, in any order
    contents: tuple[str, ...] = ()  # the same of each task; empty in classification
    made_by: MadeBy = field(default_factory=MadeBy)
    inherited: tuple[str, ...] = ()  # see `harness.budgets`

    @property
    def shown(self) -> tuple[str, ...]:
        """Keys of the pictures that a report shows."""
        return (*self.real, *self.images.values(), *(composed.key for composed in self.compositions))

    @property
    def partial(self) -> bool:
        """Whether only a prefix of the benchmark is run."""
        return len(self.tasks) < self.tasks_total

    @property
    def label(self) -> str:
        """The method's name, with what was changed from the tier's defaults in brackets."""
        changed = {**self.options.changed(self.tier), **self.protocol_changes}
        return self.method + (f" [{', '.join(f'{k}={v}' for k, v in sorted(changed.items()))}]" if changed else "")


@dataclass(frozen=True)
class Setting:
    """What all cells of a run share."""

    tier: Tier
    sampling: Sampling
    backbone: str
    backbone_name: str
    backbone_hash: str
    extractor: str
    extractor_hash: str
    device_type: str
    dtype: str
    offline: bool = True
    compiled: bool = False
    recognition: Recognition | None = None  # of the classification setting, which knows no sampling and no extractor
    cautions: tuple[str, ...] = ()  # sentences for a run's owner and for readers of its tables

    def changes(self) -> dict[str, Any]:
        """Options of the protocol and dtype that differ from the tier's."""
        usual = self.tier.sampling.model_dump()
        changed = {f"sampling.{k}": v for k, v in self.sampling.model_dump().items() if v != usual[k]}
        if self.recognition is not None:
            usual = self.tier.recognition.model_dump()
            changed = {f"recognition.{k}": v for k, v in self.recognition.model_dump().items() if v != usual[k]}
        return {
            **changed,
            **({} if self.dtype == self.tier.dtype else {"dtype": self.dtype}),
            **({"compiled": True} if self.compiled else {}),
        }


@dataclass
class Plan:
    """Cells of one benchmark, and every step they need, by key, parents before children."""

    setting: Setting
    cells: list[Cell] = field(default_factory=list)
    steps: dict[str, Step] = field(default_factory=dict)
    _concepts: dict[int, tuple[ImageSource, str]] = field(default_factory=dict, repr=False)  # kept: ids are reused
    _contents: dict[str, str] = field(default_factory=dict, repr=False)

    def add(
        self, kind: str, recipe: Mapping[str, Any], parents: Iterable[str], work: Mapping[str, Any], label: str,
        priority: tuple[int, ...],
    ) -> str:  # fmt: skip
        """A step, unless there is one with the same recipe; gives its key."""
        parents = tuple(parents)
        recipe = {"kind": kind, "version": VERSIONS[kind], **recipe, "parents": list(parents)}
        key = key_of(recipe)
        if key not in self.steps:
            self.steps[key] = Step(key, kind, recipe, parents, work, label, priority)
        return key

    def concept(self, task: Task) -> str:
        """The fingerprint of a task's images, taken once for all cells: files are read for it."""
        known = self._concepts.get(id(task.images))  # not by number: a class order gives a number to other classes
        if known is None:
            known = self._concepts[id(task.images)] = (task.images, task.images.fingerprint())
        return known[1]

    def contents(self, tasks: Iterable[Task]) -> tuple[str, ...]:
        """What each task is: its images and its category word."""
        return tuple(task_content(self.concept(task), task.category) for task in tasks)

    def whole_content(self, benchmark: Benchmark, own: Sequence[Task]) -> str:
        """What all tasks of a benchmark are, in its own order, whichever of them are run, and in whichever order.

        Args:
            own: all tasks in that order, where they are at hand; else none.
        """
        if benchmark.name not in self._contents:
            tasks = own or benchmark.sources[self.setting.tier.name].tasks()
            self._contents[benchmark.name] = content_of(self.contents(tasks))
        return self._contents[benchmark.name]

    def made_by(self, source: str, setting: SettingName, steps: Iterable[str]) -> MadeBy:
        """By what a cell is made.

        Args:
            source: hash of the method's source. steps: the keys of the steps that its figures come from.
        """
        s = self.setting
        kinds = {self.steps[key].kind for key in steps} - {"compose"}  # looked at, not measured
        return MadeBy(
            source=source[:DIGITS], metrics=metrics_hash(setting)[:DIGITS], device=s.device_type, dtype=s.dtype,
            steps=step_versions((kind, VERSIONS[kind]) for kind in kinds), backbone=s.backbone_hash[:DIGITS],
            extractor=s.extractor_hash[:DIGITS], extractor_name=extractor_label(s.extractor) if s.extractor else "",
        )  # fmt: skip

    def model(self) -> dict[str, Any]:
        """What made weights and images, beside method and options."""
        s = self.setting
        made_by = {"backbone": s.backbone_hash, "device": s.device_type, "dtype": s.dtype}
        return {**made_by, "compiled": True} if s.compiled else made_by  # compiled code rounds in ways of its own

    def _features(self, images: str, label: str, priority: tuple[int, ...]) -> str:
        s = self.setting
        return self.add(
            "features", {"extractor": s.extractor_hash}, [images], {"extractor": s.extractor}, f"features of {label}",
            priority,
        )  # fmt: skip

    def add_cell(
        self, benchmark: Benchmark, tasks: Sequence[Task], total: int, name: str, method: type[Method[Any]],
        options: MethodOptions, seed: int, learner: type[Method[Any]] | None = None, full_matrix: bool = False,
        given: Iterable[str] = (),
    ) -> Cell:  # fmt: skip
        """Plan one cell; steps that other cells have, too, are shared.

        Args:
            learner: what `method.learner` names.
            full_matrix: whether to generate X_{i,j} for every i >= j, not only for j and N.
            given: the options that the user set.
        """
        s = self.setting
        touched: list[str] = []
        order = len(self.cells)

        def add(*arguments: Any) -> str:
            key = self.add(*arguments)
            touched.append(key)
            return key

        def features(*arguments: Any) -> str:
            key = self._features(*arguments)
            touched.append(key)
            return key

        real: list[str] = []
        real_features: list[str] = []
        for task in tasks:
            recipe = {"images": self.concept(task), "resolution": s.tier.resolution, **self.model()}
            real.append(add("real", recipe, [], {"task": task}, f"real images of {task.name}", (1, order, task.index)))
            real_features.append(features(real[-1], f"real {task.name}", (1, order, task.index)))

        def prior(category: str, count: int) -> str:
            sampling = s.sampling.model_copy(update={"images": count})
            recipe = {
                "sampling": sampling.model_dump(), "resolution": s.tier.resolution, **self.model(),
                "category": category,
            }  # fmt: skip
            return add("prior", recipe, [], {}, f"{count} class images of '{category}'", (1, order))

        source = method.source_hash()
        if learner is not None:  # an edited learner makes another method of this one
            source = key_of({"source": source, "learner": learner.source_hash()})
        learner = method if learner is None else learner
        learner_options = learner.options_class.model_validate(
            {k: v for k, v in options.model_dump().items() if k in learner.options_class.model_fields}
        )
        taught = {
            "method": method.learner or name, "source": learner.source_hash(),
            "options": learner_options.model_dump(mode="json"),
        }  # fmt: skip
        priors = prior_images(made(learner, learner_options))
        trains: list[str] = []
        for task in tasks:
            # the concept, not its place, seeds all draws: independent methods share trainings between benchmarks
            recipe = {
                **taught, **self.model(), "seed": seed, "concept": self.concept(task),
                "category": task.category,
            }  # fmt: skip
            # real(j) holds the images to learn from; the previous task's training holds W_{t-1}
            earlier = trains[-1] if trains and not learner.independent else None
            class_images = prior(task.category, priors) if priors else None
            parents = [real[task.index - 1], *(key for key in (earlier, class_images) if key is not None)]
            work = {"task": task, "method": taught["method"], "weights": earlier, "prior": class_images}
            label = f"{taught['method']} seed {seed}: train task {task.index} ({task.name})"
            trains.append(add("train", recipe, parents, work, label, (0, task.index, order)))

        states = trains  # what holds W_i
        if method.learner is not None:
            states = []
            merged = {"method": name, "source": method.source_hash(), "options": options.model_dump(mode="json")}
            for task, learnt in zip(tasks, trains, strict=True):
                earlier = states[-1] if states else None
                recipe = {**merged, **self.model(), "category": task.category}
                work = {"task": task, "method": name, "weights": earlier}
                label = f"{name} seed {seed}: merge task {task.index} ({task.name})"
                parents = [learnt] if earlier is None else [learnt, earlier]
                states.append(add("merge", recipe, parents, work, label, (0, task.index, order)))

        def generated(i: int, j: int) -> str:
            task = tasks[j - 1]
            use_category = options.category_word
            recipe = {
                "sampling": s.sampling.model_dump(), "resolution": s.tier.resolution, **self.model(), "seed": seed,
                "concept": self.concept(task), "category": task.category, "category_word": use_category,
            }  # fmt: skip
            parents = [states[i - 1], trains[j - 1]]
            label = f"{name} seed {seed}: images of task {j} after task {i}"
            return add("generate", recipe, parents, {"task": task}, label, (2, i, order, j))

        last = len(tasks)
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
            sampling = s.sampling.model_copy(update={"images": min(COMPOSED, s.sampling.images)})
            recipe = {
                "sampling": sampling.model_dump(), "resolution": s.tier.resolution, **self.model(), "seed": seed,
                "concepts": [self.concept(t) for t in both], "prompt": prompts[1], "independent": method.independent,
            }  # fmt: skip
            parents = [states[-1], *(trains[j - 1] for j in pair)]
            work = {"tokens": [t.token for t in both], "prompt": prompts[0]}
            key = add("compose", recipe, parents, work, f"{name} seed {seed}: {prompts[1]}", (3, last, order, last + 1))
            return Composed(prompts[1], pair, key)

        compositions = tuple(composed(pair) for pair in pairs(last)) if benchmark.composition else ()
        score = add(
            "score",
            {
                "tasks": last, "metrics": metrics_hash(), "independent": method.independent,
                "full_matrix": full_matrix,
            },
            [*real_features, *dict.fromkeys(image_features.values()), *states],
            {
                "real": real_features, "images": image_features, "trains": states, "extractor": s.extractor,
                "sampling": s.sampling, "independent": method.independent, "full_matrix": full_matrix,
            },
            f"{name} seed {seed}: score",
            (4, order),
        )  # fmt: skip
        contents = self.contents(tasks)
        code = {
            "source": source,
            "extractor": s.extractor_hash,
            "metrics": metrics_hash(),
            **self.model(),
        }
        cell = Cell(
            benchmark=benchmark.name, title=benchmark.title, tier=s.tier.name, backbone=s.backbone_name, method=name,
            options=options, seed=seed, tasks=tuple(tasks), tasks_total=total, score=score, trains=tuple(trains),
            real=tuple(real), real_features=tuple(real_features), images=images, features=image_features,
            compositions=compositions, steps=tuple(dict.fromkeys(touched)), variant=key_of(code)[:12],
            protocol_changes=s.changes(), order=benchmark.order, base=benchmark.base,
            content=content_of(contents), contents=contents, made_by=self.made_by(source, "customization", touched),
            inherited=inherited_budget(options, s.tier.name, "customization", given),
        )  # fmt: skip
        self.cells.append(cell)
        return cell


def pairs(tasks: int) -> list[tuple[int, int]]:
    """Neighbouring concepts to draw together: the first two, two in the middle and the last two, as far as distinct."""
    firsts = sorted({1, (tasks + 1) // 2, tasks - 1})
    return [(j, j + 1) for j in firsts if 1 <= j < tasks]
