"""The customization setting: a text-to-image model learns one concept after another, and draws them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import UsageError
from harness.settings.base import METRICS, Given, ModelPart, Rehearsal, Setting, StepCounts, StepKind
from harness.spec import MethodOptions, Sampling

if TYPE_CHECKING:
    from harness.data.concept_folder import Reading
    from harness.data.selection import Watch
    from harness.data.skipped_files import Refusals
    from harness.engine.plan import Cell, CellRequest, Plan, RunContext
    from harness.method import Method
    from harness.settings.presentation import Presentation
    from harness.spec import Benchmark, Frozen, RunSpec, Task, Tier

STEPS = "harness.settings.customization.steps"
MEASURES = "harness.settings.customization.measures"


def _trained(recipe: Mapping[str, Any]) -> float:
    return float(recipe["options"]["steps"] * recipe["options"]["batch_size"])


def _sampled(recipe: Mapping[str, Any]) -> float:
    return float(recipe["sampling"]["images"] * recipe["sampling"]["steps"])


class Customization(Setting):
    """Concepts of a few images each; scored by MMD between real and generated images (the paper's Sections 4 and 5)."""

    name = "customization"
    order = 0
    base_options = MethodOptions
    budget = ("steps", "batch_size")
    default_methods = ("stamina", "clora", "ti++")
    method_group = "stamina_bench.methods"
    protocol_name = "sampling"
    protocol_class = Sampling
    headline = ("a_mmd", "f_mmd")
    headline_names = ("A_mmd", "F_mmd")
    headline_unit = "x10^3"
    # Raise a step's version when its code changes what it writes.
    step_kinds: ClassVar[Mapping[str, StepKind]] = {
        "real": StepKind(f"{STEPS}:run_real", 2, 0.3, 0.3),
        "prior": StepKind(f"{STEPS}:run_prior", 2, 1.2, 0.3, _sampled, 128, named=False, of_no_concept=True),
        "train": StepKind(f"{STEPS}:run_train", 5, 3.8, 0.7, _trained, 240, chained=True),
        "merge": StepKind(f"{STEPS}:run_merge", 2, 0.5, 1.5, chained=True, named=False),
        "generate": StepKind(f"{STEPS}:run_generate", 3, 1.2, 0.2, _sampled, 128),
        "compose": StepKind(f"{STEPS}:run_compose", 2, 0.6, 0.1, _sampled, 64, shown=True),
        "edit": StepKind(f"{STEPS}:run_edit", 1, 1.2, 0.2, _sampled, 128, scoring=True, named=False),
        "base": StepKind(f"{STEPS}:run_base", 1, 1.2, 0.2, _sampled, 128, scoring=True, of_no_concept=True),
        "features": StepKind(f"{STEPS}:run_features", 1, 0.15, 0.05, scoring=True),
        "score": StepKind(f"{STEPS}:run_score", 5, 0.5, 0.1, scoring=True, anywhere=True),
        "measure": StepKind(f"{MEASURES}:run_measure", 1, 0.5, 0.05, scoring=True),
    }
    quick_benchmark = "tuning6"
    quick_options: ClassVar[Mapping[str, Any]] = {"steps": 20}
    quick_protocol: ClassVar[Mapping[str, Any]] = {"images": 3, "steps": 2}
    preload = "harness.settings.customization.preload"
    scoring_modules = tuple(METRICS / f"{name}.py" for name in ("mmd", "scores", "interference", "variants"))
    measuring_modules = (METRICS / "measured.py",)
    # A_N alone: it contains what was forgotten, and A + F would count that twice
    criterion = "a_mmd of the cell (biased, times 1000, lower is better), mean over the seeds; f_mmd is reported"
    trial_metrics = ("a_mmd", "f_mmd")
    space_size = 36
    trial_budget = 9
    verified = ("a_mmd", "f_mmd", "learned_mmd", "kid")
    states = ("plasticity_distance", "mask_density", "n_param")
    exact = ("n_param",)
    bare_loss = "L_SD"
    end_of_task = "residuals on the projections, if any, are folded into W_t; the token is kept as a plain embedding"
    draws = True
    extracts = True
    measures = True

    def check(self, spec: RunSpec, benchmark: Benchmark, tier: Tier) -> None:
        """See `Setting.check`."""
        if spec.class_order is not None:
            raise UsageError("--class-order is for --setting classification; here --order shuffles the tasks.")
        benchmark.tasks(tier.name)

    def ordered(self, benchmark: Benchmark, spec: RunSpec) -> Benchmark:
        """See `Setting.ordered`."""
        return benchmark.shuffled(spec.order)

    def tasks(self, benchmark: Benchmark, tier: Tier, spec: RunSpec, seed: int) -> Sequence[Task]:
        """The benchmark's tasks: a seed draws no order here."""
        return benchmark.tasks(tier.name)

    def default_backbone(self, tier: Tier) -> str:
        """See `Setting.default_backbone`."""
        return tier.backbone

    def quick_protocol_on(self, backbone: str) -> Mapping[str, Any]:
        """With the solver of a flow, where the backbone is one."""
        from harness.backbones.checks import layout_of
        from harness.backbones.hashes import model_folder

        with suppress(UsageError):
            if layout_of(model_folder(backbone, offline=True), backbone).flow:
                return {**self.quick_protocol, "solver": "euler"}
        return self.quick_protocol

    def whole_of(self, backbone: str) -> str:
        """'U-Net' or 'transformer'."""
        from harness.backbones.architecture import blueprint

        return blueprint(backbone).layout.noun

    def find_backbone(self, source: str, *, offline: bool) -> Path:
        """A whole Stable Diffusion pipeline; only headers of its weights are read."""
        from harness.backbones.hashes import model_folder
        from harness.backbones.pipeline_files import check_pipeline

        folder = model_folder(source, offline=offline)
        check_pipeline(folder, source)
        return folder

    def protocol(self, tier: Tier) -> Sampling:
        """See `Setting.protocol`."""
        return tier.sampling

    def said(self, protocol: Frozen) -> str:
        """See `Setting.said`."""
        return f"sampler: {protocol.said}" if isinstance(protocol, Sampling) else ""

    def context(self, given: Given) -> RunContext:
        """See `Setting.context`."""
        from harness.settings.customization.prepare import context

        return context(given)

    def check_prompts(self, context: RunContext, tasks: Sequence[Task], options: Sequence[Any]) -> None:
        """Category words must fit the tokenizer, where a method's prompts or its class images' name them."""
        from harness.settings.customization.prepare import check_prompts

        check_prompts(Path(context.backbone), tasks, options)

    def check_methods(self, context: RunContext, methods: Mapping[str, type[Method[Any]]]) -> None:
        """Some solve for keys and values of a prompt's features, which must be the same in all layers then."""
        from harness.backbones.checks import layout_of
        from harness.settings.customization.prepare import check_shared_text

        layout = layout_of(Path(context.backbone), context.backbone_name)
        for name, method in methods.items():
            check_shared_text(layout, name, method)

    def add_cell(self, plan: Plan, request: CellRequest) -> Cell:
        """See `harness.settings.customization.plan`."""
        from harness.settings.customization.plan import add_cell

        return add_cell(plan, request)

    def task_keys(self, cell: Cell, position: int) -> Mapping[str, Any]:
        """See `Setting.task_keys`."""
        number = cell.tasks[position].index
        after = [i for i, j in cell.images if j == number]
        return {
            "train": cell.trains[position], "real": cell.real[position], "real_features": cell.real_features[position],
            "images": {i: cell.images[i, number] for i in after},
            "features": {i: cell.features[i, number] for i in after}, "content": cell.contents[position],
        }  # fmt: skip

    def folder_benchmark(
        self, folder: Path, tier: str, *, split_into: int | None, class_order: int | None, watch: Watch,
        min_side: int | None,
    ) -> Benchmark:  # fmt: skip
        """One sub-folder of photographs for each concept."""
        from harness.data.folder_benchmark import photo_benchmark

        if split_into is not None:
            raise UsageError("--split-into is for a folder of classes with --setting classification; leave it out.")
        if class_order is not None:
            raise UsageError("--class-order is for --setting classification; here --order shuffles the tasks.")
        return photo_benchmark(folder, tier, watch, min_side)

    def read_folder(self, folder: Path, watch: Watch, min_side: int | None, refused: Refusals) -> Reading:
        """One sub-folder of photographs for each concept."""
        from harness.data.concept_folder import checked, read_photos

        return checked(read_photos(folder, refused), watch, min_side, refused)

    def present(self) -> Presentation:
        """See `harness.settings.customization.presentation`."""
        from harness.settings.customization.presentation import PRESENTATION

        return PRESENTATION

    def is_nominal(self, context: RunContext) -> bool:
        """Whether the run is on a CPU, with a backbone of the embedded one's architecture."""
        from harness.backbones.architecture import blueprint
        from harness.backbones.counts import is_nominal

        return context.device_type == "cpu" and is_nominal(
            blueprint(context.backbone_name, folder=Path(context.backbone))
        )

    def counting_imports_torch(self, context: RunContext) -> bool:
        """Whether torch would be imported for it alone."""
        return context.device_type == "cpu"

    def counts(self, plan: Plan) -> StepCounts:
        """See `harness.settings.customization.costs`."""
        from harness.settings.customization.costs import PlanCosts

        return PlanCosts(plan)

    def forecast(self, benchmark: str, tier: str) -> Callable[..., Any]:
        """See `harness.settings.customization.forecast`."""
        from harness.settings.customization.forecast import forecast

        return forecast

    def prompt(self, options: Any) -> str:
        """'a photo of a V* X'."""
        from harness.prompts import prompt_for

        return prompt_for("V*", "X", options.category_word)

    def loss_note(self, options: Any) -> str:
        """What class images add."""
        return "; L_SD: of own images + prior_weight x of class images" if options.prior_images else ""

    def rehearsal(
        self, plugin: type[Method[Any]], tasks: Sequence[Task], folder: Path, name: str, *, device: str, dtype: str,
        seed: int,
    ) -> Rehearsal:  # fmt: skip
        """See `harness.settings.customization.rehearsal`."""
        from harness.settings.customization.rehearsal import Rehearsal as Rehearsing

        return Rehearsing(plugin, tasks, folder, name, device=device, dtype=dtype, seed=seed)

    def counting_backbone(self, paper: Tier) -> str:
        """The paper's, by its short name: its true architecture needs no weights."""
        return "sd-1.4"

    def check_counting(self, backbone: str) -> None:
        """See `Setting.check_counting`."""
        from harness.backbones.pipeline_files import check_denoiser

        check_denoiser(backbone)

    def count_parameters(self, backbone: str, names: str) -> list[dict[str, Any]]:
        """See `harness.settings.customization.parameters`."""
        from harness.settings.customization.parameters import count_parameters

        return count_parameters(backbone, names)

    def models(self, tier: Tier, backbone: str | None) -> Sequence[ModelPart]:
        """A pipeline, and the metrics' feature extractor."""
        from harness.backbones.hub import is_folder
        from harness.settings.customization.models import extractor_in_words, pipeline_in_words

        # a tier with a folder of its own ships it: a backbone from elsewhere stands in for what would be downloaded
        source = tier.backbone if backbone is None or is_folder(tier.backbone) else backbone
        return (
            ModelPart("backbone", source, pipeline_in_words),
            ModelPart("extractor", tier.extractor, extractor_in_words, waits=True),
        )
