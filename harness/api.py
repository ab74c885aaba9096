"""The run as a function: what the command line calls, and what a notebook may call, too."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import registry
from harness.backbones.hashes import MEMO, Fingerprints
from harness.backbones.hub import label, resolved
from harness.engine.cautions import cautions, image_cautions
from harness.engine.devices import Slot, make_slots
from harness.engine.plan import CellRequest, Plan
from harness.engine.runner import Progress, check
from harness.errors import UsageError, unknown
from harness.method import Method
from harness.settings.base import Given, Setting
from harness.sources.method_source import warn_of_uncounted
from harness.sources.named_file import folders_of, importable, module_name
from harness.spec import Benchmark, MethodSpec, RunSpec, SettingName, Tier
from harness.store.store import Store

if TYPE_CHECKING:
    from harness.data.selection import Watch

# one of these exists where the kernel offers an NVIDIA GPU (the last one under WSL)
GPU_FILES = ("/proc/driver/nvidia/version", "/dev/nvidia0", "/dev/dxg")


@dataclass(frozen=True)
class Prepared:
    """A spec turned into a plan, with what the store has of it."""

    spec: RunSpec
    plan: Plan
    store: Store
    progress: Progress
    benchmark: Benchmark

    @property
    def cautions(self) -> tuple[str, ...]:
        """What its owner must know before the work, in whole sentences."""
        return self.plan.context.cautions


def find_benchmark(
    name: str, tier: str, setting: SettingName | None = None, split_into: int | None = None,
    class_order: int | None = None, watch: Watch | None = None, min_side: int | None = None,
    holdout: int | None = None,
) -> Benchmark:  # fmt: skip
    """A registered benchmark, one that the user prepared, or a folder of the user's own photographs.

    Args:
        name: The benchmark's name, or the path of a folder or of a benchmark's YAML file.
        tier: The tier's name.
        setting: Of a folder; a registered benchmark has its own.
        split_into: Of a folder of classes: into how many tasks.
        class_order: Of a folder of classes: the order of the classes for every seed.
        watch: Shows how far the reading of a folder's images is.
        min_side: Pixels that an image's shorter side needs in a folder; None for the decoder's default.
        holdout: So many photographs of each concept are kept out of training, and measured against.

    Raises:
        UsageError: none of them, or not of that setting.
    """
    from harness.data.holdout import hold_out
    from harness.data.selection import unwatched

    found = _find(name, tier, setting, split_into, class_order, watch or unwatched, min_side, holdout)
    if setting is not None and found.setting != setting:
        raise UsageError(f"Benchmark '{name}' is of the setting {found.setting}; leave out --setting {setting}.")
    return found if holdout is None or is_benchmark_file(name) else hold_out(found, tier, holdout)


def is_own_folder(name: str) -> bool:
    """Whether it is a path, or the name of a folder that there is ("shoot 12:30"), and not MODULE:OBJECT."""
    return "/" in name or "\\" in name or name in (".", "..") or bool(name and os.path.exists(name))


def is_benchmark_file(name: str) -> bool:
    """Whether it is the path of a benchmark's YAML file."""
    return name.lower().endswith((".yaml", ".yml")) and not os.path.isdir(name)


def _find(
    name: str, tier: str, setting: SettingName | None, split_into: int | None, class_order: int | None, watch: Watch,
    min_side: int | None, holdout: int | None,
) -> Benchmark:  # fmt: skip
    """`holdout` is for files, which may have a number of their own."""
    folder, registered = is_own_folder(name), name in registry.benchmarks().names()
    if not folder or registered:
        if min_side is not None:
            raise UsageError("--min-side is for a folder of your own images; leave it out.")
        if split_into is not None:
            raise UsageError("--split-into is for a folder of classes with --setting classification; leave it out.")
    if is_benchmark_file(name):
        from harness.data.benchmark_file import file_benchmark

        return file_benchmark(Path(name), tier, watch, min_side, holdout=holdout)
    if registered or (":" in name and not folder):
        return registry.benchmarks().get(name)
    from harness.data.manifest import prepared_benchmark, prepared_names

    prepared = prepared_benchmark(name, tier)
    if prepared is not None and (not folder or setting in (None, prepared.setting)):
        return prepared
    if folder:
        of = registry.setting(setting or registry.setting_names()[0])
        return of.folder_benchmark(
            Path(name), tier, split_into=split_into, class_order=class_order, watch=watch, min_side=min_side
        )
    plain = str(unknown("benchmark", name, [*registry.benchmarks().names(), *prepared_names()]))
    raise UsageError(plain.rstrip("?.") + ", or a folder with one sub-folder of photographs per concept.")


