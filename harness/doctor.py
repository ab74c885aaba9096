"""What of this machine and installation is ready to run, and what to do about the rest. Nothing is downloaded."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import platform
import shutil
import tempfile
import warnings
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from harness import api, registry
from harness.backbones.hashes import model_folder
from harness.backbones.hub import KNOWN, is_folder
from harness.backbones.pipeline_files import check_pipeline
from harness.data.class_files import FileImages
from harness.data.manifest import PreparedImages, prepared_benchmark, prepared_names
from harness.engine.devices import default_jobs
from harness.errors import BenchError, UsageError, first_line, nearest, presentable
from harness.formats.figure_text import counted
from harness.machine.libraries import try_imports
from harness.machine.limits import cannot_start
from harness.settings.base import ModelPart
from harness.spec import Benchmark, RunSpec, SettingName, Task

State = Literal["ready", "note", "missing", "broken"]

PROJECT = "stamina-bench"
DEFAULT_TIER: str = RunSpec.model_fields["tier"].default
ROOM = 2e9  # bytes of disk under which a results folder soon is full
PREFIX = "STAMINA_BENCH_"
ALSO = ("CUDA_VISIBLE_DEVICES", "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
SECRET = ("TOKEN", "KEY", "SECRET", "PASSWORD")


@dataclass(frozen=True)
class Finding:
    """One line of the examination."""

    area: str
    name: str
    state: State
    detail: str
    remedy: str = ""
    needed: bool = False  # whether the default tier needs it

    @property
    def fatal(self) -> bool:
        """Whether the default tier cannot run for it."""
        return self.needed and self.state in ("missing", "broken")


def examine(output: Path, backbone: str | None = None, variables: Iterable[str] = ()) -> Iterator[Finding]:
    """Everything, in the order in which one thing needs another.

    Args:
        output: the results folder, which need not exist.
        backbone: a folder or hub id to look at instead of the hub ids of tiers.
        variables: names of the environment variables that options read, to notice others.
    """
    yield from packages()
    yield from imports()
    yield from processor()
    yield from workers()
    yield from gpus()
    tiers: dict[str, set[SettingName]] = {}
    yield from models(tiers, backbone)
    yield from plugins()
    yield from benchmarks(tiers)
    yield from results(output)
    yield from environment(os.environ, frozenset(variables))


def packages() -> Iterator[Finding]:
    """Python, and every package of the installed metadata, against the ranges tested."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.specifiers import SpecifierSet

    try:
        about = metadata.metadata(PROJECT)
    except metadata.PackageNotFoundError:
        remedy = "run `pip install -e .` in its folder"
        yield Finding("package", PROJECT, "broken", "is not installed, so that no plug-in is found", remedy, True)
        return
    yield Finding("package", PROJECT, "ready", about["Version"])
    tested, python = about["Requires-Python"] or "", platform.python_version()
    fits = SpecifierSet(tested).contains(python, prereleases=True)
    remedy = "" if fits else "make an environment with a Python of that range"
    yield Finding("package", "python", "ready" if fits else "note", _against(python, tested, fits), remedy)
    for line in metadata.requires(PROJECT) or []:
        try:
            needs = Requirement(line)
        except InvalidRequirement:
            continue
        if needs.marker is not None and not needs.marker.evaluate({"extra": ""}):
            continue  # of an extra, such as test
        remedy = f"pip install '{needs.name}{needs.specifier}'"
        try:
            version = metadata.version(needs.name)
        except metadata.PackageNotFoundError:
            yield Finding("package", needs.name, "missing", "is not installed", remedy, True)
            continue
        fits = needs.specifier.contains(version, prereleases=True)
        detail = _against(version, str(needs.specifier), fits)
        yield Finding("package", needs.name, "ready" if fits else "note", detail, "" if fits else remedy)


def _against(version: str, tested: str, fits: bool) -> str:
    return f"{version} (tested: {tested})" if fits else f"{version} is outside the range tested, {tested}"


