"""A run as cells, and cells as small graphs of steps with keys. Pure: no torch, no image is opened.

Which steps a cell is made of is its setting's: see `harness.settings`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from harness import registry
from harness.engine.budgets import inherited_budget
from harness.method import Method
from harness.settings.base import Setting
from harness.spec import Benchmark, Frozen, ImageSource, Options, SettingName, Task, Tier
from harness.store.identity import DIGITS, MadeBy, content_of, extractor_label, step_versions, task_content
from harness.store.store import key_of

P = TypeVar("P", bound=Frozen)


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
    nominal_seconds: float = 0.5  # where nothing better is known
    anywhere: bool = False  # whether it gives the same bytes on every device


@dataclass(frozen=True)
class Composed:
    """One prompt with several concepts, by their 1-based tasks, and the key of its images."""

    prompt: str
    tasks: tuple[int, ...]
    key: str


@dataclass(frozen=True)
class Plain:
    """One prompt without a custom token, and the keys of its images by theta_0 and by theta_N."""

    prompt: str
    before: str
    after: str


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
    steps: tuple[str, ...]  # keys of all its steps
    variant: str  # tells apart what options cannot: the method's source, checkpoints, device
    # where a setting draws pictures
    real: tuple[str, ...] = ()
    real_features: tuple[str, ...] = ()
    images: Mapping[tuple[int, int], str] = field(default_factory=dict)  # (i, j) -> X_{i,j}
    features: Mapping[tuple[int, int], str] = field(default_factory=dict)
    compositions: tuple[Composed, ...] = ()
    plain: tuple[Plain, ...] = ()  # where a metric that was asked for looks at them
    measures: Mapping[str, str] = field(default_factory=dict)  # name of a metric that was asked for -> key of its step
    protocol_changes: Mapping[str, Any] = field(default_factory=dict)  # sampling and dtype, where not the tier's
    order: int = 0
    base: str = ""
    setting: SettingName = "customization"
    content: str = ""  # of its tasks: images and category words, or whatever else tells them from others of the name
    contents: tuple[str, ...] = ()  # the same of each task, where a task is the same in every trial
    made_by: MadeBy = field(default_factory=MadeBy)
    inherited: tuple[str, ...] = ()  # see `harness.engine.budgets`
    called: str = ""  # what tables call it, where the user says so

    @property
    def name(self) -> str:
        """What the user calls the method."""
        return self.called or self.method

    @property
    def shown(self) -> tuple[str, ...]:
        """Keys of the pictures that a report shows."""
        return (*self.real, *self.images.values(), *(composed.key for composed in self.compositions))

    @property
    def beside(self) -> tuple[str, ...]:
        """Keys of what is asked for beside its figures: pictures, and other measures."""
        return (*self.shown, *self.measures.values())

    @property
    def partial(self) -> bool:
        """Whether only a prefix of the benchmark is run."""
        return len(self.tasks) < self.tasks_total

    @property
    def label(self) -> str:
        """The method's name, with what was changed from the tier's defaults in brackets.

        A name of the user's own stands for the options; what was changed in the protocol is said all the same.
        """
        changed = {**({} if self.called else self.options.changed(self.tier)), **self.protocol_changes}
        return self.name + (f" [{', '.join(f'{k}={v}' for k, v in sorted(changed.items()))}]" if changed else "")


@dataclass(frozen=True)
class CellRequest:
    """One cell as it is asked for.

    Attributes:
        tasks: Those to run, of `total` that the benchmark has.
        learner: What `method.base_method` names.
        full_matrix: Whether every task is looked at after every later one.
        given: The options that the user set.
        metrics: Measures beside the setting's own figures, by name.
        called: What tables call it, where the user says so.
    """

    benchmark: Benchmark
    tasks: Sequence[Any]
    total: int
    name: str
    method: type[Method[Any]]
    options: Any
    seed: int
    learner: type[Method[Any]] | None = None
    full_matrix: bool = False
    given: Sequence[str] = ()
    metrics: Sequence[str] = ()
    called: str = ""


@dataclass(frozen=True)
class RunContext:
    """What all cells of a run share."""

    tier: Tier
    protocol: Frozen  # the setting's: how images are drawn, or seen
    backbone: str
    backbone_name: str
    backbone_hash: str
    extractor: str  # of the metrics; empty in a setting that has none
    extractor_hash: str
    device_type: str
    dtype: str
    offline: bool = True
    compiled: bool = False
    gradient_checkpointing: bool = False  # no part of any key: the same sums in less memory
    cautions: tuple[str, ...] = ()  # sentences for a run's owner and for readers of its tables
    setting: SettingName = "customization"
    backwards: bool = False  # `attach` gives its adapters last one first: to see whether a method hangs on their order

    @property
    def said(self) -> str:
        """'backbone stable-diffusion-mini, cpu, float32; sampler: DDIM, 8 steps, ...': what a plan says of it."""
        protocol = registry.setting(self.setting).said(self.protocol)
        model = f"backbone {self.backbone_name}, {self.device_type}, {self.dtype}"
        return f"{model}; {protocol}" if protocol else model

    def protocol_as(self, kind: type[P]) -> P:
        """The protocol, known to be of its setting's class."""
        if not isinstance(self.protocol, kind):
            raise TypeError(f"the setting {self.setting} has another protocol than {kind.__name__}")
        return self.protocol

    def changes(self) -> dict[str, Any]:
        """Options of the protocol and dtype that differ from the tier's."""
        setting = registry.setting(self.setting)
        usual, own = setting.protocol(self.tier), self.protocol  # a dump may leave out what is at its default
        changed = [k for k in type(own).model_fields if getattr(own, k) != getattr(usual, k)]
        return {
            **{f"{setting.protocol_name}.{k}": getattr(own, k) for k in changed},
            **({} if self.dtype == self.tier.dtype else {"dtype": self.dtype}),
            **({"compiled": True} if self.compiled else {}),
        }