def detect_device(device: str) -> str:
    """'cpu' or 'cuda', of 'auto', 'cpu', 'cuda', 'cuda:N' or a list of these, without importing torch for 'cpu'.

    A list with any GPU is 'cuda': a CPU beside GPUs makes only what is the same everywhere.

    Raises:
        UsageError: something else, or a GPU where there is none.
    """
    named = device.split(",")
    for part in named:
        if not re.fullmatch(r"cpu|cuda:\d{1,4}" + ("|auto|cuda" if len(named) == 1 else ""), part):
            known = "auto, cpu, cuda, cuda:N, or several such as cuda:0,cuda:1,cpu"
            raise UsageError(f"Unknown device '{part}'; use {known}.")
    if set(named) == {"cpu"} or (device == "auto" and not any(Path(p).exists() for p in GPU_FILES)):
        return "cpu"
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    lacking = [part for part in named if part != "cpu" and int(part.partition(":")[2] or 0) >= count]
    if not lacking:
        return "cuda"
    if device == "auto":
        return "cpu"
    seen = f"it sees cuda:0 to cuda:{count - 1}" if count else "there is none"
    raise UsageError(f"--device {lacking[0]} needs a CUDA GPU that torch can see, and {seen}; use --device cpu.")


def device_type(spec: RunSpec, tier: Tier, *, elsewhere: bool) -> str:
    """'cpu' or 'cuda', by the spec or else the tier; what is for other machines is not looked for here."""
    device = tier.device if spec.device == "auto" else spec.device
    return device if elsewhere else detect_device(device)


def device_list(device: str, kind: str) -> list[str]:
    """The devices that workers share: ['cpu'], ['cuda:1'], those listed, or every GPU."""
    if "," in device or ":" in device:
        return device.split(",")
    if kind == "cpu":
        return ["cpu"]
    import torch

    return [f"cuda:{i}" for i in range(torch.cuda.device_count())]


def slots_of(prepared: Prepared) -> tuple[Slot, ...]:
    """The slots that a run has on this machine."""
    spec = prepared.spec
    return make_slots(device_list(spec.device, prepared.plan.context.device_type), spec.jobs)