def imports() -> Iterator[Finding]:
    """What the steps of each setting import, tried in a process of its own, as workers do."""
    modules = {name: registry.setting(name).preload for name in registry.setting_names()}
    found = try_imports(list(modules.values()))
    if not any(found.values()):
        yield Finding("package", "imports", "ready", "all that steps need can be imported")
        return
    first = registry.setting_names()[0]
    for setting, module in modules.items():
        if found[module]:
            detail, remedy = _halves(found[module])
            yield Finding("package", f"imports: {setting}", "broken", detail, remedy, setting == first)


def workers() -> Iterator[Finding]:
    """Whether this machine has what worker processes share."""
    try:
        multiprocessing.get_context("spawn").Semaphore(0)
        multiprocessing.get_context("spawn").Pipe(duplex=False)
    except OSError as error:
        yield Finding("device", "workers", "broken", *_halves(str(cannot_start(error))), needed=True)
    else:
        yield Finding("device", "workers", "ready", "can be started")


def processor() -> Iterator[Finding]:
    """CPU cores that this process may use, and memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    jobs = default_jobs(["cpu"])
    yield Finding("device", "cpu", "ready", f"{counted(cores, 'core')} usable, {counted(jobs, 'worker')} by default")
    memory = _memory()
    if memory is not None:
        yield Finding("device", "memory", "ready", f"{memory / 1e9:.1f} GB")


def _memory() -> float | None:
    """Bytes of memory, as far as the system says: the machine's, or what a container may use of it."""
    sizes: list[int] = []
    with contextlib.suppress(AttributeError, OSError, ValueError):
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            sizes.append(int(Path(path).read_text(encoding="ascii")))
        except (OSError, ValueError):  # none, or 'max'
            continue
    return float(min(sizes)) if sizes else None


def gpus() -> Iterator[Finding]:
    """Every CUDA GPU. torch is imported only where the kernel offers one."""
    if not any(Path(path).exists() for path in api.GPU_FILES):
        yield Finding("device", "cuda", "note", "no NVIDIA GPU; the mini tier needs none")
        return
    try:
        import torch

        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            usable = torch.cuda.is_available()
        if not usable:
            why = next((str(w.message).strip().splitlines()[0] for w in said), "it was built without CUDA, perhaps")
            remedy = "install a CUDA build of torch that suits the driver, and look at CUDA_VISIBLE_DEVICES"
            yield Finding("device", "cuda", "missing", f"there is a GPU, and torch cannot use it ({why})", remedy)
            return
        for index in range(torch.cuda.device_count()):
            card: Any = torch.cuda.get_device_properties(index)
            # 8.0 (Ampere) and later compute in bfloat16; earlier ones only emulate it
            bf16 = "bf16" if torch.version.hip or card.major >= 8 else "no bf16: use --dtype float16 or float32"
            yield Finding("device", f"cuda:{index}", "ready", f"{card.name}, {card.total_memory / 1e9:.1f} GB, {bf16}")
    except Exception as error:  # a broken driver raises anything
        remedy = "mend the GPU's driver or torch; --device cpu works without"
        yield Finding("device", "cuda", "broken", f"the GPU cannot be asked: {first_line(error)}", remedy)


def models(ready: dict[str, set[SettingName]], backbone: str | None = None) -> Iterator[Finding]:
    """Each tier's backbone, extractor and classifier; `ready` is told the settings whose models are there."""
    found: list[Finding] = []
    for name, tier in _load(registry.tiers(), "tier", found):
        needed = name == DEFAULT_TIER
        lines, ready[name] = [], set()
        for setting in map(registry.setting, registry.setting_names()):
            own: list[Finding] = []
            for part in setting.models(tier, backbone):
                if part.waits and own[0].state != "ready" and not Path(part.source).is_dir():
                    # open_clip alone knows where its models lie, and takes seconds to import
                    detail = f"{part.source}, looked for once the {own[0].name.rpartition(' ')[2]} is there"
                    own.append(Finding("model", f"{name}: {part.kind}", "note", detail, own[0].remedy))
                else:
                    own.append(_model(name, part, needed))
            if own and all(line.state == "ready" for line in own):
                ready[name].add(setting.name)
            lines += own
        found += lines
    if DEFAULT_TIER not in ready and not any(f.fatal for f in found):
        found.append(_not_installed("tier", DEFAULT_TIER))
    yield from found
    yield _known_backbones()


