"""What a run would take, on a machine that has neither its weights nor its images: the plan, counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness import registry
from harness.backbones.architecture import blueprint
from harness.backbones.counts import counts_of, extractor_counts
from harness.backbones.hub import label
from harness.backbones.solvers import check_solver
from harness.engine.devices import make_slots
from harness.engine.plan import CellRequest, Plan, RunContext, Step
from harness.engine.schedule import longest_chain
from harness.engine.simulate import simulate
from harness.errors import BenchError, UsageError
from harness.estimates.estimate import CORE, START_S, UTILISATION, Device, Measured, finished, in_seconds
from harness.formats.figure_text import are, counted
from harness.method import Method
from harness.settings.base import StepKind
from harness.settings.customization.costs import GIB, SAMPLED, Costs, Work
from harness.settings.customization.prepare import check_shared_text
from harness.spec import Benchmark, Frozen, RunSpec, Sampling, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IMAGES: Final = 15  # of a concept whose photographs are not here: as many as the people of CelebA-HQ 20 have at least
CARDS: Final = (8, 12, 16, 24, 40, 80)  # GB of memory
RESERVE: Final = 1.5 * GIB  # what no count sees: the driver's context, workspaces, the allocator's rounding


@dataclass(frozen=True)
class StandInImages:
    """So many images that are not here."""

    name: str
    count: int

    def __len__(self) -> int:
        return self.count

    def fingerprint(self) -> str:
        """Its name: nothing else is known."""
        return self.name

    def load(self, size: int) -> NDArray[np.uint8]:
        """There is nothing to load.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"The images of '{self.name}' are not here; prepare them first.")


class Totals(Frozen):
    """Hours on one device, in all and by kind of step; bytes on disk."""

    gpu_hours: float
    train_hours: float
    sampling_hours: float
    hours: Mapping[str, float]
    disk_bytes: int
    steps: int


class MethodForecast(Frozen):
    """One method, its seeds together, as if it were run alone. Bytes of memory are at most, and by count.

    options: those changed from the tier's defaults.
    """

    method: str
    options: Mapping[str, Any]
    cells: int
    trained: int
    n_param: float
    total: Totals
    memory_bytes: int
    training_memory_bytes: int
    sampling_memory_bytes: int
    fits: Mapping[int, bool]
    longest_chain_hours: float
    unknown: tuple[str, ...]


class Scaled(Frozen):
    """The run's schedule on so many devices, as the runner would choose: simulated.

    idle_share: of the devices' time, 0 to 1, the part without work. speed_up: over one device.
    """

    devices: int
    wall_hours: float
    idle_share: float
    speed_up: float


class Forecast(Frozen):
    """A whole run. In `total`, steps that methods share count once. `scaling`: on 1, 2, 4, ... devices."""

    benchmark: str
    tier: str
    backbone: str
    resolution: int
    dtype: str
    device: str
    utilisation: float
    basis: str
    tasks: int
    images_per_task: tuple[int, int]
    cells: int
    methods: tuple[MethodForecast, ...]
    total: Totals
    longest_chain_hours: float
    notes: tuple[str, ...]
    scaling: tuple[Scaled, ...] = ()


def tasks_of(benchmark: Benchmark, tier: str) -> tuple[Sequence[Task], list[str]]:
    """The tasks of a benchmark at a tier, with stand-ins for their images; and what had to be assumed, in words.

    Raises:
        UsageError: its tasks can be listed at no tier.
    """
    notes: list[str] = []
    count: int | None = None
    try:
        tasks = benchmark.tasks(tier)
    except BenchError as error:
        others = [name for name in benchmark.sources if name != tier]
        for name in others:
            try:
                tasks, count = benchmark.tasks(name), IMAGES
                break
            except BenchError:
                continue
        else:
            raise error from None
        notes.append(
            f"The images of {benchmark.name} at the tier {tier} are not here: counted "
            f"{are(len(tasks))} {counted(len(tasks), 'task')}, as at "
            f"the tier {name}, of {IMAGES} images each."
        )
    return [_stand_in(task, count) for task in tasks], notes


