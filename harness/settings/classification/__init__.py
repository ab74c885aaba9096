"""The classification setting: a ViT learns some classes after others, and tells all of them apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import UsageError
from harness.settings.base import METRICS, Given, ModelPart, Setting, StepCounts, StepKind
from harness.settings.classification.epochs import planned
from harness.spec import ClassOptions, Recognition

if TYPE_CHECKING:
    from harness.data.class_folder import ClassReading
    from harness.data.selection import Watch
    from harness.data.skipped_files import Refusals
    from harness.engine.plan import Cell, CellRequest, Plan, RunContext
    from harness.settings.presentation import Presentation
    from harness.spec import Benchmark, RunSpec, Task, Tier

STEPS = "harness.settings.classification.steps"
TRIALS = 10  # class orders whose tasks are known; the steps of others stay


def _trained(recipe: Mapping[str, Any]) -> float:
    return float(planned(recipe)[0])


def _tested(recipe: Mapping[str, Any]) -> float:
    return float(sum(recipe["classes"]))


class Classification(Setting):
    """Class-incremental learning without rehearsal, by the protocol of CODA-Prompt (the paper's Section 6).

    Each seed is a trial: it draws the class order, too.
    """

    name = "classification"
    order = 1
    base_options = ClassOptions
    budget = ("epochs",)
    default_methods = ("stamina", "clora", "coda-p")
    protocol_name = "recognition"
    protocol_class = Recognition
    headline = ("a_n", "forgetting_max")
    headline_names = ("A_N", "forgetting")
    headline_unit = "%"
    # Raise a step's version when its code changes what it writes.
    step_kinds: ClassVar[Mapping[str, StepKind]] = {
        "train": StepKind(f"{STEPS}:run_train", 5, 3.8, 0.7, _trained, 240, chained=True),
        "evaluate": StepKind(f"{STEPS}:run_evaluate", 1, 1.2, 0.05, _tested, scoring=True, named=False),
        "score": StepKind(f"{STEPS}:run_score", 4, 0.5, 0.1, scoring=True, anywhere=True),
    }
    preload = "harness.settings.classification.preload"
    scoring_modules = tuple(METRICS / f"{name}.py" for name in ("accuracy", "scores", "interference"))
    criterion = "a_n of the cell (A_N in %, higher is better), mean over the seeds"
    trial_metrics = ("a_n",)
    trial_budget = 9
    verified = ("a_n", "a_n_mean", "forgetting_max")
    states = ("plasticity_distance", "mask_density", "n_param")
    exact = ("n_param",)
    bare_loss = "cross-entropy"
    end_of_task = "residuals on the projections, if any, are folded into W_t; the head keeps a row for each class seen"
    tuned_folder = "tuned/classification"
    quick_benchmark = "objects-tuning5"
    quick_options: ClassVar[Mapping[str, Any]] = {"epochs": 2}

    def check(self, spec: RunSpec, benchmark: Benchmark, tier: Tier) -> None:
        """See `Setting.check`."""
        for option, value, remedy in (
            ("order", spec.order, "a run's seed draws the class order, and --class-order fixes it"),
            ("extractor", spec.extractor, "accuracy needs none"),
            ("full-matrix", spec.full_matrix, "every task is tested after every later one in any case"),
            ("compile", spec.compile, "a ViT of this size gains nothing"),
            ("gradient-checkpointing", spec.gradient_checkpointing, "a ViT of this size has no need of it"),
            ("set sampling", spec.sampling, "nothing is drawn"),
        ):
            if value:
                raise UsageError(f"--{option} is not for the classification setting: {remedy}; leave it out.")
        if tier.name not in benchmark.sources:
            benchmark.tasks(tier.name)  # says so

    def ordered(self, benchmark: Benchmark, spec: RunSpec) -> Benchmark:
        """Under a name of its own where every seed has one class order: no spread over orders mixes both."""
        end = f"-order{spec.class_order}"
        if spec.class_order is None or benchmark.name.endswith(end):  # a folder's says so already
            return benchmark
        told = {"name": f"{benchmark.name}{end}", "title": f"{benchmark.title}, class order {spec.class_order}"}
        return benchmark.model_copy(update={**told, "base": benchmark.name})

    def tasks(self, benchmark: Benchmark, tier: Tier, spec: RunSpec, seed: int) -> Sequence[Task]:
        """All classes in the order of trial `seed`, or in the run's own."""
        from harness.data.class_tasks import ClassList

        source = benchmark.sources[tier.name]
        assert isinstance(source, ClassList)
        return source.in_order(seed if spec.class_order is None else spec.class_order)

    def default_backbone(self, tier: Tier) -> str:
        """See `Setting.default_backbone`."""
        return tier.classifier

    def find_backbone(self, source: str, *, offline: bool) -> Path:
        """A timm ViT; only its settings are read."""
        from harness.settings.classification.prepare import classifier_folder

        return classifier_folder(source, offline=offline)

    def protocol(self, tier: Tier) -> Recognition:
        """See `Setting.protocol`."""
        return tier.recognition

    def context(self, given: Given) -> RunContext:
        """See `Setting.context`."""
        from harness.settings.classification.prepare import context

        return context(given)

    def add_cell(self, plan: Plan, request: CellRequest) -> Cell:
        """See `harness.settings.classification.plan`."""
        from harness.settings.classification.plan import add_cell

        return add_cell(plan, request)

    def steps_of_training(self, recipe: Mapping[str, Any]) -> int:
        """Epochs times batches."""
        return planned(recipe)[1]

    def folder_benchmark(
        self, folder: Path, tier: str, *, split_into: int | None, class_order: int | None, watch: Watch,
        min_side: int | None,
    ) -> Benchmark:  # fmt: skip
        """One sub-folder of images for each class, or a train/ and a test/ folder of such."""
        from harness.data.class_folder import folder_benchmark

        return folder_benchmark(folder, tier, split_into, class_order, watch, min_side)

    def read_folder(self, folder: Path, watch: Watch, min_side: int | None, refused: Refusals) -> ClassReading:
        """Classes, and where their images for training and testing are."""
        from harness.data.class_folder import read_classes

        return read_classes(folder, watch, min_side, refused)

    def known_tasks(self, benchmark: Benchmark, tier: str) -> Iterable[Task]:
        """Those of the first trials: which classes a task has hangs on the trial."""
        from harness.data.class_tasks import ClassList

        source = benchmark.sources[tier]
        if not isinstance(source, ClassList):
            return benchmark.tasks(tier)
        return (task for trial in range(TRIALS) for task in source.in_order(trial))

    def present(self) -> Presentation:
        """See `harness.settings.classification.presentation`."""
        from harness.settings.classification.presentation import PRESENTATION

        return PRESENTATION

    def is_nominal(self, context: RunContext) -> bool:
        """Never: a ViT's size tells what its steps take."""
        return False

    def counts(self, plan: Plan) -> StepCounts:
        """See `harness.settings.classification.costs`."""
        from harness.settings.classification.costs import ClassCosts

        return ClassCosts(plan.context)

    def check_counting(self, backbone: str) -> None:
        """See `Setting.check_counting`."""
        from harness.settings.classification.parameters import find_vit

        find_vit(backbone)

    def count_parameters(self, backbone: str, names: str) -> list[dict[str, Any]]:
        """See `harness.settings.classification.parameters`."""
        from harness.settings.classification.parameters import count_class_parameters

        return count_class_parameters(backbone, names)

    def models(self, tier: Tier, backbone: str | None) -> Sequence[ModelPart]:
        """A timm ViT, where the tier has one."""
        from harness.settings.classification.models import classifier_in_words

        return (ModelPart("classifier", tier.classifier, classifier_in_words),) if tier.classifier else ()