def _known_backbones() -> Finding:
    """Which of the backbones that have a name are in the local hub cache, whole."""
    here: list[str] = []
    for name in KNOWN:
        with contextlib.suppress(Exception):  # whatever a damaged cache makes of it
            check_pipeline(model_folder(name, offline=True), name)
            here.append(name)
    absent = [name for name in KNOWN if name not in here]
    parts = [f"in the local hub cache: {', '.join(here)}"] * bool(here) + [f"not: {', '.join(absent)}"] * bool(absent)
    detail = "; ".join(parts) if here else f"none of {', '.join(absent)} is in the local hub cache"
    remedy = "" if here else "only for the paper tier: `run --tier paper --backbone NAME --no-offline` downloads one"
    return Finding("model", "known backbones", "ready" if here else "note", detail, remedy)


def _model(tier: str, part: ModelPart, needed: bool) -> Finding:
    name, kind, source = f"{tier}: {part.kind}", part.kind, part.source
    folder = is_folder(source) or Path(source).is_absolute()
    try:
        return Finding("model", name, "ready", part.look(source), needed=needed)
    except Exception as error:  # whatever a damaged file or a library makes of it
        if needed:
            remedy = f"its files are part of the package: install {PROJECT} again"
        elif folder:
            remedy = "give another folder"
        else:
            remedy = "`run --no-offline` downloads it"
            remedy += ", or name a folder with --backbone" if kind != "extractor" else ""
        state: State = "broken" if folder else "missing"
        # a sentence for the user ends with a remedy of `run`'s; ours knows more
        return Finding("model", name, state, first_line(error).partition(";")[0].rstrip("."), remedy, needed)


def plugins() -> Iterator[Finding]:
    """Every method, those of other packages among them: one line if all load, and one for each that does not."""
    found: list[Finding] = []
    known = map(registry.methods, registry.setting_names())
    loaded = sorted({name for methods in known for name, _ in _load(methods, "method", found)})
    if loaded:
        yield Finding("plug-ins", "methods", "ready", f"{len(loaded)} load: {', '.join(loaded)}")
    elif not found:
        yield _not_installed("method", "methods")
    yield from dict.fromkeys(found)  # a method of both settings fails in both


def benchmarks(tiers: Mapping[str, set[SettingName]]) -> Iterator[Finding]:
    """Each benchmark at each tier: ready, or what is missing. `tiers`: the settings whose models are there."""
    found: list[Finding] = []
    loaded: list[tuple[str, Benchmark]] = list(_load(registry.benchmarks(), "benchmark", found))
    yield from found
    if not loaded and not found:
        yield _not_installed("benchmark", "benchmarks")
    for name, benchmark in loaded:
        for tier, ready in tiers.items():
            yield _at_tier(name, benchmark, tier, benchmark.setting in ready)
    yield from prepared_benchmarks({name for name, _ in loaded})


def prepared_benchmarks(others: Container[str] = ()) -> Iterator[Finding]:
    """Benchmarks that the user prepared under a name of their own: whether their photographs are where they were."""
    for name in prepared_names():
        if name in others:
            continue
        title = f"{name}, any tier"
        try:
            own = prepared_benchmark(name, "any")
            tasks = own.tasks("any") if own is not None else ()
            yield Finding("benchmark", title, "ready", _counted(tasks))
        except BenchError as error:
            yield Finding("benchmark", title, "missing", *_halves(str(error)))


def _counted(tasks: Sequence[Task]) -> str:
    """How many tasks, and where their photographs lie if they were prepared.

    Raises:
        UsageError: a photograph is missing or changed.
    """
    prepared = [task.images for task in tasks if isinstance(task.images, PreparedImages)]
    for images in prepared:
        images.look()
    classes = [task.images for task in tasks if isinstance(task.images, FileImages)]
    for some in classes:
        some.look()
    places = dict.fromkeys(f"{images.origin.title} in {images.origin.root}" for images in prepared)
    of = f", {counted(sum(map(len, prepared)), 'image')} of {' and '.join(places)}" if prepared else ""
    of += f", {counted(sum(map(len, classes)), 'image')} to train" if classes else ""
    return f"{counted(len(tasks), 'task')}{of}"