def _stand_in(task: Task, count: int | None) -> Task:
    """The task with images that are only counted; of another tier's task without its held-out ones."""
    reference = None
    if task.reference is not None and count is None:
        reference = StandInImages(f"{task.name}, held out", len(task.reference))
    images = StandInImages(task.name, count or len(task.images))
    return task.model_copy(update={"images": images, "reference": reference})


def forecast(
    spec: RunSpec, benchmark: Benchmark, device: Device, *, utilisation: float = UTILISATION,
    store: Path | None = None, devices: int = 1,
) -> Forecast:  # fmt: skip
    """Count a run.

    Args:
        spec: its output folder is not looked at. device: what it would run on.
        store: finished steps that correct the count. devices: how many of them; with more than one, or on CPUs, the
            schedule is simulated.

    Raises:
        UsageError: unknown names, options or shapes, or a precision that the device does not have.
    """
    tier, setting = registry.tiers().get(spec.tier), registry.setting(benchmark.setting)
    source = spec.backbone or tier.backbone
    kind = "cpu" if device is CORE else "cuda"
    usual = tier.dtype if device.bfloat16 or tier.dtype != "bfloat16" else "float16"
    usual = "float32" if kind == "cpu" else usual
    dtype = spec.dtype or usual
    if dtype == "bfloat16" and not device.bfloat16:
        raise UsageError(f"--dtype bfloat16: the {device.title} has no fast bfloat16; use float16 or float32.")
    benchmark = benchmark.shuffled(spec.order)
    tasks, notes = tasks_of(benchmark, tier.name)
    chosen = [task for task in tasks if spec.tasks is None or task.index in spec.tasks]
    shapes = blueprint(source)
    extractor = spec.extractor or tier.extractor
    tier = tier.model_copy(update={"resolution": shapes.resolution, "extractor": extractor})
    plan = Plan(
        RunContext(
            tier=tier, protocol=setting.changed_protocol(tier, spec), backbone=source, backbone_name=label(source),
            backbone_hash=shapes.digest, extractor=extractor, extractor_hash=extractor, device_type=kind, dtype=dtype,
            gradient_checkpointing=spec.gradient_checkpointing,
        )
    )  # fmt: skip
    check_solver(plan.context.protocol_as(Sampling).solver, flow=shapes.layout.flow)
    for seed in spec.seeds:
        for wanted in spec.methods:
            plugin: type[Method[Any]] = registry.methods().get(wanted.name)
            check_shared_text(shapes.layout, wanted.name, plugin)
            try:
                options = plugin.options_class.for_tier(tier.name, wanted.changes)
            except UsageError as error:
                raise UsageError(f"Method '{wanted.name}': {error}") from None
            learner = registry.base_method_of(plugin, setting)
            plan.add_cell(
                CellRequest(
                    benchmark=benchmark, tasks=chosen, total=len(tasks), name=wanted.name, method=plugin,
                    options=options, seed=seed, learner=learner, full_matrix=spec.full_matrix,
                    called=wanted.called,
                )
            )  # fmt: skip
    counts = counts_of(shapes, source, "float32" if dtype == "float32" else "half")
    again = spec.gradient_checkpointing
    costs = Costs(counts, extractor_counts(extractor), dtype, gradient_checkpointing=again)
    measured = _measured(store, kind, dtype, costs, device.rate(dtype) * utilisation, setting.step_kinds)
    works = {key: costs.of(step, plan) for key, step in plan.steps.items()}

    def seconds_of(step: Step) -> float:
        key = (step.kind, step.recipe.get("method", ""))
        if key in measured.seconds:
            return measured.seconds[key] * setting.step_kinds[step.kind].units(step.recipe)
        return in_seconds(step, works[step.key].flop, device, dtype, utilisation, measured)

    seconds = {key: seconds_of(step) for key, step in plan.steps.items()}
    methods = tuple(
        _method(name, plan, works, seconds, costs) for name in dict.fromkeys(cell.name for cell in plan.cells)
    )
    notes += [f"{m.method}: {text} could not be counted." for m in methods for text in m.unknown]
    notes.append(f"Images: {plan.context.protocol_as(Sampling).said}.")
    sizes = [len(task.images) for task in chosen]
    return Forecast(
        benchmark=benchmark.name, tier=tier.name, backbone=label(source), resolution=shapes.resolution, dtype=dtype,
        device=device.title, utilisation=utilisation, tasks=len(chosen), images_per_task=(min(sizes), max(sizes)),
        basis="counted, corrected by finished steps" if measured.seconds else "counted", cells=len(plan.cells),
        methods=methods, total=_totals(plan.steps.values(), works, seconds),
        longest_chain_hours=longest_chain(plan.steps.values(), seconds) / 3600, notes=tuple(notes),
        scaling=_scaling(plan, seconds, kind, devices) if devices > 1 or kind == "cpu" else (),
    )  # fmt: skip


