"""A run of the classification setting as a plan; everything that can be wrong with it is said here, before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness import registry
from harness.api import Prepared, device_type
from harness.backbones.known import is_folder, label, resolved
from harness.cautions import cautions, image_cautions
from harness.class_plan import add_class_cell
from harness.class_tasks import ClassList
from harness.errors import UsageError, unknown
from harness.fingerprint import MEMO, Fingerprints, hub_snapshot
from harness.method_source import warn_of_uncounted
from harness.plan import Plan, Setting
from harness.runner import check
from harness.spec import Benchmark, ClassOptions, Recognition, RunSpec, Tier
from harness.store import Store

LOADED = ("config.json", "model.safetensors")  # of a timm model


def prepare_classes(spec: RunSpec, benchmark: Benchmark, tier: Tier, *, elsewhere: bool = False) -> Prepared:
    """As `harness.api.prepare`. Each seed is a trial of the published protocol: it draws the class order, too.

    Raises:
        UsageError: unknown names, unusable options, folders or models.
    """
    for option, value, remedy in (
        ("order", spec.order, "a run's seed draws the class order, and --class-order fixes it"),
        ("extractor", spec.extractor, "accuracy needs none"),
        ("full-matrix", spec.full_matrix, "every task is tested after every later one in any case"),
        ("compile", spec.compile, "a ViT of this size gains nothing"),
        ("set sampling", spec.sampling, "nothing is drawn"),
    ):
        if value:
            raise UsageError(f"--{option} is not for the classification setting: {remedy}; leave it out.")
    if spec.backbone == "":
        raise UsageError("--backbone is empty; name one, or leave it out for the tier's.")
    source = benchmark.sources.get(tier.name)
    if source is None:
        benchmark.tasks(tier.name)  # says so
    assert isinstance(source, ClassList)
    wanted: list[tuple[str, Any, ClassOptions, tuple[str, ...]]] = []
    for method_spec in spec.methods:
        plugin = registry.methods("classification").get(method_spec.name)
        warn_of_uncounted(method_spec.name, plugin)
        try:
            options = plugin.options_for("classification").for_tier(tier.name, method_spec.changes)
        except UsageError as error:
            raise UsageError(f"Method '{method_spec.name}': {error}") from None
        wanted.append((method_spec.name, plugin, options, tuple(method_spec.changes)))
    store = Store(spec.output / "store")
    store.prepare()
    fingerprints = Fingerprints(store.root / MEMO)
    kind = device_type(spec, tier, elsewhere=elsewhere)
    model = spec.backbone or tier.classifier
    folder = classifier_folder(model, offline=spec.offline)
    backbone = resolved(model, folder)
    if backbone != model:  # of the hub: the run's file says which commit
        spec = spec.model_copy(update={"backbone": backbone})
    setting = Setting(
        tier=tier, sampling=tier.sampling, backbone=str(folder), backbone_name=label(backbone),
        backbone_hash=fingerprints.folder(folder), extractor="", extractor_hash="", device_type=kind,
        dtype=spec.dtype or "float32", offline=spec.offline, recognition=recognition_of(tier, folder, spec),
        cautions=(*cautions(spec, tier, benchmark), *image_cautions(benchmark, tier)),
    )  # fmt: skip
    plan = Plan(setting)
    benchmark = _of_one_order(benchmark, spec)
    for seed in spec.seeds:
        tasks = source.in_order(seed if spec.class_order is None else spec.class_order)
        chosen = [task for task in tasks if spec.tasks is None or task.index in spec.tasks]
        for name, plugin, options, given in wanted:
            add_class_cell(plan, benchmark, chosen, len(tasks), name, plugin, options, seed, source.note, given)
    fingerprints.save()
    return Prepared(spec, plan, store, check(plan, store), benchmark)


def _of_one_order(benchmark: Benchmark, spec: RunSpec) -> Benchmark:
    """The benchmark under a name of its own where every seed has one class order: no spread over orders mixes both."""
    end = f"-order{spec.class_order}"
    if spec.class_order is None or benchmark.name.endswith(end):  # a folder's says so already
        return benchmark
    told = {"name": f"{benchmark.name}{end}", "title": f"{benchmark.title}, class order {spec.class_order}"}
    return benchmark.model_copy(update={**told, "base": benchmark.name})


def recognition_of(tier: Tier, folder: Path, spec: RunSpec) -> Recognition:
    """How images are seen: the tier's way with the spec's changes, at the size that the ViT was made for.

    Raises:
        UsageError: an unknown option, or a value out of range.
    """
    from harness.backbones.classifier_files import image_size

    for option in spec.recognition:
        if option not in Recognition.model_fields:
            raise unknown("recognition option", option, Recognition.model_fields)
    usual, size = tier.recognition, image_size(folder)
    fitted: dict[str, Any] = {}
    if size is not None and size != usual.resolution:
        fitted = {"resolution": size, "resize": round(size * usual.resize / usual.resolution)}
    try:
        found = Recognition.model_validate({**usual.model_dump(), **fitted, **spec.recognition})
    except ValidationError as error:
        first = error.errors()[0]
        said = first["msg"].lower()
        raise UsageError(f"Recognition option '{first['loc'][0]}' cannot be {first['input']!r}: {said}.") from None
    if size is not None and found.resolution != size:
        raise UsageError(f"recognition.resolution={found.resolution} does not fit the ViT, which was made for {size}.")
    if found.resize < found.resolution:
        raise UsageError(
            f"recognition.resize={found.resize} is smaller than the resolution {found.resolution}; raise it."
        )
    return found


def classifier_folder(source: str, *, offline: bool) -> Path:
    """A timm model's folder: itself, or its snapshot in the local hub cache (fetched first where `offline` is False).

    Raises:
        UsageError: neither, or it is no whole timm ViT in safetensors.
    """
    from harness.backbones.classifier_files import read_config

    if is_folder(source):
        folder = Path(source).expanduser()
        read_config(folder)
        return folder
    repository, _, revision = source.partition("@")
    if repository.count("/") != 1:
        raise UsageError(f"The backbone '{source}' is neither a folder nor a timm model's hub id; give one of them.")
    pinned = f" --revision {revision}" if revision else ""
    missing = (
        f"The backbone '{source}' is neither a folder nor in the local hub cache; give a folder, allow downloads with "
        f"--no-offline, or fetch it with `hf download {repository}{pinned} {' '.join(LOADED)}`; the mini tier needs "
        "none of this."
    )
    folder = hub_snapshot(source, repository, revision or None, LOADED, missing, offline=offline)
    read_config(folder)
    return folder