@dataclass
class Plan:
    """Cells of one benchmark, and every step they need, by key, parents before children."""

    context: RunContext
    cells: list[Cell] = field(default_factory=list)
    steps: dict[str, Step] = field(default_factory=dict)
    _concepts: dict[int, tuple[ImageSource, str]] = field(default_factory=dict, repr=False)  # kept: ids are reused
    _contents: dict[str, str] = field(default_factory=dict, repr=False)

    @cached_property
    def setting(self) -> Setting:
        """The setting of its benchmark."""
        return registry.setting(self.context.setting)

    def add_cell(self, request: CellRequest) -> Cell:
        """Plan one cell; steps that other cells have, too, are shared."""
        return self.setting.add_cell(self, request)

    def keep(
        self, request: CellRequest, *, score: str, trains: Sequence[str], steps: Iterable[str], source: str,
        content: str, contents: Sequence[str] = (), **drawn: Any,
    ) -> Cell:  # fmt: skip
        """Add a cell whose steps are planned: what settings call at the end of `add_cell`.

        Args:
            score: The key of its figures. trains: those of its trainings. steps: those of all its steps.
            source: Hash of all method code that it is made by.
            content: What its tasks are, see `contents` and `whole_content`. contents: the same of each task.
            drawn: What `Cell` holds of pictures, where the setting draws any.
        """
        s, benchmark, options = self.context, request.benchmark, request.options
        steps = tuple(dict.fromkeys(steps))
        code = {"source": source, "metrics": self.setting.metrics_hash, **self.model()}
        if s.extractor_hash:
            code["extractor"] = s.extractor_hash
        cell = Cell(
            benchmark=benchmark.name, title=benchmark.title, tier=s.tier.name, backbone=s.backbone_name,
            method=request.name, options=options, seed=request.seed, tasks=tuple(request.tasks),
            tasks_total=request.total, score=score, trains=tuple(trains), steps=steps, variant=key_of(code)[:12],
            protocol_changes=s.changes(), order=benchmark.order, base=benchmark.base, setting=s.setting,
            content=content, contents=tuple(contents), made_by=self.made_by(source, steps),
            inherited=inherited_budget(options, s.tier.name, self.setting.budget, request.given),
            called=request.called, **drawn,
        )  # fmt: skip
        self.cells.append(cell)
        return cell

    def add(
        self, kind: str, recipe: Mapping[str, Any], parents: Iterable[str], work: Mapping[str, Any], label: str,
        priority: tuple[int, ...],
    ) -> str:  # fmt: skip
        """A step, unless there is one with the same recipe; gives its key."""
        parents = tuple(parents)
        of = self.setting.step_kinds[kind]
        recipe = {"kind": kind, "version": of.version, **recipe, "parents": list(parents)}
        key = key_of(recipe)
        if key not in self.steps:
            nominal = of.nominal_seconds(recipe)
            self.steps[key] = Step(key, kind, recipe, parents, work, label, priority, nominal, of.anywhere)
        return key

    def concept(self, task: Task) -> str:
        """The fingerprint of a task's training images."""
        return self.fingerprint(task.images)

    def fingerprint(self, images: ImageSource) -> str:
        """The fingerprint of some images, taken once for all cells: files are read for it."""
        known = self._concepts.get(id(images))  # not by number: a class order gives a number to other classes
        if known is None:
            known = self._concepts[id(images)] = (images, images.fingerprint())
        return known[1]

    def contents(self, tasks: Iterable[Task]) -> tuple[str, ...]:
        """What each task is: its images, those held out of training, if any, and its category word."""
        return tuple(
            task_content(
                self.concept(task), task.category, "" if task.reference is None else self.fingerprint(task.reference)
            )
            for task in tasks
        )

    def whole_content(self, benchmark: Benchmark, own: Sequence[Task]) -> str:
        """What all tasks of a benchmark are, in its own order, whichever of them are run, and in whichever order.

        Args:
            own: all tasks in that order, where they are at hand; else none.
        """
        if benchmark.name not in self._contents:
            tasks = own or benchmark.sources[self.context.tier.name].tasks()
            self._contents[benchmark.name] = content_of(self.contents(tasks))
        return self._contents[benchmark.name]

    def made_by(self, source: str, steps: Iterable[str]) -> MadeBy:
        """By what a cell is made.

        Args:
            source: hash of the method's source. steps: the keys of the steps that its figures come from.
        """
        s, kinds = self.context, {self.steps[key].kind for key in steps}
        made = [(kind, of.version) for kind, of in self.setting.step_kinds.items() if kind in kinds and not of.shown]
        return MadeBy(
            source=source[:DIGITS], metrics=self.setting.metrics_hash[:DIGITS], device=s.device_type, dtype=s.dtype,
            steps=step_versions(made), backbone=s.backbone_hash[:DIGITS],
            extractor=s.extractor_hash[:DIGITS], extractor_name=extractor_label(s.extractor) if s.extractor else "",
        )  # fmt: skip

    def model(self) -> dict[str, Any]:
        """What made weights and images, beside method and options."""
        s = self.context
        made_by = {"backbone": s.backbone_hash, "device": s.device_type, "dtype": s.dtype}
        return {**made_by, "compiled": True} if s.compiled else made_by  # compiled code rounds in ways of its own