def _scaling(plan: Plan, seconds: Mapping[str, float], kind: str, devices: int) -> tuple[Scaled, ...]:
    steps = list(plan.steps.values())
    counts = sorted({devices, *(2**power for power in range(devices.bit_length()) if 2**power < devices)})
    made = {
        count: simulate(steps, seconds, make_slots([kind], count), device_type=kind, start_s=START_S)
        for count in counts
    }
    return tuple(
        Scaled(
            devices=count, wall_hours=s.makespan / 3600, idle_share=s.idle_share,
            speed_up=made[1].makespan / s.makespan if s.makespan else 1.0,
        )
        for count, s in made.items()
    )  # fmt: skip


def _measured(
    store: Path | None, kind: str, dtype: str, costs: Costs, rate: float, kinds: Mapping[str, StepKind]
) -> Measured:
    if store is None:
        return Measured()
    # features and scores say only in their facts on what device they were made
    found = [
        step
        for step in finished(store, {"device": kind, "dtype": dtype})
        if step.recipe.get("device", step.device) == kind
    ]
    backbones = {step.recipe["backbone"] for step in found if "backbone" in step.recipe}
    if not backbones:
        what = "a GPU" if kind == "cuda" else "a CPU"
        raise UsageError(f"{store.parent} holds no finished steps of {what} in {dtype}; leave --measured out.")
    if len(backbones) > 1:
        raise UsageError(f"{store.parent} holds steps on several backbones; name a results folder of the one planned.")
    measured = Measured.of(found, kinds)
    measured.compare(found, lambda kind, recipe: costs.work(kind, recipe, sequential=True).flop, rate)
    return measured


def _method(
    name: str, plan: Plan, works: Mapping[str, Work], seconds: Mapping[str, float], costs: Costs
) -> MethodForecast:
    cells = [cell for cell in plan.cells if cell.name == name]
    own = {key: plan.steps[key] for cell in cells for key in cell.steps}
    footprint = costs.footprint(cells[0].method, cells[0].options.model_dump(mode="json"))
    memory = {kind: max((works[k].memory for k, s in own.items() if s.kind == kind), default=0) for kind in _KINDS}
    peak = max(memory.values())
    return MethodForecast(
        method=name, options=cells[0].options.changed(cells[0].tier), cells=len(cells), trained=footprint.trained,
        n_param=100 * footprint.trained / costs.counts.parameters["unet"], total=_totals(own.values(), works, seconds),
        memory_bytes=peak, training_memory_bytes=memory["train"],
        sampling_memory_bytes=max(memory[kind] for kind in SAMPLED),
        fits={card: peak + RESERVE <= card * GIB for card in CARDS},
        longest_chain_hours=longest_chain(own.values(), seconds) / 3600, unknown=footprint.unknown,
    )  # fmt: skip


_KINDS: Final = ("real", "prior", "train", "merge", "generate", "compose", "edit", "base", "features", "score")


def _totals(steps: Any, works: Mapping[str, Work], seconds: Mapping[str, float]) -> Totals:
    hours: dict[str, float] = defaultdict(float)
    disk = count = 0
    for step in steps:
        hours[step.kind] += seconds[step.key] / 3600
        disk += works[step.key].disk
        count += 1
    return Totals(
        gpu_hours=sum(hours.values()), train_hours=hours["train"] + hours["merge"],
        sampling_hours=sum(hours[kind] for kind in SAMPLED), hours=dict(hours), disk_bytes=disk, steps=count,
    )  # fmt: skip