def prepare(spec: RunSpec, benchmark: Benchmark | None = None, *, elsewhere: bool = False) -> Prepared:
    """Turn a spec into a plan; everything that can be wrong with it is said here, before any work.

    Args:
        spec: What is to be run.
        benchmark: What `find_benchmark` found of the spec's, where that is known already.
        elsewhere: The run is for other machines: its device, 'cpu' or 'cuda', is not looked for here.

    Raises:
        BenchError: unknown names, unusable options, folders or models.

    Example:
        >>> prepared = sb.prepare(sb.RunSpec(benchmark="mixed50", methods=[{"name": "stamina"}], tasks=[1]))
    """
    for option in ("backbone", "extractor"):
        if getattr(spec, option) == "":
            raise UsageError(f"--{option} is empty; name one, or leave it out for the tier's.")
    importable(spec.plugin_folders)
    methods = tuple(each.model_copy(update={"name": module_name(each.name)}) for each in spec.methods)
    spec = spec.model_copy(update={"benchmark": module_name(spec.benchmark), "methods": methods})
    if folders := folders_of([spec.benchmark, *(method.name for method in spec.methods)]):
        spec = spec.model_copy(update={"plugin_folders": tuple(dict.fromkeys((*spec.plugin_folders, *folders)))})
    tier: Tier = registry.tiers().get(spec.tier)
    benchmark = benchmark or find_benchmark(
        spec.benchmark, tier.name, spec.setting, spec.split_into, spec.class_order, min_side=spec.min_side,
        holdout=spec.holdout,
    )  # fmt: skip
    setting = registry.setting(benchmark.setting)
    setting.check(spec, benchmark, tier)
    if spec.metrics and not setting.measures:
        raise UsageError(f"--metrics measures generated images, and the setting {setting.name} has none; leave it out.")
    for name in spec.metrics:
        warn_of_uncounted(name, registry.metric(name), "Metric")
    check_protocol(spec, setting)
    benchmark = setting.ordered(benchmark, spec)
    wanted = [_wanted(method, tier, setting) for method in spec.methods]
    store = Store(spec.output / "store")
    store.prepare()
    fingerprints = Fingerprints(store.root / MEMO)
    kind = device_type(spec, tier, elsewhere=elsewhere)
    source = spec.backbone or setting.default_backbone(tier)
    folder = setting.find_backbone(source, offline=spec.offline)
    backbone = resolved(source, folder)
    given = Given(
        spec=spec, tier=tier, benchmark=benchmark, folder=folder, backbone_name=label(backbone),
        backbone_hash=fingerprints.folder(folder), device_type=kind, fingerprints=fingerprints,
        cautions=(*cautions(spec, tier, benchmark), *image_cautions(benchmark, tier)),
    )  # fmt: skip
    plan = Plan(setting.context(given))
    setting.check_methods(plan.context, {each.name: each.method for each in wanted})
    if backbone != source:  # of the hub: the run's file says which commit
        spec = spec.model_copy(update={"backbone": backbone})
    for seed in spec.seeds:
        tasks = setting.tasks(benchmark, tier, spec, seed)
        chosen = [task for task in tasks if spec.tasks is None or task.index in spec.tasks]
        setting.check_prompts(plan.context, chosen, [each.options for each in wanted])
        for each in wanted:
            request = CellRequest(
                benchmark=benchmark, tasks=chosen, total=len(tasks), name=each.name, method=each.method,
                options=each.options, seed=seed, learner=each.learner, full_matrix=spec.full_matrix, given=each.given,
                metrics=spec.metrics, called=each.called,
            )  # fmt: skip
            plan.add_cell(request)
    fingerprints.save()
    return Prepared(spec, plan, store, check(plan, store), benchmark)


@dataclass(frozen=True)
class Wanted:
    """A method of a spec, loaded: its class and its learner's, its options, those that the user set, and its name."""

    name: str
    method: type[Method[Any]]
    learner: type[Method[Any]] | None
    options: Any
    given: tuple[str, ...]
    called: str


def _wanted(spec: MethodSpec, tier: Tier, setting: Setting) -> Wanted:
    methods = registry.methods(setting.name)
    method = methods.get(spec.name)
    warn_of_uncounted(spec.name, method)
    try:
        options = method.options_for(setting.name).for_tier(tier.name, spec.changes)
    except UsageError as error:
        raise UsageError(f"Method '{spec.name}': {error}") from None
    return Wanted(
        spec.name, method, registry.base_method_of(method, setting), options, tuple(spec.changes), spec.called
    )


def check_protocol(spec: RunSpec, setting: Setting) -> None:
    """Refuse changes to the protocol of another setting.

    Raises:
        UsageError: there are some.
    """
    owners = {registry.setting(name).protocol_name: name for name in registry.setting_names()}
    for name in spec.protocols():
        if name != setting.protocol_name:
            owner = owners.get(name, "unknown")
            raise UsageError(f"--set {name} is for the {owner} setting, and this is {setting.name}; leave it out.")
