"""The interface behind which settings differ: planning, running, storing, tuning and reporting know none by name.

A setting is a plugin: a class derived from `Setting`, registered by an entry point in the group
`stamina_bench.settings`. Its methods are those of the group `stamina_bench.methods.NAME`, and its benchmarks say its
name. Importing this module imports no torch.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import ValidationError

from harness.errors import UsageError, unknown
from harness.settings.presentation import Column, Presentation

if TYPE_CHECKING:
    from harness.backbones.hashes import Fingerprints
    from harness.data.selection import Watch
    from harness.data.skipped_files import Refusals
    from harness.engine.plan import Cell, CellRequest, Plan, RunContext, Step
    from harness.method import Method
    from harness.spec import Benchmark, Frozen, Options, RunSpec, Task, Tier

METRICS = Path(__file__).parent.parent / "metrics"


def _one(recipe: Mapping[str, Any]) -> float:
    return 1.0


def _hash(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class StepKind:
    """One kind of step.

    Attributes:
        run: What makes it, as 'module:function'. It is called with (step, context, store, device, folder), leaves its
            files in the folder, and returns facts for the manifest.
        version: Raised whenever its code changes what it writes.
        seconds: Nominal seconds at the mini tier, on one core of a 2025 server, of `nominal` units of work.
        megabytes: Nominal size of what it leaves.
        units: How much work a recipe is, such as images times sampling steps.
        chained: Whether it belongs to a chain of trainings, each of which waits for the one before.
        scoring: Whether it only measures what is there: `stamina-bench score` makes it again.
        shown: Whether it makes pictures to look at, which no figure comes from.
        anywhere: Whether it gives the same bytes on every device.
        named: Whether a run's file names it by key; else it serves only what comes after it.
        of_no_concept: Whether it shows no concept of a benchmark, and is kept by what builds on it.
    """

    run: str
    version: int
    seconds: float = 0.5
    megabytes: float = 0.1
    units: Callable[[Mapping[str, Any]], float] = _one
    nominal: float = 1.0
    chained: bool = False
    scoring: bool = False
    shown: bool = False
    anywhere: bool = False
    named: bool = True
    of_no_concept: bool = False

    def function(self) -> Callable[..., Mapping[str, Any]]:
        """What makes it, imported now."""
        module, _, name = self.run.partition(":")
        found: Callable[..., Mapping[str, Any]] = getattr(import_module(module), name)
        return found

    def nominal_seconds(self, recipe: Mapping[str, Any]) -> float:
        """Seconds of a step of that size, where nothing better is known."""
        return self.seconds * self.units(recipe) / self.nominal


@dataclass(frozen=True)
class ModelPart:
    """One model that a tier needs.

    Attributes:
        kind: What it is, as in 'backbone'. source: a folder or a hub id.
        look: Gives in words what it is, from its source, or raises `UsageError`.
        waits: Whether it is looked for only once all before it are there, unless it is a folder.
    """

    kind: str
    source: str
    look: Callable[[str], str]
    waits: bool = False


class StepCounts(Protocol):
    """What steps cost, whatever the machine's speed."""

    def flop(self, step: Step) -> float:
        """Of a step of the plan; 0 where it is not counted."""
        ...

    def megabytes(self, step: Step) -> float:
        """What it leaves on disk."""
        ...

    def flop_of(self, kind: str, recipe: Mapping[str, Any]) -> float:
        """Of a finished step, of which only the recipe is known; 0 where that does not tell."""
        ...


@dataclass(frozen=True)
class Rehearsed:
    """How a training ended.

    Attributes:
        loss: Without penalties, of what was learnt. penalties: their values in the last step, weighted.
    """

    loss: float
    penalties: Mapping[str, float]


class Rehearsal(Protocol):
    """Two tasks of a method, trained again and again with other options."""

    def teach(self, number: int, options: Any, before: Any, draw: int = 0) -> Rehearsed:
        """Train task 1 with `options`, or task 2, after task 1 with the options `before`; `draw` has noise of its own.

        Raises:
            BenchError: a loss is not finite, or a method's code is at fault.
        """
        ...


@dataclass(frozen=True)
class Given:
    """What `Setting.context` makes the context of a run of.

    Attributes:
        tier: The tier as registered.
        folder: The backbone's folder. `backbone_name` is what tables call it, `backbone_hash` of its files.
        device_type: 'cpu' or 'cuda'.
        cautions: What the run's owner and readers of its tables must know, in whole sentences.
    """

    spec: RunSpec
    tier: Tier
    benchmark: Benchmark
    folder: Path
    backbone_name: str
    backbone_hash: str
    device_type: str
    fingerprints: Fingerprints
    cautions: tuple[str, ...]


