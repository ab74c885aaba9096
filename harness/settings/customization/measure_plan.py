"""The steps of the metrics that a run asks for beside its score: what they look at, and what must be drawn for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness import registry
from harness.engine.plan import CellRequest, Plain, Plan
from harness.errors import UsageError
from harness.metric import Metric
from harness.plugins.metric_checks import of_base
from harness.prompts import class_prompt, prompt_for
from harness.spec import Known, Sampling, Task


@dataclass(frozen=True)
class Drawn:
    """Keys of a cell's other steps: of each task's real images and training, of W_i, and of X_{i,j}, with features.

    `drawn_by`: the method whose weights hang on the prompt, if it is such a one.
    """

    real: Sequence[str]
    real_features: Sequence[str]
    trains: Sequence[str]
    states: Sequence[str]
    images: Mapping[tuple[int, int], str]
    features: Mapping[tuple[int, int], str]
    drawn_by: str | None


@dataclass
class Measures:
    """Plans `measure` steps of one cell.

    Attributes:
        add: As `Plan.add`. features: (key of images, label, priority) -> key of their features.
        keys: Name of a metric -> key of its step. plain: the prompts without a token that were drawn, by prompt.
    """

    plan: Plan
    request: CellRequest
    drawn: Drawn
    add: Callable[..., str]
    features: Callable[[str, str, tuple[int, ...]], str]
    keys: dict[str, str] = field(default_factory=dict)
    plain: dict[str, Plain] = field(default_factory=dict)

    def measure(self, named: str) -> None:
        """Plan one metric.

        Raises:
            UsageError: the benchmark lacks what it needs.
        """
        metric = registry.metric(named)
        work: dict[str, Any] = {"metric": named, "base": [], "edits": []}
        if of_base(metric):
            work["base"], parents = self._base()
        else:
            tasks = self.request.tasks
            work["real"] = list(zip(self.drawn.real, self.drawn.real_features, strict=True))
            work["tasks"] = [(task.index, task.name, task.category) for task in tasks]
            work["truth"] = self._truth(metric)
            word = self.request.options.category_word
            work["prompts"] = [prompt_for("V*", task.category, word) for task in tasks]
            if metric.edited:
                work["edits"], parents = self._edits(metric)
            else:
                work["images"], parents = self._own()
            parents = [*self.drawn.real, *self.drawn.real_features, *parents]
        engine = self.plan.setting.measuring_hash
        recipe = {"metric": metric.name, "source": metric.source_hash(), "engine": engine}
        label = f"{self._called}: {metric.name}"
        self.keys[metric.name] = self.add("measure", recipe, parents, work, label, (4, self._order))

    @property
    def _called(self) -> str:
        return f"{self.request.name} seed {self.request.seed}"

    @property
    def _order(self) -> int:
        return len(self.plan.cells)

    def _own(self) -> tuple[dict[tuple[int, int], tuple[str, str]], list[str]]:
        """X_{j,j} and X_{N,j} with their features, and all keys, those of images first."""
        last, d = len(self.request.tasks), self.drawn
        places = sorted({place for j in range(1, last + 1) for place in ((j, j), (last, j))})
        parents = [key for keys in (d.images, d.features) for key in dict.fromkeys(keys[place] for place in places)]
        return {place: (d.images[place], d.features[place]) for place in places}, parents

    def _truth(self, metric: type[Metric]) -> list[Known | None]:
        if "truth" not in metric.needs:
            return [None for _ in self.request.tasks]
        found = [task.images for task in self.request.tasks if isinstance(task.images, Known)]
        if len(found) < len(self.request.tasks):
            raise UsageError(
                f"The metric '{metric.name}' needs to know what each concept is, which "
                f"'{self.request.benchmark.name}' does not tell; leave it out of --metrics."
            )
        return list(found)

    def _base(self) -> tuple[list[tuple[str, tuple[str, str], tuple[str, str]]], list[str]]:
        """Of each category word's prompt the images by theta_0 and by theta_N, with features; and all keys."""
        last = len(self.request.tasks)
        found: list[tuple[str, tuple[str, str], tuple[str, str]]] = []
        for category in dict.fromkeys(task.category for task in self.request.tasks):
            prompt = class_prompt(category)
            recipe = {**self._sampled(), "category": category}
            priority = (3, last, self._order, last + 2)
            before = self._with_features("base", recipe, [], {}, f"'{prompt}' by the base model", priority)
            label = f"'{prompt}' by {self._called} after task {last}"
            work = {"drawn_by": self.drawn.drawn_by}
            after = self._with_features("base", recipe, [self.drawn.states[-1]], work, label, priority)
            self.plain[prompt] = Plain(prompt, before[0], after[0])
            found.append((prompt, before, after))
        return found, list(dict.fromkeys(key for _, *sets in found for keys in sets for key in keys))

    def _edits(self, metric: type[Metric]) -> tuple[list[list[tuple[str, str, str]]], list[str]]:
        """Of each task its edits, with the keys of images and features; and all keys."""
        edits = self.request.benchmark.edits
        found = [
            [(edit, *self._edited(task, edit, len(own))) for edit in own]
            for task in self.request.tasks
            for own in [edits.get(task.category, edits.get("", ()))]
        ]
        if not all(found):
            raise UsageError(
                f"The metric '{metric.name}' is of edited prompts, and '{self.request.benchmark.name}' has none; leave "
                "it out of --metrics."
            )
        return found, [key for each in found for _, *keys in each for key in keys]

    def _edited(self, task: Task, edit: str, edits: int) -> tuple[str, str]:
        request, d, last = self.request, self.drawn, len(self.request.tasks)
        # of all edits together half as many images as of the task's own prompt
        count = max(2, self.plan.context.protocol_as(Sampling).images // (2 * edits))
        recipe = {
            **self._sampled(count), "seed": request.seed, "edit": edit, "concept": self.plan.concept(task),
            "category": task.category, "category_word": request.options.category_word,
        }  # fmt: skip
        state = d.states[task.index - 1 if request.method.independent else -1]
        label = f"{self._called}: images of task {task.index} {edit}"
        parents = [state, d.trains[task.index - 1]]
        work = {"task": task, "drawn_by": d.drawn_by}
        return self._with_features("edit", recipe, parents, work, label, (3, last, self._order, last + 3))

    def _sampled(self, images: int | None = None) -> dict[str, Any]:
        sampling = self.plan.context.protocol_as(Sampling)
        few = sampling if images is None else sampling.model_copy(update={"images": images})
        resolution = self.plan.context.tier.resolution
        return {"sampling": few.model_dump(), "resolution": resolution, **self.plan.model()}

    def _with_features(
        self, kind: str, recipe: Mapping[str, Any], parents: Sequence[str], work: Mapping[str, Any], label: str,
        priority: tuple[int, ...],
    ) -> tuple[str, str]:  # fmt: skip
        key = self.add(kind, recipe, parents, work, label, priority)
        return key, self.features(key, label, priority)