def _halves(sentence: str) -> tuple[str, str]:
    """What is wrong, and the remedy."""
    wrong, _, remedy = sentence.rpartition("; ")
    return (wrong, remedy.rstrip(".")) if wrong else (sentence, "")


def _at_tier(name: str, benchmark: Benchmark, tier: str, ready: bool) -> Finding:
    title, needed = f"{name}, {tier}", tier == DEFAULT_TIER and tier in benchmark.sources
    if tier not in benchmark.sources:
        remedy = f"use --tier {' or --tier '.join(benchmark.sources)}, or run a folder of photographs at this one"
        return Finding("benchmark", title, "note", "has no images at this tier", remedy)
    try:
        count = _counted(benchmark.tasks(tier))
    except BenchError as error:
        return Finding("benchmark", title, "missing", *_halves(str(error)), needed=needed)
    except Exception as error:  # a plug-in's code may raise anything
        detail = f"its tasks cannot be listed ({first_line(error)})"
        return Finding("benchmark", title, "broken", detail, "mend or uninstall it", needed)
    if not ready:
        return Finding("benchmark", title, "missing", f"{count}, but the tier's models are not ready", "see above")
    return Finding("benchmark", title, "ready", count, needed=needed)


def _load(plugins: registry.Registry[Any], kind: str, problems: list[Finding]) -> Iterator[tuple[str, Any]]:
    """The plug-ins of a kind that load; the others go to `problems`, and count as needed if they are ours."""
    try:
        names = plugins.names()
    except UsageError as error:  # two packages claim one name
        problems.append(Finding("plug-ins", f"{kind}s", "broken", str(error), needed=True))
        return
    for name in names:
        try:
            yield name, plugins.get(name)
        except UsageError as error:
            ours = plugins.origin(name).startswith(f"{PROJECT}:")
            remedy = f"install {PROJECT} and its packages again" if ours else ""
            problems.append(Finding("plug-ins", f"{kind} {name}", "broken", str(error), remedy, ours))


def _not_installed(kind: str, name: str) -> Finding:
    detail = f"no {kind} of that name is registered" if kind == "tier" else "none is registered"
    return Finding("plug-ins", name, "missing", detail, f"install {PROJECT} again", True)


def results(output: Path) -> Iterator[Finding]:
    """Whether the results folder, or the nearest folder above it that exists, can be written, and its free space."""
    place = output
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    new = "" if place == output else ", which does not exist yet"
    elsewhere = "choose another one with --output-dir"
    try:
        with tempfile.TemporaryFile(dir=place) as stream:
            stream.write(b"writable")
        free = shutil.disk_usage(place).free
    except OSError as error:
        detail = f"{output}{new}, cannot be written ({(error.strerror or str(error)).lower()})"
        yield Finding("results", "folder", "broken", detail, elsewhere, True)
        return
    yield Finding("results", "folder", "ready", f"{output}{new}: writable")
    room: State = "ready" if free >= ROOM else "note"
    remedy = "" if free >= ROOM else f"free some (`{PROJECT} cache prune`), or {elsewhere}"
    yield Finding("results", "disk", room, f"{free / 1e9:.1f} GB free", remedy)


def environment(variables: Mapping[str, str], known: frozenset[str]) -> Iterator[Finding]:
    """Environment variables that matter, with their values; of tokens only that they are set."""
    for name in sorted(variables):
        if not name.startswith(PREFIX) and name not in ALSO:
            continue
        value = "set" if any(word in name for word in SECRET) else presentable(variables[name])
        if name.startswith(PREFIX) and known and name not in known:
            close = [k for k in known if k.lower() in nearest(name, [k.lower() for k in known], 1)]
            remedy = f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(known))}"
            yield Finding("environment", name, "note", f"{value} (no option reads it)", remedy)
        else:
            yield Finding("environment", name, "ready", value)