class Setting(ABC):
    """What all benchmarks and methods of one setting have in common.

    Class attributes:
        name: As benchmarks and `--setting` say it. order: where it stands in listings, lowest first.
        base_options: What the options of its methods derive from.
        budget: The options that say how much a task is trained, most telling first.
        default_methods: What `run` takes when no method is named.
        method_group: The group of its methods' entry points; by default `stamina_bench.methods.NAME`.
        protocol_name, protocol_class: How `--set NAME.key=value` calls the options of the protocol, and their class.
        headline: The metrics that progress, tuning and the page's first table lead with: how well, how much was lost.
        headline_names, headline_unit: How progress prints them, and in which unit (rows are not converted).
        step_kinds: Kind -> what makes such steps.
        preload: The module that a worker imports before its first step.
        scoring_modules: The files that figures are computed by; an edit of one makes scores anew. measuring_modules:
            the same of what makes figures of a plugin metric's answers.
        criterion: What tuning goes by, in words. trial_metrics: the metrics that it records of a trial; it goes by the
            first of them alone.
        space_size, trial_budget: Settings in every built-in method's search space before any range is widened, and how
            many settings are tried of each method, widened ranges or not.
        verified: The metrics that `verify` judges; those with a direction may not get worse. states: those that may
            not move at all. exact: of these, counts that no seed moves.
        bare_loss: What a task is trained on where a method adds nothing. end_of_task: what happens after a training.
        tuned_folder: Where records of tunings lie, beside the methods.
        quick_benchmark, quick_options, quick_protocol: Tasks, and the options of a method and of the protocol by which
            one is learnt and measured in a second or two, to see whether a method works at all.
        draws: Whether its models draw images, so that there are pictures to show and pipelines to export.
        extracts: Whether its figures are made with a feature extractor (`--extractor`).
        measures: Whether its images can be measured by metrics that a run names (`--metrics`).
    """

    name: ClassVar[str]
    order: ClassVar[int] = 10
    base_options: ClassVar[type[Options]]
    budget: ClassVar[tuple[str, ...]]
    default_methods: ClassVar[tuple[str, ...]] = ()
    method_group: ClassVar[str] = ""
    protocol_name: ClassVar[str]
    protocol_class: ClassVar[type[Frozen]]
    headline: ClassVar[tuple[str, str]]
    headline_names: ClassVar[tuple[str, str]]
    headline_unit: ClassVar[str]
    step_kinds: ClassVar[Mapping[str, StepKind]]
    preload: ClassVar[str] = "harness.engine.worker"
    scoring_modules: ClassVar[tuple[Path, ...]]
    measuring_modules: ClassVar[tuple[Path, ...]] = ()
    criterion: ClassVar[str]
    trial_metrics: ClassVar[tuple[str, ...]]
    space_size: ClassVar[int] = 6
    trial_budget: ClassVar[int] = 6
    verified: ClassVar[tuple[str, ...]] = ()
    states: ClassVar[tuple[str, ...]] = ()
    exact: ClassVar[tuple[str, ...]] = ()
    bare_loss: ClassVar[str] = "its own loss"
    end_of_task: ClassVar[str] = "what was learned is kept"
    tuned_folder: ClassVar[str] = "tuned"
    quick_benchmark: ClassVar[str] = ""
    quick_options: ClassVar[Mapping[str, Any]] = {}
    quick_protocol: ClassVar[Mapping[str, Any]] = {}
    draws: ClassVar[bool] = False
    extracts: ClassVar[bool] = False
    measures: ClassVar[bool] = False

    # ------------------------------------------------------------------------------------------------- before a run

    def check(self, spec: RunSpec, benchmark: Benchmark, tier: Tier) -> None:
        """Refuse what a run of this setting cannot be asked for.

        Raises:
            UsageError: an option that is not for this setting, or a benchmark without this tier.
        """
        return

    def ordered(self, benchmark: Benchmark, spec: RunSpec) -> Benchmark:
        """The benchmark in the order of tasks that a run asks for, under a name of its own where that is another."""
        return benchmark

    @abstractmethod
    def tasks(self, benchmark: Benchmark, tier: Tier, spec: RunSpec, seed: int) -> Sequence[Task]:
        """All tasks of a trial, numbered from 1, in the order in which they are learned."""

    @abstractmethod
    def default_backbone(self, tier: Tier) -> str:
        """The tier's own backbone: a folder, or a hub id."""

    def quick_protocol_on(self, backbone: str) -> Mapping[str, Any]:
        """`quick_protocol`, and what a backbone asks for besides.

        Args:
            backbone: a folder or a hub id; what is wrong with it is said by `find_backbone`.
        """
        return self.quick_protocol

    @abstractmethod
    def find_backbone(self, source: str, *, offline: bool) -> Path:
        """The folder of a backbone, fetched first unless `offline`.

        Raises:
            UsageError: it is not there, or not of the kind that this setting needs.
        """

    @abstractmethod
    def protocol(self, tier: Tier) -> Frozen:
        """The tier's protocol, before a run's changes."""

    def changed_protocol(self, tier: Tier, spec: RunSpec) -> Any:
        """The tier's protocol with a run's changes.

        Raises:
            UsageError: an unknown option, or a value out of range.
        """
        kind, name, changes = self.protocol_class, self.protocol_name, spec.protocols().get(self.protocol_name, {})
        for option in changes:
            if option not in kind.model_fields:
                raise unknown(f"{name} option", option, kind.model_fields)
        try:
            return self.protocol(tier).with_changes(changes)
        except ValidationError as error:
            first = error.errors()[0]
            where = f"{name.capitalize()} option '{first['loc'][0]}'"
            # pydantic's own sentences begin with a capital; a validator's may begin with a name
            said = first["msg"] if first["type"] == "own" else first["msg"].lower()
            raise UsageError(f"{where} cannot be {first['input']!r}: {said}.") from None

    def said(self, protocol: Frozen) -> str:
        """What a plan says of the protocol, in a few words: 'sampler: DDIM, 8 steps'; empty for nothing."""
        return ""

    @abstractmethod
    def context(self, given: Given) -> RunContext:
        """What all cells of a run share.

        Raises:
            UsageError: a change of the protocol that does not fit.
        """

    def check_prompts(self, context: RunContext, tasks: Sequence[Task], options: Sequence[Any]) -> None:
        """Look at the tasks that will be run under some methods' options, before any work.

        Raises:
            UsageError: something of a task does not fit the backbone.
        """
        return

    def check_methods(self, context: RunContext, methods: Mapping[str, type[Method[Any]]]) -> None:
        """Look at what methods ask of a backbone, before any work.

        Args:
            context: What all cells share, the backbone among it.
            methods: By the names that they are asked for by.

        Raises:
            UsageError: the backbone has not what one needs.
        """
        return

    @abstractmethod
    def add_cell(self, plan: Plan, request: CellRequest) -> Cell:
        """Plan one cell: its steps, as far as the plan does not have them, and what belongs to it."""

    def task_keys(self, cell: Cell, position: int) -> Mapping[str, Any]:
        """What a run's file says of one task of a cell: {train, real, real_features, images, features, content}."""
        train = cell.trains[min(position, len(cell.trains) - 1)]  # a joint method has one training, of all tasks
        return {"train": train, "real": None, "real_features": None, "images": {}, "features": {}, "content": ""}

    # --------------------------------------------------------------------------------------------- images of the user

    def folder_benchmark(
        self, folder: Path, tier: str, *, split_into: int | None, class_order: int | None, watch: Watch,
        min_side: int | None,
    ) -> Benchmark:  # fmt: skip
        """A folder of the user's own images as a benchmark.

        Raises:
            UsageError: it is none, or this setting takes no folders.
        """
        raise self._no_folders()

    def read_folder(self, folder: Path, watch: Watch, min_side: int | None, refused: Refusals) -> Any:
        """For `data check`: everything in a folder of the user's own images, read and decoded.

        Raises:
            UsageError: this setting takes no folders.
        """
        raise self._no_folders()

    def _no_folders(self) -> UsageError:
        return UsageError(
            f"The setting {self.name} takes no folder of images; name a benchmark of `stamina-bench list`."
        )

    def known_tasks(self, benchmark: Benchmark, tier: str) -> Iterable[Task]:
        """Tasks by whose images a step is known to be of a benchmark, for `cache prune`."""
        return benchmark.tasks(tier)

    # -------------------------------------------------------------------------------------------------------- figures

    @cached_property
    def presentation(self) -> Presentation:
        """How its results are printed."""
        return self.present()

    @abstractmethod
    def present(self) -> Presentation:
        """How its results are printed; `presentation` keeps it."""

    @cached_property
    def metrics_hash(self) -> str:
        """Hash of the metrics' source: scoring is cheap, and an edited metric must score again."""
        return _hash(self.scoring_modules)

    @cached_property
    def measuring_hash(self) -> str:
        """The same of `measuring_modules`."""
        return _hash(self.measuring_modules)

    def column(self, metric: str) -> Column | None:
        """The column of a metric; None where no table or file has it."""
        return next((column for column in self.presentation.every if column.metric == metric), None)

    def higher(self, metric: str) -> bool:
        """Whether higher is better."""
        column = self.column(metric)
        return column is not None and column.higher

    def trial_score(self, figures: Mapping[str, float]) -> float:
        """What a tuning goes by, lower is better: the first of `trial_metrics`."""
        name = self.trial_metrics[0]
        return -figures[name] if self.higher(name) else figures[name]

    # --------------------------------------------------------------------------------------------- what steps will cost

    def steps_of_training(self, recipe: Mapping[str, Any]) -> int:
        """Training steps of a training's recipe, for the speed that progress shows; 0 where it does not tell."""
        return int(recipe.get("options", {}).get("steps", 0))

    def is_nominal(self, context: RunContext) -> bool:
        """Whether the nominal seconds of `step_kinds` were taken on a backbone like this one, on such a device."""
        return True

    def counting_imports_torch(self, context: RunContext) -> bool:
        """Whether `counts` takes seconds, which an estimate beside a run is not worth."""
        return False

    def counts(self, plan: Plan) -> StepCounts:
        """What steps cost that are not nominal and of which none was measured.

        Raises:
            UsageError: the backbone cannot be counted.
        """
        raise UsageError(f"Steps of the setting {self.name} cannot be counted; leave the estimate out.")

    def forecast(self, benchmark: str, tier: str) -> Any:
        """What makes `stamina-bench plan`, a function; see `harness.settings.customization.forecast.forecast`.

        Raises:
            UsageError: this setting has none.
        """
        raise UsageError(
            f"`plan` counts diffusion models only, and {benchmark} is of {self.name}; use "
            f"`stamina-bench run {benchmark} --tier {tier} --dry-run`."
        )

    # -------------------------------------------------------------------------------------------------------- methods

    def prompt(self, options: Any) -> str | None:
        """The prompt that a method's tasks are trained with; None where nothing is prompted in words."""
        return None

    def loss_note(self, options: Any) -> str:
        """What options add to the loss of every method that draws the setting's own batches; empty for nothing."""
        return ""

    def rehearsal(
        self, plugin: type[Method[Any]], tasks: Sequence[Task], folder: Path, name: str, *, device: str, dtype: str,
        seed: int,
    ) -> Rehearsal:  # fmt: skip
        """For `calibrate`: a backbone and two tasks.

        Args:
            plugin: The method.
            tasks: Two.
            folder: The backbone's.
            name: What it is called.
            device: 'cpu' or 'cuda:0'.
            dtype: Of what is frozen.
            seed: Of all draws.

        Raises:
            UsageError: this setting has none.
        """
        raise UsageError(f"`calibrate` is not for the setting {self.name}; `stamina-bench tune` chooses weights there.")

    def counting_backbone(self, paper: Tier) -> str:
        """Where parameters are counted if nobody says where: the backbone of the paper's tier."""
        return self.default_backbone(paper)

    def whole_of(self, backbone: str) -> str:
        """What `n_param` is a share of on a backbone, in words."""
        return self.presentation.whole

    def check_counting(self, backbone: str) -> None:
        """Make sure that parameters can be counted there.

        Raises:
            UsageError: it is not there, or not of the kind that this setting needs.
        """
        return

    def count_parameters(self, backbone: str, names: str) -> list[dict[str, Any]]:
        """One record a method: {method, parameters, n_param, ...}.

        Args:
            backbone: Where to count.
            names: Comma-separated method names, or 'all'.

        Raises:
            UsageError: this setting cannot count, an unknown method, or a backbone that cannot be loaded.
        """
        raise UsageError(f"Parameters cannot be counted in the setting {self.name}; use --no-params.")

    # -------------------------------------------------------------------------------------------------- the machine

    def models(self, tier: Tier, backbone: str | None) -> Sequence[ModelPart]:
        """For `doctor`: what a tier needs for this setting, in the order in which it is looked for.

        Args:
            tier: The tier.
            backbone: What stands in for a backbone that would be downloaded; None for nothing.
        """
        return ()
